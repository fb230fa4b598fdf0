#include "dsn/percent.h"

namespace sallyport::dsn {

namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// Calls `put` for each decoded byte; false at the first malformed escape.
template <class Put>
void encode_each(std::string_view text, std::string_view also_kept, Put put) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    if (unreserved(c) || also_kept.find(c) != std::string_view::npos) {
      put(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    put('%');
    put(digits[byte >> 4U]);
    put(digits[byte & 15U]);
  }
}

template <class Put>
bool decode_each(std::string_view text, Put put) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      put(text[i]);
      continue;
    }
    const auto byte = hex_pair_at(text, i + 1);
    if (!byte) return false;
    put(static_cast<char>(*byte));
    i += 2;
  }
  return true;
}

}  // namespace

std::optional<unsigned char> hex_pair_at(std::string_view text, std::size_t at) {
  if (at >= text.size() || text.size() - at < 2) return std::nullopt;
  const auto high = hex_digit(text[at]);
  const auto low = hex_digit(text[at + 1]);
  if (!high || !low) return std::nullopt;
  return static_cast<unsigned char>(*high * 16 + *low);
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  if (!decode_each(text, [&](char c) { out.push_back(c); })) return std::nullopt;
  return out;
}

std::optional<Secret> percent_decode_secret(std::string_view text) {
  auto out = Secret::of_size(text.size());
  auto bytes = out.writable();
  std::size_t used = 0;
  if (!decode_each(text, [&](char c) { bytes[used++] = static_cast<std::uint8_t>(c); })) return std::nullopt;
  out.shrink(used);
  return out;
}

std::string percent_encode(std::string_view text, std::string_view also_kept) {
  std::string out;
  out.reserve(text.size());
  encode_each(text, also_kept, [&](char c) { out.push_back(c); });
  return out;
}

void percent_encode_secret(WipedBytes& out, std::string_view text, std::string_view also_kept) {
  encode_each(text, also_kept, [&](char c) { out.push_back(static_cast<std::uint8_t>(c)); });
}

}  // namespace sallyport::dsn
