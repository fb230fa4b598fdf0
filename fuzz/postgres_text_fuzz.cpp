// Start-up options, quoting, cleaning of outside text, the database that a statement needs for itself.
#include "wire/postgres/database_words.h"
#include "wire/postgres/options.h"
#include "wire/postgres/outside_text.h"
#include "wire/postgres/quote.h"

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

namespace {

/// What a server reads from a literal that quote_literal wrote; nullopt when it would not end at its end.
std::optional<std::string> read_literal(std::string_view sql) {
  const bool escapes = sql.starts_with(" E'");
  sql.remove_prefix(escapes ? 3 : 1);
  std::string value;
  while (!sql.empty()) {
    const char c = sql[0];
    if (c == '\'' && sql.size() == 1) return value;
    if (c == '\'') {
      if (sql[1] != '\'') return std::nullopt;
      value += c;
      sql.remove_prefix(2);
    } else if (escapes && c == '\\') {
      if (sql.size() >= 4 && sql[1] == 'x') {
        value += static_cast<char>(std::stoi(std::string{sql.substr(2, 2)}, nullptr, 16));
        sql.remove_prefix(4);
      } else {
        value += sql[1];
        sql.remove_prefix(2);
      }
    } else {
      value += c;
      sql.remove_prefix(1);
    }
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto settings = parse_options(text);
  if (settings) {
    const auto again = parse_options(print_options(*settings));
    if (!again || *again != *settings) std::abort();
  }
  const auto read = read_literal(quote_literal(text));
  if (!read || *read != text.substr(0, text.find('\0'))) std::abort();
  (void)quote_identifier(text);
  const auto needed = database_needed_alone(text);
  if (needed.size() > 63 || needed.find('\0') != std::string::npos) std::abort();
  // Only of a text that has the words.
  if (alters_defaults(text) && text.find_first_of("rR") == std::string_view::npos) std::abort();
  const auto clean = outside_text(text, 200);
  if (clean.size() > 203) std::abort();
  for (const char c : clean) {
    if ((c >= 0 && c < 0x20) || c == 0x7f) std::abort();
  }
  if (outside_text(clean, 1'000) != clean) std::abort();
  return 0;
}
