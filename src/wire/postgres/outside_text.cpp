#include "wire/postgres/outside_text.h"

#include <cstdint>

namespace sallyport::postgres {

namespace {

/// Bytes of the UTF-8 character at the front of `text`; 0 when there is none. C1 controls and the
/// direction marks that can turn a terminal's line around count as none.
std::size_t character_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto continues = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const auto first = at(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  if (first >= 0xc2 && first < 0xe0) return continues(1) && !(first == 0xc2 && at(1) < 0xa0) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xe0 && at(1) < 0xa0) return 0;
    if (first == 0xed && at(1) >= 0xa0) return 0;
    const bool direction_mark = first == 0xe2 && ((at(1) == 0x80 && at(2) >= 0xa8 && at(2) <= 0xae) ||
                                                  (at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9));
    return direction_mark ? 0 : 3;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if ((first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) >= 0x90)) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string outside_text(std::string_view text, std::size_t bytes_max) {
  std::string out;
  while (!text.empty()) {
    const auto size = character_bytes(text);
    if (out.size() + (size == 0 ? 1 : size) > bytes_max) {
      out += "…";
      break;
    }
    if (size == 0) {
      const char c = text.front();
      out += c == '\n' || c == '\r' || c == '\t' ? ' ' : '?';
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace sallyport::postgres
