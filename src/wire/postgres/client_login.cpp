// The way through a login: TLS, start-up, parameters, ready. What proves us is client_login_auth.cpp.
#include "wire/postgres/client_login.h"

#include "base/limits.h"
#include "wire/postgres/server_error.h"
#include "wire/postgres/session_messages.h"
#include "wire/postgres/ssl_answer.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

/// A decoder does not know where it is called: here it is always the login.
Error at_login(Error error) {
  if (error.hop == Hop::none) error.hop = Hop::login;
  return error;
}

}  // namespace

ClientLogin::ClientLogin(ClientLoginRequest request) : request_(std::move(request)) {}

const std::string& ClientLogin::user() const {
  return request_.user.empty() ? request_.credential->user : request_.user;
}

Result<Action> ClientLogin::resume(Input input) {
  if (auto* failed = std::get_if<ActionFailed>(&input.event)) return std::move(failed->error);
  if (std::holds_alternative<PeerClosed>(input.event)) return closed_by_server();
  if (const auto* started = std::get_if<Started>(&input.event);
      started && std::holds_alternative<Fresh>(state_)) {
    return on_started(*started);
  }
  if (auto* received = std::get_if<Received>(&input.event)) {
    if (std::holds_alternative<ExpectSslAnswer>(state_)) return on_ssl_answer(received->input);
    if (std::holds_alternative<ExpectPreambleAnswer>(state_)) return on_preamble_answer(received->input);
    return on_received(received->input);
  }
  if (auto* tls = std::get_if<TlsEstablished>(&input.event);
      tls && std::holds_alternative<ExpectTls>(state_)) {
    return on_tls(std::move(tls->facts));
  }
  if (auto* computed = std::get_if<Computed>(&input.event)) return on_computed(computed->value);
  return login_error(ErrorCode::internal, "login", "an event that cannot happen now");
}

Result<Action> ClientLogin::on_started(const Started& event) {
  if (!request_.credential || user().empty()) {
    return login_error(
        ErrorCode::bad_config, "user", "the credential names no user",
        "Say it beside `auth` (`user`, of a reference: user=), or keep user and password together in "
        "the secret");
  }
  std::copy_n(event.random.begin(), random_.size(), random_.begin());
  if (request_.tls == LoginTls::disable) return send_startup();
  if (request_.tls == LoginTls::first) {
    state_ = ExpectTls{};
    return Action{StartTls{}};
  }
  state_ = ExpectSslAnswer{};
  Send send;
  encode(send.bytes, SslRequest{});
  return Action{std::move(send)};
}

Result<Action> ClientLogin::on_ssl_answer(InputBuffer& input) {
  const auto yes = take_ssl_answer(input);
  if (!yes) return yes.error();
  if (!*yes) return Action{NeedMore{}};
  state_ = ExpectTls{};
  return Action{StartTls{"postgresql"}};
}

Result<Action> ClientLogin::on_tls(TlsFacts facts) {
  tls_established_ = true;
  greeting_.tls = std::move(facts);
  if (request_.preamble.bytes == nullptr) return send_startup();
  Send send;
  const auto seen = as_bytes(request_.preamble.bytes->reveal());
  send.bytes.assign(seen.begin(), seen.end());
  if (request_.preamble.answer == PreambleAnswer::alloydb) {
    state_ = ExpectPreambleAnswer{};
    return Action{std::move(send)};
  }
  // Cloud SQL's proxy may say nothing: it gets the server's first packet along with its own.
  auto startup = send_startup();
  if (!startup) return startup;
  const auto& more = std::get<Send>(*startup).bytes;
  send.bytes.insert(send.bytes.end(), more.begin(), more.end());
  if (request_.preamble.answer == PreambleAnswer::cloud_sql) state_ = ExpectPreambleAnswer{};
  return Action{std::move(send)};
}

Result<Action> ClientLogin::on_preamble_answer(InputBuffer& input) {
  const auto taken = take_preamble_answer(request_.preamble.answer, input);
  if (!taken) return taken.error();
  if (!*taken) return Action{NeedMore{}};
  if (request_.preamble.answer == PreambleAnswer::alloydb) return send_startup();
  state_ = ExpectAuthentication{};
  return on_received(input);
}

Result<Action> ClientLogin::send_startup() {
  StartupMessage startup;
  startup.protocol = request_.protocol;
  startup.parameters.emplace_back("user", user());
  if (!request_.database.empty()) startup.parameters.emplace_back("database", request_.database);
  for (const auto& parameter : request_.parameters) {
    // Who we are and where to is not for a client's start-up parameters to say.
    if (parameter.first != "user" && parameter.first != "database") startup.parameters.push_back(parameter);
  }
  Send send;
  encode(send.bytes, startup);
  if (send.bytes.size() > limits::startup_packet_bytes_max) {
    return login_error(ErrorCode::limit_exceeded, "StartupMessage",
                       "the start-up parameters take more than 10000 bytes",
                       "Set fewer or shorter parameters in the connection's options");
  }
  greeting_.protocol = request_.protocol;
  state_ = ExpectAuthentication{};
  return Action{std::move(send)};
}

