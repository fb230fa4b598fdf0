#include "wire/postgres/authentication.h"

#include "crypto/hash.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

enum Code : std::int32_t { ok = 0, cleartext = 3, md5 = 5, sasl = 10, sasl_continue = 11, sasl_final = 12 };

Result<Authentication> decode_mechanisms(ByteReader& reader) {
  AuthenticationSasl message;
  while (true) {
    const auto name = reader.c_string();
    if (!reader.ok())
      return invalid("AuthenticationSASL", "the list of mechanisms does not end with a zero byte");
    if (name.empty()) break;
    if (message.mechanisms.size() == sasl_mechanisms_max)
      return over_limit("AuthenticationSASL", "more than 32 mechanisms");
    message.mechanisms.push_back(name);
  }
  if (const auto end = reader.finish("AuthenticationSASL"); !end) return end.error();
  return Authentication{std::move(message)};
}

/// Messages whose body is a code and at most one text.
void encode_coded(WipedBytes& out, Code code, std::string_view data = {}) {
  FrameWriter frame{out, 'R'};
  frame.i32(code);
  frame.text(data);
  frame.finish();
}

}  // namespace

Result<Authentication> decode_authentication(Bytes body) {
  ByteReader reader{body};
  const auto code = reader.i32();
  if (!reader.ok()) return invalid("Authentication", "a field is cut short");
  switch (code) {
    case sasl: return decode_mechanisms(reader);
    case sasl_continue: return Authentication{AuthenticationSaslContinue{as_text(reader.take_rest())}};
    case sasl_final: return Authentication{AuthenticationSaslFinal{as_text(reader.take_rest())}};
    case ok: {
      if (const auto end = reader.finish("AuthenticationOk"); !end) return end.error();
      return Authentication{AuthenticationOk{}};
    }
    case cleartext: {
      if (const auto end = reader.finish("AuthenticationCleartextPassword"); !end) return end.error();
      return Authentication{AuthenticationCleartext{}};
    }
    case md5: {
      AuthenticationMd5 message{};
      const auto salt = reader.take(message.salt.size());
      if (const auto end = reader.finish("AuthenticationMD5Password"); !end) return end.error();
      std::copy(salt.begin(), salt.end(), message.salt.begin());
      return Authentication{message};
    }
    default: return Authentication{AuthenticationOther{code}};
  }
}

std::string name_of_authentication(std::int32_t code) {
  switch (code) {
    case 1: return "Kerberos V4";
    case 2: return "Kerberos V5";
    case 4: return "crypt()";
    case 6: return "SCM credentials";
    case 7:
    case 8: return "GSSAPI";
    case 9: return "SSPI";
    default: return "code " + std::to_string(code);
  }
}

void encode(WipedBytes& out, const AuthenticationOk& /*message*/) { encode_coded(out, ok); }
void encode(WipedBytes& out, const AuthenticationCleartext& /*message*/) { encode_coded(out, cleartext); }
void encode(WipedBytes& out, const AuthenticationMd5& message) {
  encode_coded(out, md5, as_text(message.salt));
}
void encode(WipedBytes& out, const AuthenticationSaslContinue& message) {
  encode_coded(out, sasl_continue, message.data);
}
void encode(WipedBytes& out, const AuthenticationSaslFinal& message) {
  encode_coded(out, sasl_final, message.data);
}

void encode(WipedBytes& out, const AuthenticationSasl& message) {
  FrameWriter frame{out, 'R'};
  frame.i32(sasl);
  for (const auto name : message.mechanisms) frame.c_string(name);
  frame.u8(0);
  frame.finish();
}

Result<PasswordMessage> decode_password_message(Bytes body) {
  ByteReader reader{body};
  const PasswordMessage message{reader.c_string()};
  if (const auto end = reader.finish("PasswordMessage"); !end) return end.error();
  return message;
}

Result<SaslInitialResponse> decode_sasl_initial_response(Bytes body) {
  ByteReader reader{body};
  SaslInitialResponse message{reader.c_string(), std::nullopt};
  const auto size = reader.i32();
  if (size < -1) reader.fail();
  if (size >= 0) message.data = as_text(reader.take(static_cast<std::size_t>(size)));
  if (const auto end = reader.finish("SASLInitialResponse"); !end) return end.error();
  return message;
}

Result<SaslResponse> decode_sasl_response(Bytes body) { return SaslResponse{as_text(body)}; }

void encode(WipedBytes& out, const PasswordMessage& message) {
  FrameWriter frame{out, 'p'};
  frame.c_string(message.password);
  frame.finish();
}

void encode(WipedBytes& out, const SaslInitialResponse& message) {
  FrameWriter frame{out, 'p'};
  frame.c_string(message.mechanism);
  frame.i32(message.data ? static_cast<std::int32_t>(message.data->size()) : -1);
  frame.text(message.data.value_or(std::string_view{}));
  frame.finish();
}

void encode(WipedBytes& out, const SaslResponse& message) {
  FrameWriter frame{out, 'p'};
  frame.text(message.data);
  frame.finish();
}

WipedBytes md5_answer(std::string_view user, std::string_view password,
                      const std::array<std::uint8_t, 4>& salt) {
  WipedBytes input{password.begin(), password.end()};
  input.insert(input.end(), user.begin(), user.end());
  auto inner = crypto::md5_hex(input);
  input.assign(inner.begin(), inner.end());
  wipe_memory(inner.data(), inner.size());
  input.insert(input.end(), salt.begin(), salt.end());
  const auto outer = crypto::md5_hex(input);
  constexpr std::string_view prefix = "md5";
  WipedBytes answer{prefix.begin(), prefix.end()};
  answer.insert(answer.end(), outer.begin(), outer.end());
  return answer;
}

}  // namespace sallyport::postgres
