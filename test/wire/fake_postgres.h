// A PostgreSQL server in memory, as honest or as hostile as a test wants it.
#pragma once

#include "conversation_driver.h"
#include "crypto/hash.h"
#include "crypto/scram_server.h"
#include "wire/postgres/messages.h"

#include <memory>
#include <optional>

namespace sallyport::test {

enum class Ask { scram, scram_and_plus, plus_only, cleartext, md5, nothing, gss, other_sasl, error };

struct FakePostgresSettings {
  Ask ask = Ask::scram;
  bool tls = true;  ///< the first packet is an SSLRequest
  std::string ssl_answer = "S";
  std::string password = "canary-password";
  unsigned iterations = 2;
  std::vector<std::uint8_t> end_point;  ///< of its certificate
  std::string error_sqlstate;           ///< with Ask::error, or when the proof is wrong
  std::string before_authentication;    ///< bytes before the first question
  std::string after_ready;              ///< bytes behind ReadyForQuery
  bool break_server_signature = false;
  bool ok_instead_of_challenge = false;
  bool ok_instead_of_final = false;
  std::string greeting_override;  ///< instead of ParameterStatus … ReadyForQuery
  std::string answer;             ///< to a query behind the login
};

class FakePostgres {
 public:
  explicit FakePostgres(FakePostgresSettings settings) : settings_(std::move(settings)) {}

  WipedBytes operator()(Bytes sent) {
    const auto step = step_++;
    if (settings_.tls && step == 0) return bytes_of(settings_.ssl_answer);
    if (!startup_) return on_startup(sent);
    if (!sent.empty() && sent.front() == 'Q') return bytes_of(settings_.answer);
    return on_response(sent);
  }

  [[nodiscard]] const std::optional<postgres::StartupMessage>& startup() const { return startup_; }

  static std::string greeting() {
    WipedBytes out;
    postgres::encode(out, postgres::ParameterStatus{"server_version", "15.4"});
    postgres::encode(out, postgres::ParameterStatus{"client_encoding", "UTF8"});
    postgres::encode(out, postgres::BackendKeyData{4'242, as_bytes("key!")});
    postgres::encode(out, postgres::ReadyForQuery{});
    return std::string{as_text(out)};
  }

  static std::string error(std::string_view sqlstate, std::string_view message) {
    postgres::ErrorFields fields;
    fields.add('S', "FATAL");
    fields.add('V', "FATAL");
    fields.add('C', sqlstate);
    fields.add('M', message);
    WipedBytes out;
    postgres::encode_error_response(out, fields);
    return std::string{as_text(out)};
  }

 private:
  WipedBytes on_startup(Bytes sent) {
    const auto packet = postgres::decode_first_packet(sent);
    startup_ = std::get<postgres::StartupMessage>((*packet)->message);
    auto out = bytes_of(settings_.before_authentication);
    ask(out);
    return out;
  }

  void ask(WipedBytes& out) {
    using namespace postgres;
    switch (settings_.ask) {
      case Ask::scram: return encode(out, AuthenticationSasl{{"SCRAM-SHA-256"}});
      case Ask::scram_and_plus:
        return encode(out, AuthenticationSasl{{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}});
      case Ask::plus_only: return encode(out, AuthenticationSasl{{"SCRAM-SHA-256-PLUS"}});
      case Ask::other_sasl: return encode(out, AuthenticationSasl{{"OAUTHBEARER"}});
      case Ask::cleartext: return encode(out, AuthenticationCleartext{});
      case Ask::md5: return encode(out, AuthenticationMd5{{1, 2, 3, 4}});
      case Ask::nothing: return let_in(out);
      case Ask::gss: {
        FrameWriter frame{out, 'R'};
        frame.i32(7);
        return frame.finish();
      }
      case Ask::error: append(out, error(settings_.error_sqlstate, "refused for a test"));
    }
  }

  WipedBytes on_response(Bytes sent) {
    using namespace postgres;
    WipedBytes out;
    const auto message = decode_message(sent, 65'536);
    const auto body = (*message)->body;
    if (settings_.ask == Ask::cleartext || settings_.ask == Ask::md5) {
      const auto given = decode_password_message(body)->password;
      const auto md5 = md5_answer(startup_->user(), settings_.password, {1, 2, 3, 4});
      const auto wanted =
          settings_.ask == Ask::md5 ? as_text(Bytes{md5}) : std::string_view{settings_.password};
      given == wanted ? let_in(out) : append(out, error("28P01", "password authentication failed"));
      return out;
    }
    scram_ ? on_final(as_text(body), out) : on_initial(body, out);
    return out;
  }

  void on_initial(Bytes body, WipedBytes& out) {
    using namespace postgres;
    if (settings_.ok_instead_of_challenge) return let_in(out);
    const auto response = decode_sasl_initial_response(body);
    const auto verifier = crypto::make_scram_verifier_from_password(
        Secret::copy_of(settings_.password), as_bytes("0123456789abcdef"), settings_.iterations);
    const bool offered = settings_.ask != Ask::scram;
    scram_.emplace(crypto::ScramServerOptions{verifier, false,
                                              offered ? settings_.end_point : std::vector<std::uint8_t>{}},
                   "servernonce");
    const auto first = scram_->on_client_first(*response->data, response->mechanism == "SCRAM-SHA-256-PLUS");
    if (!first) return append(out, error("08P01", first.error().what));
    encode(out, AuthenticationSaslContinue{*first});
  }

  void on_final(std::string_view data, WipedBytes& out) {
    using namespace postgres;
    if (settings_.ok_instead_of_final) return let_in(out);
    auto final = scram_->on_client_final(data);
    if (!final) {
      return append(out, error(settings_.error_sqlstate.empty() ? "28P01" : settings_.error_sqlstate,
                               "password authentication failed"));
    }
    if (settings_.break_server_signature)
      *final = "v=" + crypto::base64_encode(crypto::sha256(as_bytes("forged")));
    encode(out, AuthenticationSaslFinal{*final});
    let_in(out);
  }

  void let_in(WipedBytes& out) {
    postgres::encode(out, postgres::AuthenticationOk{});
    append(out, settings_.greeting_override.empty() ? greeting() : settings_.greeting_override);
    append(out, settings_.after_ready);
  }

  static void append(WipedBytes& out, std::string_view text) {
    out.insert(out.end(), text.begin(), text.end());
  }

  FakePostgresSettings settings_;
  std::size_t step_ = 0;
  std::optional<postgres::StartupMessage> startup_;
  std::optional<crypto::ScramServer> scram_;
};

}  // namespace sallyport::test
