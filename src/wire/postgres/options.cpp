#include "wire/postgres/options.h"

#include "wire/postgres/outside_text.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>
#include <vector>

namespace sallyport::postgres {

namespace {

/// What the server's isspace() says in the C locale.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Splits at white space; a backslash takes the next character as it is.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) return words;
    auto& word = words.emplace_back();
    for (; at < text.size() && !is_space(text[at]); ++at) {
      if (text[at] == '\\' && ++at == text.size()) break;
      word += text[at];
    }
  }
}

/// "name=value"; '-' in a name is '_'.
Result<void> add_setting(Parameters& settings, std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Error{ErrorCode::invalid_message,
                 Hop::none,
                 "options",
                 "\"" + outside_text(word, 100) + "\" is not of the form name=value",
                 "Write -c name=value",
                 {}};
  }
  if (settings.size() == options_settings_max) return over_limit("options", "more than 512 settings");
  std::string name{word.substr(0, equals)};
  std::replace(name.begin(), name.end(), '-', '_');
  settings.emplace_back(std::move(name), std::string{word.substr(equals + 1)});
  return {};
}

}  // namespace

Result<Parameters> parse_options(std::string_view options) {
  const auto words = split(options);
  Parameters settings;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    std::string_view setting;
    if (word == "-c") {
      if (++i == words.size()) return invalid("options", "-c is not followed by name=value");
      setting = words[i];
    } else if (word.starts_with("-c") || (word.starts_with("--") && word.size() > 2)) {
      setting = word.substr(2);
    } else {
      return Error{ErrorCode::peer_unsupported,
                   Hop::none,
                   "options",
                   "\"" + outside_text(word, 100) + "\" is no setting",
                   "Write settings as -c name=value",
                   {}};
    }
    if (const auto added = add_setting(settings, setting); !added) return added.error();
  }
  return settings;
}

std::string print_options(const Parameters& settings) {
  std::string text;
  const auto escape = [&](std::string_view part) {
    for (const char c : part) {
      if (is_space(c) || c == '\\') text += '\\';
      text += c;
    }
  };
  for (const auto& [name, value] : settings) {
    text += text.empty() ? "-c " : " -c ";
    escape(name);
    text += '=';
    escape(value);
  }
  return text;
}

}  // namespace sallyport::postgres
