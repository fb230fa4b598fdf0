#include "secrets/vault/engine/sql_words.h"

#include "base/ascii.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Length of a comment at the front; 0: there is none.
std::size_t comment(std::string_view rest) {
  if (rest.starts_with("--")) return std::min(rest.find('\n'), rest.size());
  if (!rest.starts_with("/*")) return 0;
  const auto end = rest.find("*/", 2);
  return end == std::string_view::npos ? rest.size() : end + 2;
}

/// "$$" or "$tag$" at the front; empty: none.
std::string_view dollar_mark(std::string_view rest) {
  if (!rest.starts_with('$')) return {};
  std::size_t at = 1;
  while (at < rest.size() && is_word(rest[at])) ++at;
  return at < rest.size() && rest[at] == '$' ? rest.substr(0, at + 1) : std::string_view{};
}

/// Takes what `mark` encloses from the front; a doubled quote stands for itself.
std::string take_quoted(std::string_view& rest, std::string_view mark) {
  std::string out;
  rest.remove_prefix(mark.size());
  while (!rest.empty()) {
    if (!rest.starts_with(mark)) {
      out += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    rest.remove_prefix(mark.size());
    if (mark.size() > 1 || !rest.starts_with(mark)) break;
    out += mark;
    rest.remove_prefix(mark.size());
  }
  return out;
}

}  // namespace

std::vector<SqlWord> sql_words(std::string_view rest) {
  std::vector<SqlWord> out;
  while (!rest.empty()) {
    const char c = rest.front();
    if (const auto length = is_space(c) ? 1 : comment(rest); length > 0) {
      rest.remove_prefix(length);
    } else if (c == '\'') {
      out.push_back({SqlWord::Kind::text, take_quoted(rest, "'")});
    } else if (c == '"' || c == '`') {
      out.push_back({SqlWord::Kind::name, take_quoted(rest, rest.substr(0, 1))});
    } else if (const auto mark = dollar_mark(rest); !mark.empty()) {
      out.push_back({SqlWord::Kind::text, take_quoted(rest, mark)});
    } else if (is_word(c)) {
      std::size_t end = 0;
      while (end < rest.size() && is_word(rest[end])) ++end;
      auto word = std::string{rest.substr(0, end)};
      std::ranges::transform(word, word.begin(), [](char l) {
        return l >= 'a' && l <= 'z' ? static_cast<char>(l - 'a' + 'A') : l;
      });
      out.push_back({SqlWord::Kind::word, std::move(word)});
      rest.remove_prefix(end);
    } else {
      out.push_back({SqlWord::Kind::sign, std::string(1, c)});
      rest.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace sallyport::secrets::vault::engine
