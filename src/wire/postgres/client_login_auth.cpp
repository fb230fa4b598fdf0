// Which proof a server gets. The credential's kind decides, never the server (threat 2).
#include "crypto/hash.h"
#include "crypto/saslprep.h"
#include "wire/postgres/authentication.h"
#include "wire/postgres/client_login.h"
#include "wire/postgres/outside_text.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::string_view where = "authentication";

constexpr std::string_view scram_hint =
    "Set password_encryption to scram-sha-256 on the server, set the password again, and let pg_hba.conf say "
    "scram-sha-256";

Error not_allowed(std::string_view what, std::string_view hint) {
  return login_error(ErrorCode::peer_unsupported, where, what, hint);
}

/// A credential that has nothing to answer a question for a password with.
Result<void> check_has_password(const Credential& credential, std::string_view method) {
  if (credential.kind == CredentialKind::client_certificate) {
    return not_allowed(
        "the server asks for " + std::string{method} + ", but the credential is a client certificate",
        "Let pg_hba.conf say cert for this user, or give the role a credential with a password");
  }
  const auto secret = credential.secret.reveal();
  if (secret.empty() || secret.find('\0') != std::string_view::npos) {
    return login_error(ErrorCode::bad_config, "credential", "its password is empty or contains a zero byte",
                       "Set a password for this user and store it with the secret source again");
  }
  return {};
}

Action send_password(std::string_view password) {
  Send send;
  encode(send.bytes, PasswordMessage{password});
  return send;
}

}  // namespace

bool ClientLogin::clear_is_safe() const {
  if (tls_established_) return greeting_.tls.peer_verified;
  return request_.unix_peer_checked && request_.tls == LoginTls::disable;
}

ClientLogin::Step ClientLogin::on_authentication(Bytes body) {
  const auto decoded = decode_authentication(body);
  if (!decoded) return decoded.error();
  if (std::holds_alternative<AuthenticationOk>(*decoded)) return on_ok();
  if (const auto* next = std::get_if<AuthenticationSaslContinue>(&*decoded)) return on_challenge(next->data);
  if (const auto* final = std::get_if<AuthenticationSaslFinal>(&*decoded))
    return on_server_final(final->data);
  // The rest ask a first question: one is all that a login has.
  if (!std::holds_alternative<ExpectAuthentication>(state_)) {
    return login_error(ErrorCode::peer_misbehaved, where, "the server asks for a second proof in one login");
  }
  if (std::holds_alternative<AuthenticationCleartext>(*decoded)) return on_cleartext_asked();
  if (const auto* md5 = std::get_if<AuthenticationMd5>(&*decoded)) return on_md5_asked(md5->salt);
  if (const auto* sasl = std::get_if<AuthenticationSasl>(&*decoded)) return on_sasl_asked(sasl->mechanisms);
  const auto code = std::get<AuthenticationOther>(*decoded).code;
  return not_allowed("the server asks for " + name_of_authentication(code) + ", which is not supported",
                     "Let pg_hba.conf say scram-sha-256 or cert for this user and address");
}

ClientLogin::Step ClientLogin::on_ok() {
  if (std::holds_alternative<ExpectOk>(state_)) {
    state_ = ExpectReady{};
    return std::optional<Action>{};
  }
  if (!std::holds_alternative<ExpectAuthentication>(state_)) {
    return login_error(ErrorCode::peer_misbehaved, where, "the server says Ok before it has proved itself",
                       "Whoever answered may not be the database: check host, port and DNS");
  }
  // With a certificate of ours, cert in pg_hba.conf says Ok without asking more; the password stays here.
  if (request_.credential->kind != CredentialKind::client_certificate && !request_.certificate_presented) {
    return login_error(
        ErrorCode::peer_misbehaved, where, "the server lets this user in without asking for the credential",
        "Replace trust (or another method without proof) in pg_hba.conf by scram-sha-256; if that is not "
        "what it says, whoever answered is not the database");
  }
  if (!tls_established_) {
    return login_error(ErrorCode::peer_misbehaved, where,
                       "the server says Ok without TLS, so it cannot have seen the certificate",
                       "A client certificate needs TLS: do not set tls.mode to disable");
  }
  greeting_.login_method = "certificate";
  state_ = ExpectReady{};
  return std::optional<Action>{};
}

