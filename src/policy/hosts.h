// Where a target's servers are, and which of them a login may end at.
//
// `target_session_attrs` means what libpq means by it: read-write and read-only are about the transactions that a
// session may begin by default, primary and standby about the server alone.
//
// Source  PostgreSQL manual, "Connection Parameters": target_session_attrs, load_balance_hosts.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

struct Endpoint {
  std::string host;  ///< a name, an IP literal, or an absolute directory (Unix socket)
  std::uint16_t port = 5432;
  bool operator==(const Endpoint&) const = default;
};

inline constexpr std::size_t target_hosts_max = 16;

enum class SessionAttributes : std::uint8_t { any, read_write, read_only, primary, standby, prefer_standby };
enum class LoadBalance : std::uint8_t { off, random };

/// "read-write", as libpq writes it.
std::string_view name_of(SessionAttributes wanted);
/// All names, as "a|b".
inline constexpr std::string_view session_attributes_names =
    "any|read-write|read-only|primary|standby|prefer-standby";
std::optional<SessionAttributes> parse_session_attributes(std::string_view name);

/// What a server said of itself at a login; nothing: it was not asked.
struct ServerKind {
  std::optional<bool> standby;    ///< in_hot_standby
  std::optional<bool> read_only;  ///< default_transaction_read_only
};

/// True: only a server that takes writes will do.
bool wants_writes(SessionAttributes wanted);

/// Why a session there is not wanted: "is a standby, target_session_attrs wants read-write". Empty: it is.
/// prefer-standby refuses a primary: whoever finds no standby asks again with `any`.
std::string unsuited(const ServerKind& server, SessionAttributes wanted);
/// As unsuited(), but whatever the session itself may have set is left out of account.
bool server_is_unsuited(const ServerKind& server, SessionAttributes wanted);

/// "db1", "db1:5433", "10.0.0.1:5433", "[::1]:5433", "::1", "/run/postgresql" (whose port is `port`).
/// Errors  bad_config: what follows the colon is no port, or an address ends without its bracket.
Result<Endpoint> parse_endpoint(std::string_view text, std::uint16_t port);
/// "db1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432".
std::string to_string(const Endpoint& endpoint);

}  // namespace sallyport
