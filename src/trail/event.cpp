#include "trail/event.h"

namespace sallyport::trail {

std::string_view name_of(EventKind kind) {
  switch (kind) {
    case EventKind::broker_start: return "broker_start";
    case EventKind::broker_stop: return "broker_stop";
    case EventKind::session_start: return "session_start";
    case EventKind::session_denied: return "session_denied";
    case EventKind::session_end: return "session_end";
    case EventKind::session_moved: return "session_moved";
    case EventKind::credential: return "credential";
    case EventKind::policy_changed: return "policy_changed";
    case EventKind::admin: return "admin";
    case EventKind::security: return "security";
  }
  return "security";
}

std::size_t bytes_in_memory(const Event& event) {
  constexpr std::size_t map_node_bytes = 32;  // beside its two strings
  std::size_t bytes = sizeof(Event);
  for (const auto* text :
       {&event.session, &event.route, &event.target, &event.role, &event.database, &event.upstream_user,
        &event.lease_accessor, &event.upstream_host, &event.upstream_address, &event.local_address,
        &event.tls_protocol, &event.tls_cipher, &event.server_certificate_sha256, &event.result,
        &event.reason}) {
    bytes += text->size();
  }
  for (const auto* map : {&event.verified, &event.claimed}) {
    for (const auto& [name, value] : *map) {
      bytes += map_node_bytes + 2 * sizeof(std::string) + name.size() + value.size();
    }
  }
  return bytes;
}

std::string identity_of(const Event& event) {
  const auto verified = [&](const char* name) {
    const auto found = event.verified.find(name);
    return found == event.verified.end() ? std::string{} : found->second;
  };
  if (auto identity = verified("identity"); !identity.empty()) return identity;
  if (const auto uid = verified("uid"); !uid.empty()) return "uid:" + uid;
  return verified("address");
}

std::optional<EventKind> kind_named(std::string_view name) {
  for (const auto kind : event_kinds) {
    if (name_of(kind) == name) return kind;
  }
  return std::nullopt;
}

}  // namespace sallyport::trail
