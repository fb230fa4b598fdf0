// Each form's own reader, with its beginning given: dsn_postgres_fuzz would have to guess "jdbc:postgresql:" first.
//
// The first byte chooses the form, the rest is what stands behind the beginning. A form is read as the whole
// string is, and a port is one number or none.
#include "dsn/postgres.h"
#include "dsn/postgres_parts.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;

Result<dsn::PostgresTarget> read_form(std::string_view text, dsn::Dialect dialect) {
  switch (dialect.form) {
    case dsn::Form::uri: return dsn::parse_uri(text, std::move(dialect));
    case dsn::Form::jdbc: return dsn::parse_jdbc(text, std::move(dialect));
    case dsn::Form::keywords: return dsn::parse_keywords(text, std::move(dialect));
    case dsn::Form::ado: return dsn::parse_ado(text, std::move(dialect));
  }
  std::abort();
}

void check_form(const std::string& text) {
  if (text.size() > dsn::text_bytes_max || text.find('\0') != std::string::npos) return;
  auto dialect = dsn::dialect_of(text);
  if (!dialect) return;  // keywords: what stands behind may make it another text altogether
  const auto form = read_form(text, *dialect);
  const auto whole = dsn::parse_postgres(text);
  if (form.has_value() != whole.has_value()) std::abort();
  if (!form) {
    if (form.error().what.empty() || describe(form.error()).size() > 400) std::abort();
    return;
  }
  if (form->hosts.size() > dsn::hosts_max || form->parameters.size() > dsn::parameters_max) std::abort();
  if (form->hosts != whole->hosts || form->user != whole->user || form->database != whole->database)
    std::abort();
  if (!form->password.equals(whole->password)) std::abort();
}

void check_port(std::string_view text) {
  const auto port = dsn::parse_port(text);
  unsigned long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool number =
      error == std::errc{} && end == text.data() + text.size() && value >= 1 && value <= 65'535;
  if (port && (!number || *port != value)) std::abort();
  if (!port && port.error().what.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr const char* beginnings[] = {"postgresql://",    "postgres://", "postgresql+asyncpg://",
                                               "jdbc:postgresql:", "host=",       "Host="};
  if (size == 0) return 0;
  const auto rest = as_text(Bytes{data + 1, size - 1});
  check_port(rest);
  check_form(beginnings[data[0] % std::size(beginnings)] + std::string{rest});
  return 0;
}
