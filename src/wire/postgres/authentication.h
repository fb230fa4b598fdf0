// The messages of a login: what a server asks ('R') and what a client answers ('p').
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::postgres {

/// SASL mechanisms in one AuthenticationSASL, and the length of a name (RFC 4422: 20).
inline constexpr std::size_t sasl_mechanisms_max = 32;

struct AuthenticationOk {};
struct AuthenticationCleartext {};
struct AuthenticationMd5 {
  std::array<std::uint8_t, 4> salt;
};
struct AuthenticationSasl {
  std::vector<std::string_view> mechanisms;
};
struct AuthenticationSaslContinue {
  std::string_view data;
};
struct AuthenticationSaslFinal {
  std::string_view data;
};
/// Kerberos, SCM, GSS, SSPI, OAuth …: nothing that we speak.
struct AuthenticationOther {
  std::int32_t code = 0;
};

using Authentication =
    std::variant<AuthenticationOk, AuthenticationCleartext, AuthenticationMd5, AuthenticationSasl,
                 AuthenticationSaslContinue, AuthenticationSaslFinal, AuthenticationOther>;

/// The body of an 'R' message; views borrow it.
/// Errors  invalid_message; limit_exceeded: more than sasl_mechanisms_max.
Result<Authentication> decode_authentication(Bytes body);

/// A method's name for people: "GSSAPI", "SSPI", "Kerberos V5", "code 42".
std::string name_of_authentication(std::int32_t code);

void encode(WipedBytes& out, const AuthenticationOk& message);
void encode(WipedBytes& out, const AuthenticationCleartext& message);
void encode(WipedBytes& out, const AuthenticationMd5& message);
void encode(WipedBytes& out, const AuthenticationSasl& message);
void encode(WipedBytes& out, const AuthenticationSaslContinue& message);
void encode(WipedBytes& out, const AuthenticationSaslFinal& message);

/// A password or an MD5 answer. `password` borrows; zero bytes inside it cannot be sent.
struct PasswordMessage {
  std::string_view password;
};
struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<std::string_view> data;  ///< none: length -1
};
struct SaslResponse {
  std::string_view data;
};

/// Bodies of 'p' messages; which one it is follows from what was asked.
Result<PasswordMessage> decode_password_message(Bytes body);
Result<SaslInitialResponse> decode_sasl_initial_response(Bytes body);
Result<SaslResponse> decode_sasl_response(Bytes body);

void encode(WipedBytes& out, const PasswordMessage& message);
void encode(WipedBytes& out, const SaslInitialResponse& message);
void encode(WipedBytes& out, const SaslResponse& message);

/// "md5" + md5(md5(password + user) + salt).
WipedBytes md5_answer(std::string_view user, std::string_view password,
                      const std::array<std::uint8_t, 4>& salt);

}  // namespace sallyport::postgres
