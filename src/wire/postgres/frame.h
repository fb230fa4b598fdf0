// The frame every message after the first packet travels in: [type u8][length i32][body], where the
// length counts itself and the body but not the type.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::postgres {

inline constexpr std::size_t frame_header_bytes = 5;

/// The longest body that a server or client may send: PostgreSQL's own PQ_LARGE_MESSAGE_LIMIT and the
/// largest allocation behind it (MaxAllocSize, 1 GB - 1).
inline constexpr std::uint32_t frame_body_bytes_max = 0x3fffffff;

/// One whole message that borrows its bytes.
struct Message {
  char type = 0;
  Bytes body;
  [[nodiscard]] std::size_t frame_bytes() const { return frame_header_bytes + body.size(); }
};

/// Takes one whole message from the front of `input`. Consumes nothing: drop frame_bytes().
///
/// Returns nullopt when it has not all arrived.
/// Errors  invalid_message: length below 4. limit_exceeded: a body above `body_bytes_max`.
/// Source  PostgreSQL manual, "Message Formats".
Result<std::optional<Message>> decode_message(Bytes input, std::size_t body_bytes_max);

/// Appends one frame to a buffer: the header at once, its length at finish().
class FrameWriter {
 public:
  FrameWriter(WipedBytes& out, char type);

  void u8(std::uint8_t value) { out_.push_back(value); }
  void i16(std::int16_t value);
  void u32(std::uint32_t value);
  void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }
  void bytes(Bytes value) { out_.insert(out_.end(), value.begin(), value.end()); }
  void text(std::string_view value) { bytes(as_bytes(value)); }
  /// Text and its zero byte; what follows a zero byte inside `value` is left out, as the peer could
  /// not tell it from the next field.
  void c_string(std::string_view value);

  void finish();

 private:
  WipedBytes& out_;
  std::size_t length_at_;
};

}  // namespace sallyport::postgres
