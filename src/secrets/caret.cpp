#include "secrets/caret.h"

#include <vector>

namespace sallyport::secrets {

namespace {

constexpr std::size_t columns_before = 70;
constexpr std::size_t columns_after = 30;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";

/// One column of the shown text.
using Cells = std::vector<std::string>;

struct Shown {
  Cells cells;
  std::size_t caret = 0;  ///< index into cells, or their count
};

bool looks_like_connection_string(std::string_view rest) {
  return rest.find("://") != std::string_view::npos || rest.find('@') != std::string_view::npos;
}

/// One cell per character of UTF-8; what cannot be printed is a question mark.
std::string cell_of(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x80) return "?";
  return byte < 0x20 || byte == 0x7F ? std::string{"?"} : std::string{c};
}

Shown show(std::string_view text, std::size_t scheme_bytes, std::size_t at) {
  Shown shown;
  const bool hide_all = looks_like_connection_string(text.substr(scheme_bytes + 1));
  bool attributes = false;
  bool value = false;
  bool value_shown = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i > scheme_bytes && hide_all) {
      if (i == scheme_bytes + 1) shown.cells.emplace_back(ellipsis);
      if (i <= at) shown.caret = shown.cells.size() - 1;
      continue;
    }
    if (i > scheme_bytes && c == '?') attributes = true, value = false;
    if (c == '#') attributes = value = false;
    if (attributes && c == '&') value = false;
    if (!value || !value_shown) {
      const bool masked = value;
      shown.cells.push_back(masked ? std::string{ellipsis} : cell_of(c));
      value_shown = masked;
    }
    if (i <= at) shown.caret = shown.cells.size() - 1;
    if (attributes && c == '=' && !value) value = true, value_shown = false;
  }
  if (at >= text.size() && !hide_all) shown.caret = shown.cells.size();
  return shown;
}

}  // namespace

std::string with_caret(std::string_view message, std::string_view text, std::size_t scheme_bytes,
                       std::size_t at) {
  const auto shown = show(text, scheme_bytes, at);
  const std::size_t from = shown.caret > columns_before ? shown.caret - columns_before : 0;
  const std::size_t to = std::min(shown.cells.size(), shown.caret + columns_after);
  std::string line = from > 0 ? std::string{ellipsis} : std::string{};
  for (std::size_t i = from; i < to; ++i) line += shown.cells[i];
  if (to < shown.cells.size()) line += ellipsis;
  const std::size_t indent = 4 + shown.caret - from + (from > 0 ? 1 : 0);
  return std::string{message} + "\n    " + line + "\n" + std::string(indent, ' ') + "^";
}

}  // namespace sallyport::secrets
