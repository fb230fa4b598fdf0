#include "cli/command_record.h"

#include "cli/options.h"
#include "trail/trail.h"

#include <unistd.h>

namespace sallyport::cli {

Result<void> record_command(Context& context, const std::string& what, const std::string& result) {
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
    event.result = result;
    event.reason = what;
    event.verified = {{"uid", std::to_string(getuid())}, {"pid", std::to_string(getpid())}};
    (*sink)->add(event);
    written = (*sink)->commit();
  } else {
    written = sink.error();
  }
  if (written || settings->audit.mode != config::AuditMode::required) return {};
  return written;
}

}  // namespace sallyport::cli
