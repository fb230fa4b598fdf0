#include "cli/trail_watch.h"

namespace sallyport::cli {

namespace {

/// What happens without anybody's doing: a crash, a full disk.
bool is_accident(trail::FindingKind kind) {
  return kind == trail::FindingKind::torn_tail || kind == trail::FindingKind::denials_dropped;
}

}  // namespace

void TrailWatch::start() {
  look();
  if (sink_ != nullptr) loop_.after(interval, [this] { start(); });
}

void TrailWatch::look() {
  if (sink_ == nullptr) return;
  for (const auto& finding : sink_->take_findings()) tell(finding);
}

void TrailWatch::tell(const trail::Finding& finding) {
  const auto text = trail::describe(finding);
  if (is_accident(finding.kind)) {
    logger_.write(LogLevel::warning, "the audit trail is not whole", {{"finding", text}});
    return;
  }
  logger_.write(LogLevel::error, "the audit trail was changed by somebody else",
                {{"finding", text}, {"fix", "keep its directory where only Sallyport can write"}});
  trail::Event event;
  event.kind = trail::EventKind::security;
  event.at = loop_.now().wall;
  event.reason = text;
  gate_.note(std::move(event));
}

}  // namespace sallyport::cli
