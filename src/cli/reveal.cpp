#include "cli/reveal.h"

#include "cli/options.h"
#include "net/fd.h"
#include "trail/trail.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace sallyport::cli {

namespace {

Result<void> ask(const Context& context, const std::string& reference) {
  const auto denied = [](std::string what, std::string hint) {
    return Error{ErrorCode::denied, Hop::none, "--reveal", std::move(what), std::move(hint), {}};
  };
  if (isatty(STDOUT_FILENO) == 0 || !context.output_file.empty()) {
    return denied("the output is no terminal", "Add --yes where the secret is meant to be written there");
  }
  const net::UniqueFd terminal{open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
  if (!terminal.valid()) return denied("there is no terminal to ask on", "Add --yes");
  dprintf(terminal.get(), "Show the secret of %s on this terminal? [y/N] ", reference.c_str());
  char answer[16] = {};
  const auto size = read(terminal.get(), answer, sizeof answer - 1);
  if (size > 0 && (answer[0] == 'y' || answer[0] == 'Y')) return {};
  return denied("was not confirmed", {});
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
