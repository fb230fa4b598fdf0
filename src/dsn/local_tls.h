// TLS towards a local endpoint of ours, for applications whose own connection string insists on it. Everybody else is
// told to do without: over loopback it protects from nobody, and costs processor time.
#pragma once

#include "dsn/postgres.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::dsn {

struct LocalTls {
  std::string mode;            ///< "require", "verify-ca", "verify-full"
  std::string authority_file;  ///< absolute; PEM
};

/// The mode that the string insists on, in libpq's words. Empty: none, or a driver that takes the authority's file
/// from code only (SQLAlchemy with asyncpg, R2DBC, Postgrex, pg8000).
std::string demanded_tls(const PostgresTarget& target);

/// True for the three modes that do not go on without TLS.
bool insists_on_tls(std::string_view mode);

/// What says so in a string of this dialect, as name and value.
std::vector<std::pair<std::string, std::string>> tls_parameters(const Dialect& dialect, const LocalTls& tls);

}  // namespace sallyport::dsn
