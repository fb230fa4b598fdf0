#include "base/bytes.h"

#include <algorithm>

namespace sallyport {

Bytes ByteReader::take(std::size_t count) {
  if (failed_ || rest_.size() < count) {
    fail();
    return {};
  }
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

std::uint8_t ByteReader::u8() {
  const auto field = take(1);
  return field.empty() ? 0 : field[0];
}

std::uint16_t ByteReader::u16() {
  const auto field = take(2);
  if (field.empty()) return 0;
  return static_cast<std::uint16_t>(field[0] << 8 | field[1]);
}

std::uint32_t ByteReader::u32() {
  const auto field = take(4);
  if (field.empty()) return 0;
  return static_cast<std::uint32_t>(field[0]) << 24 | static_cast<std::uint32_t>(field[1]) << 16 |
         static_cast<std::uint32_t>(field[2]) << 8 | static_cast<std::uint32_t>(field[3]);
}

std::string_view ByteReader::c_string() {
  const auto end = std::find(rest_.begin(), rest_.end(), std::uint8_t{0});
  if (failed_ || end == rest_.end()) {
    fail();
    return {};
  }
  const auto text = as_text(rest_.first(static_cast<std::size_t>(end - rest_.begin())));
  rest_ = rest_.subspan(text.size() + 1);
  return text;
}

Bytes ByteReader::take_rest() {
  const auto all = rest_;
  rest_ = {};
  return all;
}

Result<void> ByteReader::finish(std::string_view where) const {
  if (failed_) {
    return Error{ErrorCode::invalid_message, Hop::none, std::string{where}, "a field is cut short", {}, {}};
  }
  if (!rest_.empty()) {
    return Error{ErrorCode::invalid_message,
                 Hop::none,
                 std::string{where},
                 "bytes are left over behind the last field",
                 {},
                 {}};
  }
  return {};
}

void ByteWriter::u16(std::uint16_t value) {
  u8(static_cast<std::uint8_t>(value >> 8));
  u8(static_cast<std::uint8_t>(value));
}

void ByteWriter::u32(std::uint32_t value) {
  u16(static_cast<std::uint16_t>(value >> 16));
  u16(static_cast<std::uint16_t>(value));
}

void ByteWriter::patch_u32(std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) {
    out_[offset + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  }
}

}  // namespace sallyport
