#include "cli/reveal.h"

#include "cli/confirm.h"
#include "cli/options.h"
#include "trail/trail.h"

#include <unistd.h>

namespace sallyport::cli {

namespace {

Result<void> ask(const Context& context, const std::string& reference) {
  const auto denied = [](std::string what, std::string hint) {
    return Error{ErrorCode::denied, Hop::none, "--reveal", std::move(what), std::move(hint), {}};
  };
  if (isatty(STDOUT_FILENO) == 0 || !context.output_file.empty()) {
    return denied("the output is no terminal", "Add --yes where the secret is meant to be written there");
  }
  return confirm("Show the secret of " + reference + " on this terminal?", "--reveal", "Add --yes");
}

Result<void> write_down(Context& context, const std::string& reference) {
  auto settings = load_settings(context, *context.environment);
  if (!settings) return std::move(settings).error();
  trail::Settings where;
  where.directory = settings->audit.directory;
  where.fsync_each_commit = settings->audit.durability_power;
  auto sink = trail::open_writer(where);
  Result<void> written;
  if (sink) {
    trail::Event event;
    event.kind = trail::EventKind::admin;
    event.at = context.clock.now().wall;
    event.result = "ok";
    event.reason = "resolve --reveal " + reference;
    event.verified = {{"uid", std::to_string(getuid())}, {"pid", std::to_string(getpid())}};
    (*sink)->add(event);
    written = (*sink)->commit();
  } else {
    written = sink.error();
  }
  if (written || settings->audit.mode != config::AuditMode::required) return {};
  return written;
}

}  // namespace

Result<void> allow_reveal(Context& context, const std::string& reference, bool yes) {
  if (!yes) {
    if (auto allowed = ask(context, reference); !allowed) return allowed;
  }
  return write_down(context, reference);
}

}  // namespace sallyport::cli
