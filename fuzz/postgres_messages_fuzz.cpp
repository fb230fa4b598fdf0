// Every decoder of one message's body, both directions. What decodes, encodes to the bytes it came from
// (or, for Bind, of which only the names are read, does not read past its end).
#include "wire/postgres/messages.h"
#include "wire/postgres/server_error.h"

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

namespace {

template <class T>
void check(const Result<T>& decoded, Bytes body) {
  if (!decoded) return;
  WipedBytes again;
  encode(again, *decoded);
  const auto message = decode_message(again, frame_body_bytes_max);
  if (!message || !*message || (*message)->frame_bytes() != again.size()) std::abort();
  if (!std::equal(body.begin(), body.end(), (*message)->body.begin(), (*message)->body.end())) std::abort();
}

void check_authentication(Bytes body) {
  const auto decoded = decode_authentication(body);
  if (!decoded) return;
  std::visit(
      [&](const auto& message) {
        using T = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<T, AuthenticationOther>)
          (void)name_of_authentication(message.code);
        else
          check(Result<T>{message}, body);
      },
      *decoded);
}

void check_error(Bytes body) {
  const auto decoded = decode_error_fields(body);
  if (decoded) {
    WipedBytes again;
    encode_error_response(again, *decoded);
    if (!std::equal(body.begin(), body.end(), again.begin() + frame_header_bytes, again.end())) std::abort();
  }
  const auto error = error_of_server(body, Secret::copy_of("canary"));
  if (error.what.find("canary") != std::string::npos || error.hint.find("canary") != std::string::npos)
    std::abort();
  if (error.what.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  (void)decode_message(Bytes{data, size}, 65'536);
  if (size == 0) return 0;
  const Bytes body{data + 1, size - 1};
  switch (data[0] % 18) {
    case 0: check_authentication(body); break;
    case 1: check_error(body); break;
    case 2: check(decode_parameter_status(body), body); break;
    case 3: check(decode_backend_key_data(body), body); break;
    case 4: check(decode_ready_for_query(body), body); break;
    case 5: check(decode_negotiate_protocol_version(body), body); break;
    case 6: check(decode_command_complete(body), body); break;
    case 7: check(decode_notification_response(body), body); break;
    case 8: check(decode_query(body), body); break;
    case 9: check(decode_parse(body), body); break;
    case 10: (void)decode_bind_names(body); break;
    case 11: check(decode_describe(body), body); break;
    case 12: check(decode_close(body), body); break;
    case 13: check(decode_execute(body), body); break;
    case 14: check(decode_password_message(body), body); break;
    case 15: check(decode_sasl_initial_response(body), body); break;
    case 16: check(decode_sasl_response(body), body); break;
    default: break;
  }
  return 0;
}
