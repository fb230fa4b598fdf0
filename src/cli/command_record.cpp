#include "cli/command_record.h"

#include "cli/options.h"
#include "trail/trail.h"

#include <unistd.h>

namespace sallyport::cli {

namespace {

/// Whoever writes one record reads the segment to its end first: it stays short, or `token` would get slower by the day.
constexpr std::size_t segment_bytes_max = 64U << 10;

Result<void> write(Context& context, trail::Event event) {
  auto settings = load_settings(context, *context.environment);
  if (!settings) return std::move(settings).error();
  trail::Settings where;
  where.directory = settings->audit.directory;
  where.fsync_each_commit = settings->audit.durability_power;
  where.segment_bytes_max = segment_bytes_max;
  auto sink = trail::open_writer(where);
  Result<void> written;
  if (sink) {
    event.at = context.clock.now().wall;
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

Result<void> record_command(Context& context, const std::string& what, const std::string& result) {
  trail::Event event;
  event.kind = trail::EventKind::admin;
  event.result = result;
  event.reason = what;
  return write(context, std::move(event));
}

void record_source_events(Context& context, const std::string& command,
                          const std::vector<secrets::SourceEvent>& events) {
  for (const auto& seen : events) {
    trail::Event event;
    event.kind = trail::EventKind::security;
    event.result = "unwrap_failed";  // the only kind there is
    event.reason = command + ": " + seen.text;
    const auto written = write(context, std::move(event));
    if (!written) context.logger.write(LogLevel::warning, describe(written.error()), {});
  }
}

}  // namespace sallyport::cli
