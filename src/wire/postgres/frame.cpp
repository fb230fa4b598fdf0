#include "wire/postgres/frame.h"

#include "wire/postgres/frame_scanner.h"
#include "wire/postgres/wire_error.h"

namespace sallyport::postgres {

namespace {

/// A type byte for people: "'R'", or its number when it is not printable.
std::string type_for_people(char type) {
  const auto code = static_cast<unsigned char>(type);
  if (code > 0x20 && code < 0x7f) return std::string{"message '"} + type + "'";
  return "message of type " + std::to_string(code);
}

}  // namespace

Result<std::optional<Message>> decode_message(Bytes input, std::size_t body_bytes_max) {
  if (input.size() < frame_header_bytes) return std::optional<Message>{};
  const char type = static_cast<char>(input[0]);
  ByteReader reader{input.subspan(1)};
  const auto length = reader.u32();
  if (length < 4) return invalid(type_for_people(type), "its length is below 4");
  if (length - 4 > body_bytes_max) {
    return over_limit(type_for_people(type), "its body has " + std::to_string(length - 4) +
                                                 " bytes, at most " + std::to_string(body_bytes_max) +
                                                 " are allowed here");
  }
  if (reader.left() < length - 4) return std::optional<Message>{};
  return std::optional<Message>{Message{type, reader.take(length - 4)}};
}

FrameWriter::FrameWriter(WipedBytes& out, char type) : out_(out) {
  u8(static_cast<std::uint8_t>(type));
  length_at_ = out_.size();
  u32(0);
}

void FrameWriter::i16(std::int16_t value) {
  u8(static_cast<std::uint8_t>(static_cast<std::uint16_t>(value) >> 8));
  u8(static_cast<std::uint8_t>(value));
}

void FrameWriter::u32(std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) u8(static_cast<std::uint8_t>(value >> shift));
}

void FrameWriter::c_string(std::string_view value) {
  text(value.substr(0, value.find('\0')));
  u8(0);
}

void FrameWriter::finish() {
  const auto length = static_cast<std::uint32_t>(out_.size() - length_at_);
  for (std::size_t i = 0; i < 4; ++i)
    out_[length_at_ + i] = static_cast<std::uint8_t>(length >> (24 - 8 * i));
}

Error FrameScanner::bad_length(char type, std::uint32_t length) const {
  if (length < 4) return invalid(type_for_people(type), "its length is below 4");
  return over_limit(type_for_people(type), "its body has " + std::to_string(length - 4) + " bytes, at most " +
                                               std::to_string(body_bytes_max_) + " are allowed");
}

}  // namespace sallyport::postgres