ClientLogin::Step ClientLogin::on_cleartext_asked() {
  const auto& credential = *request_.credential;
  if (const auto usable = check_has_password(credential, "a cleartext password"); !usable)
    return usable.error();
  if (credential.kind == CredentialKind::password && !request_.methods.cleartext_password) {
    return not_allowed("the server asks for the password in clear, which a reusable password is not sent as",
                       std::string{scram_hint} + "; or allow it with login_methods: [password] and a reason");
  }
  if (!clear_is_safe()) {
    return not_allowed("the server asks for a cleartext secret over a connection on which it is not verified",
                       "Use tls.mode verify-full with the authority that signed the server's certificate");
  }
  greeting_.login_method = "cleartext";
  state_ = ExpectOk{};
  return std::optional<Action>{send_password(credential.secret.reveal())};
}

ClientLogin::Step ClientLogin::on_md5_asked(const std::array<std::uint8_t, 4>& salt) {
  const auto& credential = *request_.credential;
  if (const auto usable = check_has_password(credential, "an MD5 answer"); !usable) return usable.error();
  if (!request_.methods.md5) {
    return not_allowed("the server asks for an MD5 answer, from which the password can be guessed",
                       std::string{scram_hint} + "; or allow it with login_methods: [md5] and a reason");
  }
  greeting_.login_method = "md5";
  state_ = ExpectOk{};
  const auto answer = md5_answer(user(), credential.secret.reveal(), salt);
  return std::optional<Action>{send_password(as_text(Bytes{answer}))};
}

ClientLogin::Step ClientLogin::on_sasl_asked(const std::vector<std::string_view>& mechanisms) {
  if (const auto usable = check_has_password(*request_.credential, "SCRAM"); !usable) return usable.error();
  const auto offers = [&](std::string_view name) {
    return std::find(mechanisms.begin(), mechanisms.end(), name) != mechanisms.end();
  };
  const bool can_bind = tls_established_ && !greeting_.tls.server_end_point.empty();
  crypto::ScramClientOptions options;
  if (can_bind && offers(crypto::scram_sha_256_plus)) {
    options.binding = crypto::ScramBinding::tls_server_end_point;
    options.end_point = greeting_.tls.server_end_point;
  } else if (!offers(crypto::scram_sha_256)) {
    std::string names;
    for (const auto name : mechanisms) names += (names.empty() ? "" : ", ") + outside_text(name, 40);
    return not_allowed("the server offers only the SASL mechanisms " + outside_text(names, 200),
                       "Let pg_hba.conf say scram-sha-256 for this user and address");
  } else if (can_bind) {
    options.binding = crypto::ScramBinding::not_offered;
  }
  crypto::ScramClient scram{std::move(options), crypto::base64_encode(random_)};
  greeting_.login_method =
      scram.mechanism() == crypto::scram_sha_256_plus ? "scram-sha-256-plus" : "scram-sha-256";
  const auto first = scram.first_message();
  Send send;
  encode(send.bytes, SaslInitialResponse{scram.mechanism(), first});
  state_ = ExpectChallenge{std::move(scram)};
  return std::optional<Action>{std::move(send)};
}

ClientLogin::Step ClientLogin::on_challenge(std::string_view data) {
  auto* state = std::get_if<ExpectChallenge>(&state_);
  if (state == nullptr)
    return login_error(ErrorCode::peer_misbehaved, where, "a SCRAM challenge out of turn");
  auto challenge = state->scram.on_server_first(data);
  if (!challenge) return challenge.error();
  auto scram = std::move(state->scram);
  state_ = ExpectSaltedPassword{std::move(scram)};
  return std::optional<Action>{ComputePbkdf2{crypto::saslprep_or_raw(request_.credential->secret),
                                             std::move(challenge->salt), challenge->iterations}};
}

Result<Action> ClientLogin::on_computed(const Secret& salted_password) {
  auto* state = std::get_if<ExpectSaltedPassword>(&state_);
  if (state == nullptr) return login_error(ErrorCode::internal, where, "a result that was not asked for");
  const auto final = state->scram.final_message(salted_password);
  if (!final) return final.error();
  Send send;
  encode(send.bytes, SaslResponse{*final});
  auto scram = std::move(state->scram);
  state_ = ExpectServerFinal{std::move(scram)};
  return Action{std::move(send)};
}

ClientLogin::Step ClientLogin::on_server_final(std::string_view data) {
  auto* state = std::get_if<ExpectServerFinal>(&state_);
  if (state == nullptr) return login_error(ErrorCode::peer_misbehaved, where, "a SCRAM result out of turn");
  if (const auto verified = state->scram.on_server_final(data); !verified) return verified.error();
  state_ = ExpectOk{};
  return std::optional<Action>{};
}

}  // namespace sallyport::postgres
