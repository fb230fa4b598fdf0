// Session messages that a server sends: see session_messages.h.
#include "base/limits.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/session_messages.h"
#include "wire/postgres/wire_error.h"

namespace sallyport::postgres {

Result<ParameterStatus> decode_parameter_status(Bytes body) {
  ByteReader reader{body};
  ParameterStatus message;
  message.name = reader.c_string();
  message.value = reader.c_string();
  if (const auto end = reader.finish("ParameterStatus"); !end) return end.error();
  return message;
}

Result<BackendKeyData> decode_backend_key_data(Bytes body) {
  ByteReader reader{body};
  BackendKeyData message;
  message.pid = reader.i32();
  message.key = reader.take_rest();
  if (!reader.ok() || message.key.size() < 4)
    return invalid("BackendKeyData", "the key has fewer than 4 bytes");
  if (message.key.size() > limits::cancel_key_bytes_max)
    return over_limit("BackendKeyData", "the key has more than 256 bytes");
  return message;
}

Result<ReadyForQuery> decode_ready_for_query(Bytes body) {
  ByteReader reader{body};
  const auto status = static_cast<char>(reader.u8());
  if (status != 'I' && status != 'T' && status != 'E') reader.fail();
  if (const auto end = reader.finish("ReadyForQuery"); !end) {
    return invalid("ReadyForQuery", "its body is not one of I, T, E");
  }
  return ReadyForQuery{static_cast<TransactionStatus>(status)};
}

Result<NegotiateProtocolVersion> decode_negotiate_protocol_version(Bytes body) {
  ByteReader reader{body};
  NegotiateProtocolVersion message;
  message.newest = reader.u32();
  const auto count = reader.i32();
  if (count < 0) reader.fail();
  if (count > static_cast<std::int32_t>(negotiate_options_max)) {
    return over_limit("NegotiateProtocolVersion", "more than 512 options");
  }
  for (std::int32_t i = 0; i < count && reader.ok(); ++i) message.unsupported.push_back(reader.c_string());
  if (const auto end = reader.finish("NegotiateProtocolVersion"); !end) return end.error();
  return message;
}

Result<CommandComplete> decode_command_complete(Bytes body) {
  ByteReader reader{body};
  const CommandComplete message{reader.c_string()};
  if (const auto end = reader.finish("CommandComplete"); !end) return end.error();
  return message;
}

Result<NotificationResponse> decode_notification_response(Bytes body) {
  ByteReader reader{body};
  NotificationResponse message;
  message.pid = reader.i32();
  message.channel = reader.c_string();
  message.payload = reader.c_string();
  if (const auto end = reader.finish("NotificationResponse"); !end) return end.error();
  return message;
}

void encode(WipedBytes& out, const ParameterStatus& message) {
  FrameWriter frame{out, 'S'};
  frame.c_string(message.name);
  frame.c_string(message.value);
  frame.finish();
}

void encode(WipedBytes& out, const BackendKeyData& message) {
  FrameWriter frame{out, 'K'};
  frame.i32(message.pid);
  frame.bytes(message.key);
  frame.finish();
}

void encode(WipedBytes& out, const ReadyForQuery& message) {
  FrameWriter frame{out, 'Z'};
  frame.u8(static_cast<std::uint8_t>(message.status));
  frame.finish();
}

void encode(WipedBytes& out, const NegotiateProtocolVersion& message) {
  FrameWriter frame{out, 'v'};
  frame.u32(message.newest);
  frame.i32(static_cast<std::int32_t>(message.unsupported.size()));
  for (const auto option : message.unsupported) frame.c_string(option);
  frame.finish();
}

void encode(WipedBytes& out, const CommandComplete& message) {
  FrameWriter frame{out, 'C'};
  frame.c_string(message.tag);
  frame.finish();
}

void encode(WipedBytes& out, const NotificationResponse& message) {
  FrameWriter frame{out, 'A'};
  frame.i32(message.pid);
  frame.c_string(message.channel);
  frame.c_string(message.payload);
  frame.finish();
}

}  // namespace sallyport::postgres
