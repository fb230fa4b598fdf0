#include "trail/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport::trail {
namespace {

constexpr char32_t replacement = 0xFFFD;
constexpr std::size_t mark_bytes_max = 40;  // "…[+18446744073709551615 bytes]"

struct CodePoint {
  char32_t value = replacement;
  std::size_t size = 1;
  bool valid = false;
};

/// The code point at the front of `text`, which is not empty. Overlong forms, surrogates and values
/// above U+10FFFF are no UTF-8; one byte of them is taken at a time.
CodePoint front_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {};
  char32_t value = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = value << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, size, true};
}

/// The longest front of `text` that is not above `bytes_max` and ends between characters.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  std::size_t end = bytes_max;
  while (end > 0 && bytes_max - end < 4 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

std::string cut_mark(std::size_t bytes_left_out) {
  return "\u2026[+" + std::to_string(bytes_left_out) + " bytes]";
}

void append_hex4(std::string& out, unsigned value) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (const int shift : {12, 8, 4, 0}) out += digits[(value >> shift) & 0xFU];
}

void append_escaped(std::string& out, char32_t value) {
  switch (value) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (value >= 0x20 && value < 0x7F) {
    out += static_cast<char>(value);
  } else if (value < 0x10000) {
    append_hex4(out, static_cast<unsigned>(value));
  } else {
    const auto above = static_cast<unsigned>(value) - 0x10000U;
    append_hex4(out, 0xD800U + (above >> 10));
    append_hex4(out, 0xDC00U + (above & 0x3FFU));
  }
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

void append_body(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto point = front_of(text);
    append_escaped(out, point.value);
    text.remove_prefix(point.size);
  }
}

void append_utf8(std::string& out, char32_t value) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((value >> shift) & 0x3FU)); };
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += static_cast<char>(0xC0U | (value >> 6));
    tail(0);
  } else if (value < 0x10000) {
    out += static_cast<char>(0xE0U | (value >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (value >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// As UTF-8 with every wrong byte replaced: three bytes for one, so the cut comes after it.
std::string repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto point = front_of(text);
    append_utf8(out, point.value);
    text.remove_prefix(point.size);
  }
  return out;
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

/// Controls (C0, DEL, C1), line and paragraph separators, and the Cf characters that hide or reorder
/// text: soft hyphen, zero width, marks, embeddings, overrides, isolates, interlinear, tags.
bool is_misleading(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x061C || c == 0x180E ||
         (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

void append_hex(std::string& out, std::uint32_t value, unsigned digits_min) {
  constexpr std::string_view digits = "0123456789abcdef";
  unsigned count = digits_min;
  while (count < 8 && (value >> (4 * count)) != 0) ++count;
  while (count-- > 0) out += digits[(value >> (4 * count)) & 0xFU];
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto point = front_of(text);
    if (!point.valid) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

std::string bounded_utf8(std::string_view text, std::size_t bytes_max) {
  // No more than bytes_max of the input can appear in the output: a megabyte is not repaired for that.
  const auto looked_at = text.size() > bytes_max * 2 ? text.substr(0, bytes_max * 2) : text;
  auto whole = repaired(looked_at);
  if (whole.size() <= bytes_max && looked_at.size() == text.size()) return whole;
  const auto kept = cut(whole, bytes_max - mark_bytes_max);
  // Counted in bytes of the repaired text, as far as it was looked at.
  return std::string{kept} + cut_mark(whole.size() - kept.size() + (text.size() - looked_at.size()));
}

void append_json_string(std::string& out, std::string_view text, std::size_t bytes_max) {
  out += '"';
  if (text.size() <= bytes_max && is_ascii(text)) {
    append_body(out, text);
  } else {
    append_body(out, bounded_utf8(text, bytes_max));
  }
  out += '"';
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto point = front_of(text);
    if (!point.valid) {
      out += "\\x";
      append_hex(out, static_cast<unsigned char>(text[0]), 2);
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (point.value < 0x80 && is_misleading(point.value)) {
      out += "\\x";
      append_hex(out, point.value, 2);
    } else if (is_misleading(point.value)) {
      out += "\\u{";
      append_hex(out, point.value, 4);
      out += '}';
    } else {
      out.append(text.substr(0, point.size));
    }
    text.remove_prefix(point.size);
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of("\n\t"), text.size());
    out += printable(text.substr(0, end));
    if (end < text.size()) out += text[end];
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const auto point = front_of(text);
    const bool kept = point.value == '\n' || point.value == '\t' || !is_misleading(point.value);
    if (!point.valid || !kept) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

std::size_t columns_of(std::string_view printable_text) {
  std::size_t columns = 0;
  for (const char c : printable_text) columns += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1U : 0U;
  return columns;
}

}  // namespace sallyport::trail
