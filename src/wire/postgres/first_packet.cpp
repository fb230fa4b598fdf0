#include "wire/postgres/first_packet.h"

#include "base/limits.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::uint8_t tls_handshake_record = 0x16;
constexpr std::size_t packet_header_bytes = 8;  // length and code

template <class T>
std::optional<FirstPacket> packet(T message, std::size_t bytes) {
  return FirstPacket{std::move(message), bytes};
}

Result<std::optional<FirstPacket>> decode_cancel(Bytes body, std::size_t bytes) {
  ByteReader reader{body};
  CancelRequest request;
  request.pid = reader.i32();
  const auto key = reader.take_rest();
  if (!reader.ok() || key.size() < 4) return invalid("CancelRequest", "the key has fewer than 4 bytes");
  if (key.size() > limits::cancel_key_bytes_max)
    return over_limit("CancelRequest", "the key has more than 256 bytes");
  request.key.assign(key.begin(), key.end());
  return packet(std::move(request), bytes);
}

Result<std::optional<FirstPacket>> decode_startup(std::uint32_t protocol, Bytes body, std::size_t bytes) {
  StartupMessage startup;
  startup.protocol = protocol;
  ByteReader reader{body};
  while (true) {
    const auto name = reader.c_string();
    if (!reader.ok())
      return invalid("StartupMessage", "the list of parameters does not end with a zero byte");
    if (name.empty()) break;
    const auto value = reader.c_string();
    if (startup.parameters.size() == startup_parameters_max) {
      return over_limit("StartupMessage", "more than 512 parameters");
    }
    startup.parameters.emplace_back(name, value);
  }
  if (const auto end = reader.finish("StartupMessage"); !end) return end.error();
  return packet(std::move(startup), bytes);
}

/// What the first 8 bytes alone can be wrong about.
Result<void> check_header(std::uint32_t length, std::uint32_t code) {
  const bool known_code =
      code == ssl_request_code || code == gssenc_request_code || code == cancel_request_code;
  if (length < packet_header_bytes) return invalid("first packet", "its length is below 8");
  if (!known_code && code >> 16 != 3) {
    if (code >> 16 == 2 || code >> 16 == 1) {
      return Error{ErrorCode::peer_unsupported,
                   Hop::none,
                   "StartupMessage",
                   "the client speaks protocol " + std::to_string(code >> 16) + ", only 3 is supported",
                   "Use a client library of PostgreSQL 7.4 or later",
                   {}};
    }
    return invalid("first packet",
                   "not a PostgreSQL client's: neither a start-up, SSL, GSS nor cancel request");
  }
  if ((code == ssl_request_code || code == gssenc_request_code) && length != packet_header_bytes) {
    return invalid("first packet", "an SSL or GSS request has 8 bytes");
  }
  if (code == cancel_request_code && length > packet_header_bytes + 4 + limits::cancel_key_bytes_max) {
    return over_limit("CancelRequest", "the key has more than 256 bytes");
  }
  if (length > limits::startup_packet_bytes_max) return over_limit("first packet", "more than 10000 bytes");
  return {};
}

/// Without a type byte, so FrameWriter does not fit.
void append_u32(WipedBytes& out, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

}  // namespace

const std::string* StartupMessage::find(std::string_view name) const {
  const auto found = std::find_if(parameters.rbegin(), parameters.rend(),
                                  [&](const auto& parameter) { return parameter.first == name; });
  return found == parameters.rend() ? nullptr : &found->second;
}

std::string_view StartupMessage::user() const {
  const auto* value = find("user");
  return value == nullptr ? std::string_view{} : std::string_view{*value};
}

std::string_view StartupMessage::database() const {
  const auto* value = find("database");
  return value == nullptr || value->empty() ? user() : std::string_view{*value};
}

bool has_impossible_length(Bytes input) {
  if (input.size() < 4 || input[0] == tls_handshake_record) return false;
  const auto length = ByteReader{input}.u32();
  return length < packet_header_bytes || length > limits::startup_packet_bytes_max;
}

Result<std::optional<FirstPacket>> decode_first_packet(Bytes input) {
  if (!input.empty() && input[0] == tls_handshake_record) return packet(DirectTls{}, 0);
  if (input.size() < packet_header_bytes) return std::optional<FirstPacket>{};
  ByteReader reader{input};
  const auto length = reader.u32();
  const auto code = reader.u32();
  if (const auto header = check_header(length, code); !header) return header.error();
  if (input.size() < length) return std::optional<FirstPacket>{};
  const auto body = input.subspan(packet_header_bytes, length - packet_header_bytes);
  if (code == ssl_request_code) return packet(SslRequest{}, length);
  if (code == gssenc_request_code) return packet(GssencRequest{}, length);
  if (code == cancel_request_code) return decode_cancel(body, length);
  return decode_startup(code, body, length);
}

void encode(WipedBytes& out, const SslRequest& /*message*/) {
  append_u32(out, packet_header_bytes);
  append_u32(out, ssl_request_code);
}

void encode(WipedBytes& out, const GssencRequest& /*message*/) {
  append_u32(out, packet_header_bytes);
  append_u32(out, gssenc_request_code);
}

void encode(WipedBytes& out, const CancelRequest& message) {
  append_u32(out, static_cast<std::uint32_t>(packet_header_bytes + 4 + message.key.size()));
  append_u32(out, cancel_request_code);
  append_u32(out, static_cast<std::uint32_t>(message.pid));
  out.insert(out.end(), message.key.begin(), message.key.end());
}

void encode(WipedBytes& out, const StartupMessage& message) {
  WipedBytes body;
  const auto add = [&](std::string_view text) {
    const auto shown = text.substr(0, text.find('\0'));
    body.insert(body.end(), shown.begin(), shown.end());
    body.push_back(0);
  };
  for (const auto& [name, value] : message.parameters) {
    if (name.empty()) continue;  // would end the list
    add(name);
    add(value);
  }
  body.push_back(0);
  append_u32(out, static_cast<std::uint32_t>(packet_header_bytes + body.size()));
  append_u32(out, message.protocol);
  out.insert(out.end(), body.begin(), body.end());
}

}  // namespace sallyport::postgres
