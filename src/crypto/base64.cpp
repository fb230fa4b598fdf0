// Base64 of hash.h: strict, because two spellings of one value must not both be accepted in a proof.
#include "base/secret.h"
#include "crypto/hash.h"

namespace sallyport::crypto {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_values() {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}

constexpr auto values = make_values();

Error not_base64(std::string_view where, std::string_view what) {
  return {ErrorCode::invalid_message, Hop::none, std::string{where}, std::string{what}, {}, {}};
}

}  // namespace

std::string base64_encode(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto left = bytes.size() - at;
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[at]) << 16 |
                                (left > 1 ? static_cast<std::uint32_t>(bytes[at + 1]) << 8 : 0U) |
                                (left > 2 ? static_cast<std::uint32_t>(bytes[at + 2]) : 0U);
    text += alphabet[group >> 18];
    text += alphabet[group >> 12 & 63];
    text += left > 1 ? alphabet[group >> 6 & 63] : '=';
    text += left > 2 ? alphabet[group & 63] : '=';
  }
  return text;
}

Result<std::vector<std::uint8_t>> base64_decode(std::string_view text, std::string_view where) {
  if (text.size() % 4 != 0) return not_base64(where, "base64 whose length is no multiple of four");
  std::size_t padding = 0;
  if (!text.empty() && text.back() == '=') padding = text[text.size() - 2] == '=' ? 2 : 1;
  const auto digits = text.substr(0, text.size() - padding);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char digit : digits) {
    const auto value = values[static_cast<std::uint8_t>(digit)];
    if (value < 0) {
      wipe_memory(bytes.data(), bytes.size());  // what was read so far may be of a secret
      return not_base64(where, "a character that is not base64");
    }
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> held));
    }
    bits &= (1U << held) - 1;
  }
  if (bits != 0) return not_base64(where, "base64 with bits left over");
  return bytes;
}

}  // namespace sallyport::crypto
