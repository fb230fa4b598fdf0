// `sallyport pause|resume|drain|reconnect [TARGET]` and `reload`: what an operator tells a running broker.
#include "cli/admin_call.h"
#include "cli/exec_run.h"
#include "cli/operate_wait.h"
#include "cli/options.h"
#include "config/values.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace sallyport::cli {

namespace {

struct Description {
  admin::Verb verb;
  const char* what;
  const char* example;
};

constexpr const char* wait_default = "60s";

bool may_wait(admin::Verb verb) { return verb == admin::Verb::pause || verb == admin::Verb::drain; }

int fail(const Error& error) {
  print_error(error);
  if (error.code == ErrorCode::timed_out && error.hop == Hop::none) return exit_findings;
  return error.code == ErrorCode::not_found ? exit_unreachable : exit_error;
}

/// "--wait 5s": a flag takes no next word, which would be a target, or one too many.
Result<void> time_without_equals(const std::vector<std::string>& arguments) {
  const auto flag = std::find(arguments.begin(), arguments.end(), "--wait");
  if (flag == arguments.end() || flag + 1 == arguments.end()) return {};
  const auto& next = *(flag + 1);
  if (!config::parse_duration(next)) return {};
  return Error{
      ErrorCode::bad_config, Hop::none, "--wait", "has its time behind a =", "Write --wait=" + next, {}};
}

/// Adds to `text` what came of it.
Result<void> see_through(Context& context, const std::string& socket, const admin::Command& command,
                         Duration limit, std::string& text) {
  const WaitPorts ports{[&](const admin::Command& next) { return call_broker(context, socket, next); },
                        [&] { return context.clock.now().mono; },
                        [](Duration pause) { std::this_thread::sleep_for(pause); }};
  auto done = wait_until_done(command, limit, ports);
  if (!done) return done.error();
  text += "\n" + *done;
  return {};
}

int run(Context& context, const std::vector<std::string>& arguments, const Description& description) {
  const auto name = std::string{name_of(description.verb)};
  admin::Command command{description.verb, {}};
  std::string socket, wait;
  CLI::App app{description.what, "sallyport " + name};
  if (description.verb != admin::Verb::reload) {
    app.add_option("TARGET", command.target, "A target of the configuration; left out: all of them");
  }
  if (may_wait(description.verb)) {
    app.add_flag("--wait", wait,
                 std::string{"Answer when it is done, or with exit code 1 after this time ("} + wait_default +
                     " where none is given)")
        ->option_text("[=TIME]");
  }
  app.add_option("--socket", socket, "The broker's admin.socket; else that of the configuration");
  add_global_options(app, context);
  app.footer(std::string{"\nExample:\n  "} + description.example + "\n\ndocs/operations.md says more.\n");
  if (const auto told = time_without_equals(arguments); !told) return fail(told.error());
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  if (wait == "true") wait = wait_default;  // what CLI11 makes of a flag without a value
  const auto limit = wait.empty() ? std::nullopt : config::parse_duration(wait);
  if (!wait.empty() && !limit) {
    return fail({ErrorCode::bad_config,
                 Hop::none,
                 "--wait",
                 "is no duration",
                 "Write e.g. --wait=30s, with a unit",
                 {}});
  }
  auto answer = call_broker(context, socket, command);
  if (!answer) return fail(answer.error());
  auto text = answer->json.value("text", "");
  if (limit) {
    const std::chrono::milliseconds longest{*limit};
    if (auto done = see_through(context, socket, command, longest, text); !done) return fail(done.error());
    answer->json["text"] = text;
  }
  const bool json = context.format == "json";
  if (!json && context.quiet) return exit_ok;
  return write_result(context, (json ? answer->json.dump(2) : text) + "\n") ? exit_ok : exit_error;
}

}  // namespace

int run_pause(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::pause,
       "New sessions of a target wait, as long as pool.wait_max; those that live go on. It lasts until "
       "resume, also across a reload.",
       "sallyport pause production && sallyport drain production --wait"});
}

int run_resume(Context& context, const std::vector<std::string>& arguments) {
  return run(context, arguments,
             {admin::Verb::resume, "Ends a pause: who waits is served.", "sallyport resume production"});
}

int run_drain(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::drain,
       "Each session of a target ends at its next transaction boundary with SQLSTATE 57P01. New ones are "
       "served, unless the target is paused.",
       "sallyport drain production --wait=5min"});
}

int run_reconnect(Context& context, const std::vector<std::string>& arguments) {
  return run(
      context, arguments,
      {admin::Verb::reconnect,
       "Replaces the connections to a target's server: ready ones are closed now, those in use when their "
       "session gives them back.",
       "sallyport reconnect production"});
}

int run_reload(Context& context, const std::vector<std::string>& arguments) {
  return run(context, arguments,
             {admin::Verb::reload, "Reads the configuration again, as SIGHUP does, and says what changed.",
              "sallyport reload"});
}

}  // namespace sallyport::cli
