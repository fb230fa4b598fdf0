#include "dsn/dialect.h"

#include "dsn/keywords.h"

#include <algorithm>
#include <array>

namespace sallyport::dsn {

namespace {

struct Row {
  std::string_view scheme;
  Form form;
  Driver driver;
};

// `://` follows all of the URIs. Django's names (dj-database-url) stand for psycopg, which is libpq.
constexpr auto schemes = std::to_array<Row>({
    {"postgresql", Form::uri, Driver::unknown},
    {"postgres", Form::uri, Driver::unknown},
    {"postgresql+psycopg2", Form::uri, Driver::libpq},
    {"postgresql+psycopg2cffi", Form::uri, Driver::libpq},
    {"postgresql+psycopg", Form::uri, Driver::libpq},
    {"postgresql+psycopg_async", Form::uri, Driver::libpq},
    {"postgresql+pygresql", Form::uri, Driver::libpq},
    {"postgresql+asyncpg", Form::uri, Driver::asyncpg},
    {"postgresql+pg8000", Form::uri, Driver::pg8000},
    {"postgis", Form::uri, Driver::libpq},
    {"pgsql", Form::uri, Driver::libpq},
    {"timescale", Form::uri, Driver::libpq},
    {"timescalegis", Form::uri, Driver::libpq},
    {"pgx", Form::uri, Driver::pgx},
    {"pgx4", Form::uri, Driver::pgx},
    {"pgx5", Form::uri, Driver::pgx},
    {"ecto", Form::uri, Driver::postgrex},
    {"r2dbc:postgresql", Form::uri, Driver::r2dbc},
    {"r2dbc:pool:postgresql", Form::uri, Driver::r2dbc},
});

}  // namespace

std::optional<Dialect> dialect_of(std::string_view text) {
  static constexpr std::string_view jdbc = "jdbc:postgresql";
  if (text.starts_with(jdbc) && text.substr(jdbc.size()).starts_with(":")) {
    return Dialect{Form::jdbc, std::string{jdbc}, Driver::pgjdbc};
  }
  const auto separator = text.find("://");
  if (separator != std::string_view::npos) {
    const auto scheme = text.substr(0, separator);
    const auto row =
        std::find_if(schemes.begin(), schemes.end(), [&](const Row& r) { return r.scheme == scheme; });
    if (row != schemes.end()) return Dialect{row->form, std::string{scheme}, row->driver};
  }
  const auto first = first_keyword(text);
  if (first.empty()) return std::nullopt;
  if (is_ado_keyword(first) && (has_ado_separator(text) || !is_libpq_keyword(first))) {
    return Dialect{Form::ado, {}, Driver::npgsql};
  }
  if (is_libpq_keyword(first)) return Dialect{Form::keywords, {}, Driver::unknown};
  return std::nullopt;
}

bool reaches_unix_socket(const Dialect& dialect) {
  switch (dialect.driver) {
    case Driver::pgjdbc:  // needs a socket factory class of its own
    case Driver::r2dbc:
    case Driver::postgrex: return false;
    case Driver::unknown:
    case Driver::libpq:
    case Driver::asyncpg:
    case Driver::pg8000:
    case Driver::pgx:
    case Driver::npgsql: return true;
  }
  return false;
}

unsigned scram_iterations(const Dialect& dialect) {
  switch (dialect.driver) {
    case Driver::libpq:
    case Driver::asyncpg:
    case Driver::pgx:
    case Driver::pgjdbc: return 1;
    case Driver::unknown:  // `postgresql://` may be lib/pq
    case Driver::pg8000:
    case Driver::r2dbc:  // not tried
    case Driver::npgsql:
    case Driver::postgrex: return scram_iterations_usual;
  }
  return scram_iterations_usual;
}

}  // namespace sallyport::dsn
