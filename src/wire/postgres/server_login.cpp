#include "wire/postgres/server_login.h"

#include "crypto/hash.h"
#include "wire/postgres/authentication.h"
#include "wire/postgres/frame.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::string_view protocol_violation = "08P01";

Error refuse(Error error) {
  error.hop = Hop::identity;
  if (error.sqlstate.empty()) error.sqlstate = protocol_violation;
  return error;
}

Error refuse(ErrorCode code, std::string_view where, std::string_view what) {
  return {code, Hop::identity, std::string{where}, std::string{what}, {}, std::string{protocol_violation}};
}

}  // namespace

ServerLogin::ServerLogin(ServerLoginRequest request) : request_(std::move(request)) {}

Result<Action> ServerLogin::resume(Input input) {
  if (auto* failed = std::get_if<ActionFailed>(&input.event)) return std::move(failed->error);
  if (std::holds_alternative<PeerClosed>(input.event)) {
    return refuse(ErrorCode::cancelled, "login", "the client closed the connection");
  }
  if (const auto* started = std::get_if<Started>(&input.event); started != nullptr && step_ == Step::fresh) {
    return on_started(*started);
  }
  if (auto* received = std::get_if<Received>(&input.event)) return on_received(received->input);
  return refuse(ErrorCode::internal, "login", "an event that cannot happen now");
}

Result<Action> ServerLogin::on_started(const Started& event) {
  auto* scram = std::get_if<ServerScram>(&request_.method);
  if (scram == nullptr) {
    encode(last_bytes_, request_.negotiation);
    step_ = Step::finished;
    return Action{Done{}};
  }
  const bool plus = !scram->end_point.empty();
  scram_.emplace(
      crypto::ScramServerOptions{std::move(scram->verifier), scram->mock, std::move(scram->end_point)},
      crypto::base64_encode(Bytes{event.random}.first(crypto::scram_nonce_bytes)));
  Send send;
  encode(send.bytes, request_.negotiation);
  AuthenticationSasl offer;
  if (plus) offer.mechanisms.push_back(crypto::scram_sha_256_plus);
  offer.mechanisms.push_back(crypto::scram_sha_256);
  encode(send.bytes, offer);
  step_ = Step::expect_initial;
  return Action{std::move(send)};
}

Result<Action> ServerLogin::on_received(InputBuffer& input) {
  if (step_ != Step::expect_initial && step_ != Step::expect_final) {
    return refuse(ErrorCode::internal, "login", "an event that cannot happen now");
  }
  // The mechanism's name and two lengths come on top of the SCRAM message.
  const auto message = decode_message(input.unread(), crypto::scram_message_bytes_max + 64);
  if (!message) return refuse(message.error());
  if (!*message) return Action{NeedMore{}};
  const auto& frame = **message;
  if (frame.type == 'X') return refuse(ErrorCode::cancelled, "login", "the client ended the connection");
  if (frame.type != 'p') {
    return refuse(ErrorCode::peer_misbehaved, "login", "a message other than a SASL response");
  }
  const bool initial = step_ == Step::expect_initial;
  // The first answer depends on our nonce; whoever sends on does not wait for it and is no SCRAM client.
  if (initial && input.size() > frame.frame_bytes()) {
    return refuse(ErrorCode::peer_misbehaved, "SASLInitialResponse",
                  "bytes behind it, although it is our turn");
  }
  auto action = initial ? on_initial(frame.body) : on_final(frame.body);
  input.consume(frame.frame_bytes());
  return action;
}

Result<Action> ServerLogin::on_initial(Bytes body) {
  const auto response = decode_sasl_initial_response(body);
  if (!response) return refuse(response.error());
  const bool plus = response->mechanism == crypto::scram_sha_256_plus;
  if (!plus && response->mechanism != crypto::scram_sha_256) {
    return refuse(ErrorCode::peer_unsupported, "SASLInitialResponse",
                  "the client chose a mechanism that was not offered");
  }
  if (!response->data)
    return refuse(ErrorCode::peer_unsupported, "SASLInitialResponse", "without client-first-message");
  const auto first = scram_->on_client_first(*response->data, plus);
  if (!first) return refuse(first.error());
  Send send;
  encode(send.bytes, AuthenticationSaslContinue{*first});
  step_ = Step::expect_final;
  return Action{std::move(send)};
}

Result<Action> ServerLogin::on_final(Bytes body) {
  const auto response = decode_sasl_response(body);
  if (!response) return refuse(response.error());
  const auto final = scram_->on_client_final(response->data);
  if (!final) return refuse(final.error());
  encode(last_bytes_, AuthenticationSaslFinal{*final});
  step_ = Step::finished;
  return Action{Done{}};
}

}  // namespace sallyport::postgres
