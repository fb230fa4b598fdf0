#include "trail/journal_entry.h"

#include "trail/text.h"

#include <cstdint>

namespace sallyport::trail {
namespace {

// syslog(3)
constexpr std::string_view priority_alert_worthy = "3";
constexpr std::string_view priority_warning = "4";
constexpr std::string_view priority_info = "6";

std::string_view priority_of(EventKind kind) {
  switch (kind) {
    case EventKind::security: return priority_alert_worthy;
    case EventKind::session_denied:
    case EventKind::admin:
    case EventKind::policy_changed: return priority_warning;
    default: return priority_info;
  }
}

std::string message_of(const Event& event) {
  std::string line{name_of(event.kind)};
  for (const auto& word :
       {event.route, identity_of(event), event.upstream_user, event.result, event.reason}) {
    if (!word.empty()) line += " · " + printable(word);
  }
  return line;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += '\n';
  const auto size = static_cast<std::uint64_t>(value.size());
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>((size >> shift) & 0xff);
  out += value;
  out += '\n';
}

}  // namespace

std::string encode_journal_entry(const Event& event, std::string_view record) {
  std::string out;
  out.reserve(record.size() + 512);
  append_field(out, "MESSAGE", message_of(event));
  append_field(out, "PRIORITY", priority_of(event.kind));
  append_field(out, "SYSLOG_IDENTIFIER", "sallyport");
  append_field(out, "SALLYPORT_KIND", name_of(event.kind));
  if (!event.session.empty()) append_field(out, "SALLYPORT_SESSION", event.session);
  append_field(out, "SALLYPORT_RECORD", record);
  return out;
}

}  // namespace sallyport::trail
