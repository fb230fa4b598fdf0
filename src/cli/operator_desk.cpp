#include "cli/operator_desk.h"

#include "cli/counted.h"
#include "cli/process_figures.h"

#include <utility>
#include <vector>

namespace sallyport::cli {

namespace {

using admin::Outcome;
using admin::Verb;

/// What one command did to one target.
Result<std::string> act(broker::Broker& broker, Verb verb, const std::string& target) {
  const auto done = [](const Result<void>& result, std::string text) -> Result<std::string> {
    if (!result) return result.error();
    return text;
  };
  switch (verb) {
    case Verb::pause:
      return done(broker.pause_target(target),
                  target + " is paused: new sessions wait, those that live go on");
    case Verb::resume: return done(broker.resume_target(target), target + " serves new sessions");
    case Verb::reconnect:
      return done(
          broker.reconnect_target(target),
          target + " gets new server connections: ready ones are closed, those in use when they come back");
    case Verb::drain: {
      const auto told = broker.drain_target(target);
      if (!told) return told.error();
      return target + ": " + counted(*told, "session ends", "sessions end") +
             " at the next transaction boundary";
    }
    case Verb::status:
    case Verb::reload: break;
  }
  return Error{ErrorCode::internal, Hop::none, "command", "it is not for a target", {}, {}};
}

Outcome act_on_all(broker::Broker& broker, const admin::Command& command) {
  const auto names = command.target.empty() ? broker.target_names() : std::vector{command.target};
  Outcome outcome{true, {}, {}};
  for (const auto& name : names) {
    const auto done = act(broker, command.verb, name);
    if (!done) {
      // Its name is the caller's word: what is no name was refused before (admin/command.h).
      const bool unknown = done.error().code == ErrorCode::not_found;
      return {false, unknown ? "there is no target " + name : done.error().what, done.error().hint};
    }
    outcome.text += (outcome.text.empty() ? "" : "\n") + *done;
  }
  if (names.empty()) outcome.text = "there is no target";
  return outcome;
}

}  // namespace

// The kernel is asked here, on the admin thread: with many descriptors that takes a while.
void OperatorDesk::status(std::function<void(broker::Status)> done) {
  runtime_.status([figures = read_process_figures(), done = std::move(done)](broker::Status status) {
    status.process.figures = figures;
    done(std::move(status));
  });
}

void OperatorDesk::run(admin::Command command, admin::Caller who, Done done) {
  const auto finish = [&runtime = runtime_, command, who, done = std::move(done)](const Outcome& outcome) {
    runtime.record_command(std::string{name_of(command.verb)}, command.target, who.pid, who.uid,
                           outcome.ok ? "ok" : "failed");
    done(outcome);
  };
  if (command.verb == Verb::reload) return reload_(finish);
  runtime_.post([command, finish](broker::Broker& broker) { finish(act_on_all(broker, command)); });
}

void OperatorDesk::note_refused(admin::Caller who) {
  runtime_.record_command("a command of an account that may give none", {}, who.pid, who.uid, "denied");
}

}  // namespace sallyport::cli
