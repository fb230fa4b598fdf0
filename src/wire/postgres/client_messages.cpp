// Session messages that a client sends: see session_messages.h.
#include "wire/postgres/frame.h"
#include "wire/postgres/session_messages.h"
#include "wire/postgres/wire_error.h"

namespace sallyport::postgres {

Result<Query> decode_query(Bytes body) {
  ByteReader reader{body};
  const Query message{reader.c_string()};
  if (const auto end = reader.finish("Query"); !end) return end.error();
  return message;
}

Result<Parse> decode_parse(Bytes body) {
  ByteReader reader{body};
  Parse message;
  message.statement = reader.c_string();
  message.sql = reader.c_string();
  const auto count = reader.u16();
  // Checked before anything is allocated: the count is the peer's word, the bytes are there or not.
  if (reader.left() != std::size_t{count} * 4)
    return invalid("Parse", "the parameter types do not fill its end");
  message.parameter_types.reserve(count);
  for (unsigned i = 0; i < count; ++i) message.parameter_types.push_back(reader.u32());
  if (const auto end = reader.finish("Parse"); !end) return end.error();
  return message;
}

Result<BindNames> decode_bind_names(Bytes body) {
  ByteReader reader{body};
  BindNames message;
  message.portal = reader.c_string();
  message.statement = reader.c_string();
  if (!reader.ok()) return invalid("Bind", "a field is cut short");
  return message;
}

namespace {

/// Describe and Close have one shape.
template <class T>
Result<T> decode_named(Bytes body, std::string_view where) {
  ByteReader reader{body};
  const auto what = static_cast<char>(reader.u8());
  if (what != 'S' && what != 'P') return invalid(where, "it names neither a statement (S) nor a portal (P)");
  const T message{static_cast<Named>(what), reader.c_string()};
  if (const auto end = reader.finish(where); !end) return end.error();
  return message;
}

void encode_named(WipedBytes& out, char type, Named what, std::string_view name) {
  FrameWriter frame{out, type};
  frame.u8(static_cast<std::uint8_t>(what));
  frame.c_string(name);
  frame.finish();
}

}  // namespace

Result<Describe> decode_describe(Bytes body) { return decode_named<Describe>(body, "Describe"); }
Result<Close> decode_close(Bytes body) { return decode_named<Close>(body, "Close"); }

Result<Execute> decode_execute(Bytes body) {
  ByteReader reader{body};
  Execute message;
  message.portal = reader.c_string();
  message.rows_max = reader.i32();
  if (const auto end = reader.finish("Execute"); !end) return end.error();
  return message;
}

void encode(WipedBytes& out, const Query& message) {
  FrameWriter frame{out, 'Q'};
  frame.c_string(message.sql);
  frame.finish();
}

void encode(WipedBytes& out, const Parse& message) {
  FrameWriter frame{out, 'P'};
  frame.c_string(message.statement);
  frame.c_string(message.sql);
  frame.i16(static_cast<std::int16_t>(message.parameter_types.size()));
  for (const auto type : message.parameter_types) frame.u32(type);
  frame.finish();
}

void encode(WipedBytes& out, const Describe& message) { encode_named(out, 'D', message.what, message.name); }
void encode(WipedBytes& out, const Close& message) { encode_named(out, 'C', message.what, message.name); }

void encode(WipedBytes& out, const Execute& message) {
  FrameWriter frame{out, 'E'};
  frame.c_string(message.portal);
  frame.i32(message.rows_max);
  frame.finish();
}

void encode(WipedBytes& out, const Sync& /*message*/) { FrameWriter{out, 'S'}.finish(); }
void encode(WipedBytes& out, const Flush& /*message*/) { FrameWriter{out, 'H'}.finish(); }
void encode(WipedBytes& out, const Terminate& /*message*/) { FrameWriter{out, 'X'}.finish(); }

}  // namespace sallyport::postgres