Error ClientLogin::closed_by_server() const {
  const auto* where = std::holds_alternative<ExpectSslAnswer>(state_) ? "SSLRequest" : "login";
  return login_error(
      ErrorCode::retry_later, where, "the server closed the connection in the middle of the login",
      "Look into the server's log; a TLS server that wants another protocol version does this too");
}

Result<Action> ClientLogin::on_received(InputBuffer& input) {
  while (true) {
    const auto decoded = decode_message(input.unread(), limits::login_body_bytes_max);
    if (!decoded) return at_login(decoded.error());
    if (!*decoded) return Action{NeedMore{}};
    const auto frame_bytes = (*decoded)->frame_bytes();
    received_bytes_ += frame_bytes;
    if (received_bytes_ > login_total_bytes_max) {
      return login_error(ErrorCode::limit_exceeded, "login",
                         "the server sent more than 1 MiB before it was ready");
    }
    auto step = on_message(**decoded);
    input.consume(frame_bytes);
    if (!step) return at_login(step.error());
    if (!*step) continue;
    // It is our turn now, or the login is over: whoever sends on is not waiting for us.
    if (!input.empty()) {
      return login_error(ErrorCode::peer_misbehaved, "login", "the server sent bytes when it was our turn");
    }
    return std::move(**step);
  }
}

ClientLogin::Step ClientLogin::on_message(const Message& message) {
  if (std::holds_alternative<ExpectKind>(state_)) return on_kind_message(message);
  const bool logged_in = std::holds_alternative<ExpectReady>(state_);
  switch (message.type) {
    case 'E': return refused_by_server(message.body);
    case 'N': return std::optional<Action>{};
    case 'R':
      if (logged_in) break;
      return on_authentication(message.body);
    case 'v': {
      if (!std::holds_alternative<ExpectAuthentication>(state_)) break;
      const auto done = on_negotiation(message.body);
      if (!done) return done.error();
      return std::optional<Action>{};
    }
    case 'S':
    case 'K': {
      if (!logged_in) break;
      const auto done = message.type == 'S' ? on_parameter(message.body) : on_key(message.body);
      if (!done) return done.error();
      return std::optional<Action>{};
    }
    case 'Z':
      if (!logged_in) break;
      return on_ready(message.body);
    default: break;
  }
  return login_error(ErrorCode::peer_misbehaved, "login", "a message that does not belong here",
                     "Check that host and port are those of a PostgreSQL server");
}

Result<void> ClientLogin::on_parameter(Bytes body) {
  const auto status = decode_parameter_status(body);
  if (!status) return status.error();
  auto& known = greeting_.parameters;
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == status->name; });
  if (found != known.end()) {
    found->second = status->value;
    return {};
  }
  if (known.size() == login_parameters_max) {
    return login_error(ErrorCode::limit_exceeded, "ParameterStatus",
                       "the server reported more than 256 parameters");
  }
  known.emplace_back(status->name, status->value);
  return {};
}

Result<void> ClientLogin::on_key(Bytes body) {
  const auto key = decode_backend_key_data(body);
  if (!key) return key.error();
  greeting_.pid = key->pid;
  greeting_.cancel_key.assign(key->key.begin(), key->key.end());
  return {};
}

Result<void> ClientLogin::on_negotiation(Bytes body) {
  constexpr std::string_view where = "NegotiateProtocolVersion";
  const auto offer = decode_negotiate_protocol_version(body);
  if (!offer) return offer.error();
  if (negotiated_) return login_error(ErrorCode::peer_misbehaved, where, "sent twice");
  if ((offer->newest != protocol_3_0 && offer->newest != protocol_3_2) || offer->newest > request_.protocol) {
    return login_error(ErrorCode::peer_misbehaved, where,
                       "the server chose a protocol version that was not asked for");
  }
  negotiated_ = true;
  greeting_.protocol = offer->newest;
  return {};
}

ClientLogin::Step ClientLogin::on_ready(Bytes body) {
  const auto ready = decode_ready_for_query(body);
  if (!ready) return ready.error();
  if (ready->status != TransactionStatus::idle) {
    return login_error(ErrorCode::peer_misbehaved, "ReadyForQuery",
                       "a transaction is open right after the login");
  }
  if (request_.ask_kind) {
    greeting_.in_hot_standby = reported("in_hot_standby");
    greeting_.read_only = reported("default_transaction_read_only");
    if (!greeting_.in_hot_standby || !greeting_.read_only) return ask_kind();
  }
  state_ = Finished{};
  return std::optional<Action>{Done{}};
}

Error ClientLogin::refused_by_server(Bytes body) const {
  auto error = error_of_server(body, request_.credential->secret);
  if (request_.credential->kind == CredentialKind::token && refuses_credential(error.sqlstate)) {
    error.hint = refused_token_hint;
  }
  return error;
}

}  // namespace sallyport::postgres
