// What an operator may see of the broker at one moment: a copy without secrets, made on the relay loop when somebody
// asks. The broker fills in what it knows, cli/ what concerns the process; admin/ shows it.
//
// Texts are those of the configuration, of our own code and, in `credential_error`, of an error, which never holds a
// secret. None is a client's (threat 19).
#pragma once

#include "base/clock.h"
#include "broker/host_status.h"
#include "broker/metered_connector.h"
#include "broker/pool.h"
#include "broker/trail_status.h"
#include "credentials/slot.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::broker {

/// Since the start. Plain integers of the relay loop.
struct BrokerCounters {
  std::uint64_t accepted = 0, ended = 0, moved = 0;
  std::uint64_t turned_away = 0;  ///< unheard: too many of their origin had come to nothing
  std::uint64_t beyond_max = 0;   ///< told so: there were as many clients as may be
  CountsByWord rotation_forced;   ///< by reason
  CountsByWord pins;           ///< transaction pooling: sessions that keep their server connection, by reason
  CountsByWord state_refused;  ///< likewise: statements refused because they leave state behind, by reason
};

/// What sessions of a target that have ended brought together, and those that live have so far.
struct TargetTraffic {
  std::uint64_t sessions = 0;  ///< that were let in
  std::uint64_t bytes_to_server = 0, bytes_to_client = 0, transactions = 0;
  Histogram session_duration;  ///< of those that have ended
  std::uint64_t moved = 0;     ///< and the rest as in BrokerCounters
  CountsByWord rotation_forced, pins, state_refused;
};

/// Its counters hold what the roles of its name had that a reload has replaced.
struct RoleStatus {
  std::string role;
  PoolStatus pool;
  std::size_t pool_min_ready = 0, pool_max = 0;
  LoginFigures logins;
  bool credential_present = false;  ///< one that may be used now
  std::string credential_error;     ///< why the last fetch failed; empty: it did not
  std::optional<Duration> next_fetch_in;
  std::vector<credentials::GenerationStatus> generations;  ///< oldest first
  credentials::SlotCounters credential;
};

struct TargetStatus {
  std::string name;
  bool paused = false;
  PoolSettings pool;
  std::vector<HostStatus> hosts;  ///< in the order of the configuration
  std::size_t sessions = 0;
  std::size_t ending = 0;  ///< of those, told to end at their next boundary
  /// Server connections that sessions have, also in pools of this target that a reload has replaced.
  std::size_t in_use = 0;
  std::size_t retired = 0;  ///< of those, in replaced pools: beside the `max` of the new ones
  TargetTraffic traffic;
  std::vector<RoleStatus> roles;
};

struct RouteStatus {
  std::string target;
  std::size_t sessions = 0;  ///< connections that are open, let in or not
  Histogram login;           ///< of clients: from accept until policy has let them in
};

/// What this process has given up (docs/operations.md, Sandbox).
struct SandboxStatus {
  std::string mode;                   ///< of the configuration; empty: a command that has none
  std::vector<std::string> in_force;  ///< `files`, `signals`, `abstract_sockets`, `system_calls`
  int landlock = 0;                   ///< the kernel's Landlock, as its ABI; 0: none
};

/// What the kernel says of it; none: it does not.
struct ProcessFigures {
  std::optional<std::uint64_t> resident_bytes, open_descriptors, descriptors_max;
  std::optional<Duration> cpu;  ///< in user and in system mode, of all threads
};

/// A file that shuts somebody out once it has ended.
struct ExpiryStatus {
  std::string_view kind;  ///< "route" or "target"
  std::string name;       ///< of that
  std::string_view what;  ///< the key of the configuration: "certificate", "client_crl", "crl"
  WallTime until;
};

struct ProcessStatus {
  std::string version;
  std::int64_t pid = 0;
  WallTime started;
  Duration uptime{};
  bool listening = false;            ///< all routes are open
  bool draining = false;             ///< no new sessions: it was asked to stop
  std::vector<std::string> missing;  ///< protections that the machine does not give us, as one word each
  SandboxStatus sandbox;
  ProcessFigures figures;
  std::vector<ExpiryStatus> expiries;
};

struct Status {
  WallTime at;
  ProcessStatus process;
  std::size_t sessions = 0, sessions_max = 0;
  std::size_t on_doorstep = 0;  ///< of those, not let in yet
  BrokerCounters counters;
  std::map<std::string, RouteStatus> routes;
  std::vector<TargetStatus> targets;
  TrailStatus trail;
};

}  // namespace sallyport::broker
