// We log in to a real server: TLS first, then the one proof that the credential's kind allows.
//
//   SSLRequest → 'S' → TLS → StartupMessage → authentication → parameters, key → ReadyForQuery (→ kind of server)
//
// The server is not trusted until it has proved itself. A reusable password is only ever used for SCRAM,
// whose last message proves that the server knows it too; a server that asks for it in clear or as MD5, or
// that says Ok without having asked, is refused although its certificate is valid (threat 2).
#pragma once

#include "base/conversation.h"
#include "base/credential.h"
#include "base/result.h"
#include "crypto/scram_client.h"
#include "wire/postgres/first_packet.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/preamble.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::postgres {

/// All bytes a server may send during one login: parameters, notices and the rest.
inline constexpr std::size_t login_total_bytes_max = 1'048'576;

/// Parameters a server may report during one login; PostgreSQL 17 reports 15.
inline constexpr std::size_t login_parameters_max = 256;

enum class LoginTls {
  disable,  ///< no SSLRequest (Unix sockets; TCP where the target's policy says so)
  require,  ///< a server without TLS is refused; how it is verified is the connection's TLS policy
  first,    ///< likewise, and nothing is said before it: a cloud's proxy stands in front of the server
};

/// Methods beyond the default, from `login_methods:`; each has a reason in the configuration.
struct LoginMethods {
  bool cleartext_password = false;  ///< a reusable password may be sent inside verified TLS
  bool md5 = false;
};

struct ClientLoginRequest {
  std::string user;  ///< empty: the credential's
  std::string database;
  Parameters parameters;  ///< further start-up parameters, in order
  std::shared_ptr<const Credential> credential;
  LoginTls tls = LoginTls::require;
  LoginMethods methods;
  std::uint32_t protocol = protocol_3_0;  ///< or protocol_3_2
  bool certificate_presented = false;     ///< the connection's TLS policy has a client certificate
  bool ask_kind = false;                  ///< the greeting has to say whether the server is a standby
  Preamble preamble = {};                 ///< with LoginTls::first
  bool unix_peer_checked = false;         ///< over a Unix socket whose server's uid was checked
};

/// What a server says once we are in.
struct UpstreamGreeting {
  Parameters parameters;  ///< ParameterStatus in the server's order and spelling, last wins
  std::int32_t pid = 0;
  std::vector<std::uint8_t> cancel_key;  ///< empty: it sent none (some poolers)
  TlsFacts tls;                          ///< all empty without TLS
  std::string login_method;  ///< "scram-sha-256", "scram-sha-256-plus", "cleartext", "md5", "certificate"
  std::uint32_t protocol = protocol_3_0;  ///< what the server agreed to
  /// With ask_kind: from what it reported (PostgreSQL 14 and later), else asked by a query.
  std::optional<bool> in_hot_standby, read_only;
};

/// Actions used: Send, NeedMore, StartTls, ComputePbkdf2, Done.
///
/// Limits  limits::login_body_bytes_max a message, login_total_bytes_max in all, login_parameters_max.
/// Errors  denied (28P01, 28000: the sqlstate is kept) · retry_later (53300, 57P03, peer closed) · not_found
///         (3D000) · peer_unsupported (no TLS, GSS, a method that policy forbids) · peer_misbehaved (Ok without
///         proof, bytes behind 'S', a wrong server signature) · invalid_message · limit_exceeded. Hop: login.
class ClientLogin final : public Conversation {
 public:
  explicit ClientLogin(ClientLoginRequest request);

  Result<Action> resume(Input input) override;

  /// Valid once resume() has answered Done.
  [[nodiscard]] const UpstreamGreeting& greeting() const { return greeting_; }
  UpstreamGreeting take_greeting() { return std::move(greeting_); }
  /// The server has accepted the credential.
  [[nodiscard]] bool is_let_in() const;

 private:
  struct Fresh {};
  struct ExpectSslAnswer {};
  struct ExpectTls {};
  struct ExpectPreambleAnswer {};
  struct ExpectAuthentication {};
  struct ExpectChallenge {
    crypto::ScramClient scram;
  };
  struct ExpectSaltedPassword {
    crypto::ScramClient scram;
  };
  struct ExpectServerFinal {
    crypto::ScramClient scram;
  };
  struct ExpectOk {};
  struct ExpectReady {};
  struct ExpectKind {};
  struct Finished {};
  using State = std::variant<Fresh, ExpectSslAnswer, ExpectTls, ExpectPreambleAnswer, ExpectAuthentication,
                             ExpectChallenge, ExpectSaltedPassword, ExpectServerFinal, ExpectOk, ExpectReady,
                             ExpectKind, Finished>;

  /// nullopt: that message is dealt with, go on with the next one.
  using Step = Result<std::optional<Action>>;

  Result<Action> on_started(const Started& event);
  Result<Action> on_received(InputBuffer& input);
  Result<Action> on_ssl_answer(InputBuffer& input);
  Result<Action> on_tls(TlsFacts facts);
  Result<Action> on_preamble_answer(InputBuffer& input);
  Result<Action> on_computed(const Secret& salted_password);
  Result<Action> send_startup();
  [[nodiscard]] Error closed_by_server() const;

  Step on_message(const Message& message);
  Step on_authentication(Bytes body);
  Step on_ok();
  Step on_cleartext_asked();
  Step on_md5_asked(const std::array<std::uint8_t, 4>& salt);
  Step on_sasl_asked(const std::vector<std::string_view>& mechanisms);
  Step on_challenge(std::string_view data);
  Step on_server_final(std::string_view data);
  Step on_ready(Bytes body);
  Step on_kind_message(const Message& message);
  Step ask_kind();
  Result<void> on_kind_row(Bytes body);
  [[nodiscard]] std::optional<bool> reported(std::string_view name) const;
  Result<void> on_parameter(Bytes body);
  Result<void> on_key(Bytes body);
  Result<void> on_negotiation(Bytes body);
  [[nodiscard]] Error refused_by_server(Bytes body) const;
  [[nodiscard]] bool clear_is_safe() const;
  [[nodiscard]] const std::string& user() const;

  ClientLoginRequest request_;
  std::array<std::uint8_t, crypto::scram_nonce_bytes> random_{};
  State state_ = Fresh{};
  std::size_t received_bytes_ = 0;
  bool tls_established_ = false;
  bool negotiated_ = false;
  UpstreamGreeting greeting_;
};

}  // namespace sallyport::postgres
