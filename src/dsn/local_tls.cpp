#include "dsn/local_tls.h"

#include "base/ascii.h"

#include <algorithm>
#include <array>

namespace sallyport::dsn {
namespace {

struct Mode {
  std::string_view libpq;
  std::string_view npgsql;
};
constexpr std::array modes{Mode{"require", "Require"}, Mode{"verify-ca", "VerifyCA"},
                           Mode{"verify-full", "VerifyFull"}};

/// "SSL Mode" and "sslmode" alike; Npgsql ignores case and spaces.
std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '-' || c == '_') continue;
    out += to_lower(c);
  }
  return out;
}

bool takes_authority(const Dialect& dialect) {
  switch (dialect.driver) {
    case Driver::asyncpg:
    case Driver::pg8000:
    case Driver::r2dbc:
    case Driver::postgrex: return false;
    case Driver::unknown:
    case Driver::libpq:
    case Driver::pgx:
    case Driver::pgjdbc:
    case Driver::npgsql: break;
  }
  return true;
}

}  // namespace

bool insists_on_tls(std::string_view mode) {
  return std::ranges::any_of(modes, [&](const Mode& one) { return one.libpq == mode; });
}

std::string demanded_tls(const PostgresTarget& target) {
  if (!takes_authority(target.dialect)) return {};
  std::string mode;
  for (const auto& parameter : target.parameters) {
    if (folded(parameter.name) == "sslmode") mode = folded(parameter.value);  // the last one counts
  }
  for (const auto& one : modes) {
    if (folded(one.libpq) == mode) return std::string{one.libpq};
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> tls_parameters(const Dialect& dialect, const LocalTls& tls) {
  if (dialect.form != Form::ado) return {{"sslmode", tls.mode}, {"sslrootcert", tls.authority_file}};
  const auto* mode = std::ranges::find(modes, std::string_view{tls.mode}, &Mode::libpq);
  return {{"SSL Mode", std::string{mode == modes.end() ? "Require" : mode->npgsql}},
          {"Root Certificate", tls.authority_file}};
}

}  // namespace sallyport::dsn
