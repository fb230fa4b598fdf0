// The connection string that the application gets: the same dialect, pointed at a local endpoint of ours.
//
// Everything about TLS, authentication and other hosts is left out, because it was meant for the real server;
// what remains of the application's own parameters is kept. The forms for Unix sockets were tried on the drivers
// themselves (docs: what each driver does with a string):
//
//   postgresql://USER@/DB?host=DIR&port=PORT    libpq, psycopg, asyncpg, pgx, lib/pq, node-postgres, tokio-postgres,
//                                               SQLAlchemy with psycopg, psycopg2 and asyncpg, dj-database-url
//   postgresql+pg8000://USER@/DB?unix_sock=DIR/.s.PGSQL.PORT
//   Host=DIR;Port=PORT;Username=USER;Database=DB                     Npgsql
//
// postgres.js, sqlx and Prisma's engine cannot be given a Unix socket by such a URL (their URL parsers refuse an
// empty host): they need TCP. The form is chosen so that they say so instead of connecting to localhost.
#pragma once

#include "base/result.h"
#include "dsn/local_tls.h"
#include "dsn/postgres.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sallyport::dsn {

struct LocalUnix {
  std::string directory;  ///< absolute; the socket is directory/.s.PGSQL.PORT
  std::uint16_t port = 5432;
};

struct LocalTcp {
  std::string address = "127.0.0.1";  ///< a literal; IPv6 without brackets
  std::uint16_t port = 0;
};

using LocalEndpoint = std::variant<LocalUnix, LocalTcp>;

struct LocalTarget {
  Dialect dialect;
  LocalEndpoint endpoint;
  std::string user;
  std::string database;
  std::vector<Parameter> parameters;  ///< of the application's own string; filtered by kept_parameters()
  std::optional<LocalTls> tls = {};   ///< none: the string says that there is no TLS
};

/// Those that stay when the string is pointed at a local endpoint: neither where, who, protection nor secrets,
/// and no indirection to files that would bring such back. `form` is the one that will be written: a name that
/// means nothing where it was read may mean a host there.
std::vector<Parameter> kept_parameters(const std::vector<Parameter>& parameters, Form form);

/// Without a token: fit for a Unix socket, whose peer is known by the kernel.
/// Errors  bad_config: a Unix endpoint for a dialect that cannot name one, a directory that is no absolute path.
Result<std::string> render(const LocalTarget& target);

/// With the run token as password. The text is a secret.
/// Errors  as render().
Result<Secret> render_with_token(const LocalTarget& target, const Secret& token);

}  // namespace sallyport::dsn
