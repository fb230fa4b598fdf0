// The configuration (docs/configuration.md) as one immutable, checked value.
#pragma once

#include "base/file_opener.h"
#include "base/result.h"
#include "policy/target.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::config {

/// Errors reported for one file; the rest waits for the next run.
inline constexpr std::size_t errors_max = 20;

enum class AuditMode { required, best_effort };

/// Of `serve` (docs/operations.md).
enum class SandboxMode {
  automatic,  ///< what the kernel has
  required,   ///< or the start fails
  off,
};

struct Audit {
  AuditMode mode = AuditMode::required;
  std::string directory;
  bool durability_power = false;  ///< audit.durability: power adds an fsync per group
};

/// Health, metrics and commands (docs/operations.md).
struct Admin {
  /// The commands' Unix socket, and where HTTP is served: a socket's path, an address, or nothing.
  std::string socket = "/run/sallyport/admin.sock";  ///< empty: none
  std::variant<std::monostate, std::string, TcpListen> listen = "/run/sallyport/admin.http";
  bool socket_named = false, listen_named = false;  ///< in the file: else they may fail to open
  std::string token_file;                           ///< beyond health, on TCP; empty: refused there
  std::vector<std::string> hosts;                   ///< names that an HTTP client may call us by
  bool operator==(const Admin&) const = default;
};

/// What the providers of cloud identities need beside what references say, in a confined `serve`.
struct Identity {
  std::vector<std::vector<std::string>>
      programs;                    ///< words that a command begins with, the program's path first
  std::vector<std::string> files;  ///< read, with what stands beside them
  bool operator==(const Identity&) const = default;
};

struct Config {
  std::string file;  ///< where it came from
  std::map<std::string, Target> targets;
  std::vector<Route> routes;
  std::string state_directory;  ///< lease journals live here
  Audit audit;
  SandboxMode sandbox = SandboxMode::automatic;
  Identity identity;
  Admin admin;
  std::chrono::milliseconds reload_grace = std::chrono::seconds{30};  ///< of sessions that a reload refuses
  std::chrono::milliseconds upgrade_drain_max = std::chrono::hours{24};  ///< of sessions, after a handover
  std::optional<std::size_t> clients_max;  ///< limits.clients_max; none: the broker's own
  std::vector<std::string> warnings;       ///< true but unwise: threat 20, each names its line
};

/// Parses and checks a whole configuration text.
///
/// Errors  bad_config: `where` is "FILE:LINE:COLUMN", `what` names the key and the nearest valid one.
///         All errors found are reported, not only the first (up to errors_max).
boost::system::result<Config, std::vector<Error>> parse(std::string_view yaml, std::string_view file,
                                                        WallTime now);

/// Reads FILE after checking ownership (threat 14: file and parents owned by root or our uid, not
/// writable by others: base/trusted_file.h), and parses it. The files that it names (CA, CRL, certificate,
/// key, program of an `exec:` reference) are checked likewise. A relative FILE is meant from the working
/// directory, because somebody wrote it there by hand.
///
/// `outside` opens what the sandbox keeps from us.
///
/// Errors  as parse(); what concerns the file itself has `where` "FILE".
boost::system::result<Config, std::vector<Error>> load(const std::string& file, WallTime now,
                                                       const FileOpener& outside = nullptr);

/// What commands to a running broker and to its trail look for.
struct Places {
  std::string admin_socket;  ///< empty: none
  std::string audit_directory;
};

/// Of FILE, which need not be right beyond that: a broker runs on an earlier version of it, and its routes may name files
/// that are for its account only.
///
/// Errors  bad_config: the file is not there, somebody else could have written it, or it is no YAML.
Result<Places> find_places(const std::string& file);

inline constexpr std::string_view default_file = "/etc/sallyport/sallyport.yaml";

/// Which file to load: the flag `-c`, else SALLYPORT_CONFIG (`environment`, null when unset), else
/// default_file. The working directory is never searched (threat 14).
std::string file_to_use(std::string_view flag, const char* environment);

}  // namespace sallyport::config
