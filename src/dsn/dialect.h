// Which dialect a PostgreSQL connection string is written in, and what follows from it: whether its drivers
// can reach a Unix socket, and which SCRAM iteration counts they accept.
//
// A dialect is told by the text's beginning alone. `postgresql://` says nothing about the driver: libpq, pgx,
// lib/pq, asyncpg, node-postgres, tokio-postgres and more read it. `postgresql+asyncpg://` does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::dsn {

enum class Form {
  uri,       ///< postgresql://user:password@host:port/database?name=value
  jdbc,      ///< jdbc:postgresql://host:port/database?user=…&password=…
  keywords,  ///< libpq's host=… user='…'
  ado,       ///< Npgsql's Host=…;Username=…
};

enum class Driver { unknown, libpq, asyncpg, pg8000, pgx, pgjdbc, r2dbc, npgsql, postgrex };

struct Dialect {
  Form form = Form::uri;
  std::string scheme = "postgresql";  ///< as written, without "://": "postgres", "postgresql+asyncpg",
                                      ///< "postgis", "jdbc:postgresql"; empty for keywords and ado
  Driver driver = Driver::unknown;
  bool operator==(const Dialect&) const = default;
};

/// Nothing when the text is in no PostgreSQL dialect that we know. Looks at the scheme, or at the names of
/// the first keyword; the rest may still be malformed.
std::optional<Dialect> dialect_of(std::string_view text);

/// False for drivers whose connection string cannot name a Unix socket.
bool reaches_unix_socket(const Dialect& dialect);

/// The iteration count for the verifier of a run token (256 random bits gain nothing from iterations): 1 where
/// the dialect names a driver that is known to accept it, else PostgreSQL's usual 4096, because lib/pq refuses
/// 64 and pg8000 anything below 4096.
unsigned scram_iterations(const Dialect& dialect);

inline constexpr unsigned scram_iterations_usual = 4096;

}  // namespace sallyport::dsn
