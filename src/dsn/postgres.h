// A PostgreSQL connection string, taken apart.
//
// Read as libpq reads it where drivers disagree, but stricter where a disagreement would move a password into a
// host name (and so into DNS): a raw `@` that does not end the user part, or a raw `#`, is refused.
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "dsn/dialect.h"
#include "dsn/keywords.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::dsn {

inline constexpr std::size_t text_bytes_max = 16'384;
inline constexpr std::size_t hosts_max = 16;
inline constexpr std::size_t parameters_max = 64;

struct HostPort {
  std::string host;        ///< empty: the driver's default; absolute: a directory of Unix sockets
  std::uint16_t port = 0;  ///< 0: not given
  bool operator==(const HostPort&) const = default;
};

struct Parameter {
  std::string name;
  std::string value;  ///< empty where the meaning is `secret`: such a value is dropped at once
  Meaning meaning = Meaning::unknown;
};

struct PostgresTarget {
  Dialect dialect;
  std::vector<HostPort> hosts;  ///< may be empty
  std::string database;
  std::string user;
  bool has_password = false;
  Secret password;
  std::vector<Parameter> parameters;  ///< what is not above, in order
};

/// Errors  bad_config: says which part is wrong and never quotes any of it, because the text may hold a
///         password.  limit_exceeded: too long, too many hosts or parameters.
/// Source  PostgreSQL manual, "Connection Strings"; pgjdbc manual, "Connecting to the Database"; Npgsql manual,
///         "Connection String Parameters".
Result<PostgresTarget> parse_postgres(std::string_view text);

}  // namespace sallyport::dsn
