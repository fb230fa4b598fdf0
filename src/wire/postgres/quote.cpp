#include "wire/postgres/quote.h"

#include "base/bytes.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::postgres {

namespace {

std::string double_quotes(std::string_view text, char quote) {
  std::string out{quote};
  for (const char c : text) {
    if (c == quote) out += c;
    out += c;
  }
  out += quote;
  return out;
}

std::string escape_literal(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  // The space keeps E from joining a word before it.
  std::string out = " E'";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x80) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
      continue;
    }
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

}  // namespace

std::string quote_literal(std::string_view text) {
  text = text_up_to_zero(text);
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c != '\\' && static_cast<std::uint8_t>(c) < 0x80; });
  return plain ? double_quotes(text, '\'') : escape_literal(text);
}

std::string quote_identifier(std::string_view name) { return double_quotes(text_up_to_zero(name), '"'); }

}  // namespace sallyport::postgres
