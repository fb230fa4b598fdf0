// One row of the audit trail. What we checked ourselves stands in `verified`, what the client said in
// `claimed`; policy and detectors read verified only (threat 19).
#pragma once

#include "base/clock.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::trail {

enum class EventKind {
  broker_start,
  broker_stop,
  session_start,
  session_denied,
  session_end,
  session_moved,  ///< to another server connection: its credential ends
  credential,
  policy_changed,
  admin,  ///< a command of an operator
  security
};
inline constexpr std::array event_kinds{
    EventKind::broker_start, EventKind::broker_stop,   EventKind::session_start, EventKind::session_denied,
    EventKind::session_end,  EventKind::session_moved, EventKind::credential,    EventKind::policy_changed,
    EventKind::admin,        EventKind::security};

/// Empty strings and absent numbers are left out of the record.
struct Event {
  EventKind kind = EventKind::session_start;
  WallTime at;
  std::string session;  ///< id that joins start and end: 16 hex digits, unique per process
  std::string route, target, role, database;
  std::string upstream_user;  ///< what the server saw, e.g. v-approle-…
  std::string lease_accessor;
  std::optional<std::uint64_t> generation;
  std::optional<std::int64_t> upstream_pid;
  std::string upstream_host;                    ///< of the configuration, "db1.example.com:5432"
  std::string upstream_address, local_address;  ///< "127.0.0.1:5432", our end
  std::string tls_protocol, tls_cipher, server_certificate_sha256;
  std::string result;  ///< "ok", "denied", "failed"
  std::string reason;  ///< why it was denied or ended: one clause
  std::optional<double> duration_s;
  std::optional<std::uint64_t> bytes_to_server, bytes_to_client, transactions;
  std::optional<std::uint64_t> count;  ///< of aggregated denials
  std::map<std::string, std::string>
      verified;  ///< uid, gid, pid, executable, address, certificate_…, identity
  std::map<std::string, std::string> claimed;  ///< user, application_name, database
};

std::string_view name_of(EventKind kind);

/// About what an event takes, for who keeps many; trail/record.h says how many bytes its record has at most.
std::size_t bytes_in_memory(const Event& event);

/// Whom an event is about, from what we verified: the identity that policy gave, else "uid:1000", else the
/// peer's address, else empty. Never what the client claimed.
std::string identity_of(const Event& event);

/// The kind of that name; nothing for a name of a later version.
std::optional<EventKind> kind_named(std::string_view name);

}  // namespace sallyport::trail
