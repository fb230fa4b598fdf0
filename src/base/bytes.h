// Bytes that are looked at, and the reader and writer of big-endian fields that codecs share.
//
// The reader's errors are sticky: after the first short read every further read yields zeros, and
// finish() says what went wrong. So a decoder lists its fields and checks once, at the end.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// All of it where there is no zero byte.
inline std::string_view text_up_to_zero(std::string_view text) { return text.substr(0, text.find('\0')); }
inline std::string_view text_up_to_zero(Bytes bytes) { return text_up_to_zero(as_text(bytes)); }

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Reads fields in order from bytes that it borrows; views it returns borrow them too.
class ByteReader {
 public:
  explicit ByteReader(Bytes input) : rest_(input) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }

  /// Exactly `count` bytes, or none and an error.
  Bytes take(std::size_t count);

  /// Text up to a zero byte, which is consumed and not returned. No zero byte: an error.
  std::string_view c_string();

  /// All that is left.
  Bytes take_rest();

  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

  /// Marks the input as wrong from outside (a value out of range); the first mark stays.
  void fail() {
    failed_ = true;
    rest_ = {};
  }

  /// Errors  invalid_message: a field was short, or bytes are left over. `where` names the message.
  Result<void> finish(std::string_view where) const;

 private:
  Bytes rest_;
  bool failed_ = false;
};

/// Appends big-endian fields to a vector that it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::uint8_t>& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(value); }
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }
  void bytes(Bytes value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void text(std::string_view value) { bytes(as_bytes(value)); }
  void c_string(std::string_view value) {
    text(value);
    u8(0);
  }

  /// Overwrites four bytes at `offset` (a length written once the body is known).
  void patch_u32(std::size_t offset, std::uint32_t value);

 private:
  std::vector<std::uint8_t>& out_;
};

}  // namespace sallyport
