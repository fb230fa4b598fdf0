// The two forms made of names and values: libpq's (spaces between, backslash escapes) and ADO's (semicolons
// between, quotes doubled), which Npgsql reads.
#include "dsn/postgres_parts.h"

namespace sallyport::dsn {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Where one value ends, and its text without quotes and escapes.
struct Value {
  Secret text;
  std::size_t end = 0;
};

Error unfinished() { return wrong_dsn("a quote that nothing ends", "Write a quote inside a value as \\'"); }

/// libpq's conninfo_parse: '…' or bare, a backslash takes the next character in both.
Result<Value> libpq_value(std::string_view text, std::size_t at) {
  Value value{Secret::of_size(text.size() - at), 0};
  auto out = value.text.writable();
  std::size_t used = 0;
  const bool quoted = at < text.size() && text[at] == '\'';
  if (quoted) ++at;
  while (true) {
    if (at == text.size()) {
      if (quoted) return unfinished();
      break;
    }
    if (quoted ? text[at] == '\'' : is_space(text[at])) break;
    if (text[at] == '\\' && ++at == text.size()) {
      if (quoted) return unfinished();
      break;
    }
    out[used++] = static_cast<std::uint8_t>(text[at++]);
  }
  value.end = quoted ? at + 1 : at;
  value.text.shrink(used);
  if (used == 0) value.text = Secret{};
  return value;
}

/// DbConnectionStringBuilder: '…' or "…" with the quote doubled inside, or bare up to the semicolon with the
/// spaces around it left out.
Result<Value> ado_value(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  const char quote = at < text.size() && (text[at] == '\'' || text[at] == '"') ? text[at] : '\0';
  if (quote == 0) {
    const auto end = std::min(text.find(';', at), text.size());
    auto bare = text.substr(at, end - at);
    while (!bare.empty() && is_space(bare.back())) bare.remove_suffix(1);
    return Value{Secret::copy_of(bare), end};
  }
  Value value{Secret::of_size(text.size() - at), 0};
  auto out = value.text.writable();
  std::size_t used = 0;
  for (++at; at < text.size(); ++at) {
    if (text[at] == quote) {
      if (at + 1 == text.size() || text[at + 1] != quote) break;
      ++at;
    }
    out[used++] = static_cast<std::uint8_t>(text[at]);
  }
  if (at == text.size()) return wrong_dsn("a quote that nothing ends", "Write a quote inside a value twice");
  for (++at; at < text.size() && is_space(text[at]);) ++at;
  if (at < text.size() && text[at] != ';') return wrong_dsn("text behind a closing quote", "Put a ; there");
  value.end = at;
  value.text.shrink(used);
  return value;
}

}  // namespace

Result<PostgresTarget> parse_keywords(std::string_view text, Dialect dialect) {
  TargetBuilder builder{std::move(dialect)};
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) return builder.finish();
    const auto name_at = at;
    while (at < text.size() && text[at] != '=' && !is_space(text[at])) ++at;
    const auto name = text.substr(name_at, at - name_at);
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size() || text[at] != '=') {
      return wrong_dsn("a name without =", "If a value holds spaces, quote it: password='two words'");
    }
    if (!is_libpq_keyword(name)) {
      return wrong_dsn("a name that libpq does not have",
                       "If a value holds spaces, quote it: password='two words'");
    }
    ++at;
    while (at < text.size() && is_space(text[at])) ++at;
    auto value = libpq_value(text, at);
    if (!value) return std::move(value).error();
    at = value->end;
    if (auto taken = builder.take(name, meaning_of(name), std::move(value->text)); !taken) {
      return std::move(taken).error();
    }
  }
}

Result<PostgresTarget> parse_ado(std::string_view text, Dialect dialect) {
  TargetBuilder builder{std::move(dialect)};
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && (is_space(text[at]) || text[at] == ';')) ++at;
    if (at == text.size()) return builder.finish();
    const auto equals = text.find('=', at);
    const auto stop = text.find(';', at);
    if (equals == std::string_view::npos || stop < equals) {
      return wrong_dsn("a name without =", "If a value holds a semicolon, quote it: Password=\"a;b\"");
    }
    auto name = text.substr(at, equals - at);
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    if (name.empty() || !printable(name)) return wrong_dsn("a = without a name", "Write Name=value;");
    auto value = ado_value(text, equals + 1);
    if (!value) return std::move(value).error();
    at = value->end;
    if (auto taken = builder.take(name, ado_meaning_of(name), std::move(value->text)); !taken) {
      return std::move(taken).error();
    }
  }
}

}  // namespace sallyport::dsn
