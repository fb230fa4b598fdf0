// A client's first packets, and its TLS: the connection leaves for the handshake and comes back with what it proved.
//
// Whatever came in behind an SSLRequest, or with a first byte of TLS, is TLS's: as plain text it could have been put
// there by anybody on the way, and would be taken for the client's (threat 16; CVE-2021-23222 and its kind).
#include "base/limits.h"
#include "broker/session.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

namespace {

constexpr unsigned answers_max = 4;

}  // namespace

void Session::handle_first_packets() {
  while (stage_ == Stage::first_packet) {
    if (postgres::has_impossible_length(login_->input.unread())) return hang_up();
    auto packet = postgres::decode_first_packet(login_->input.unread());
    if (!packet) return refuse(packet.error(), true);
    if (!*packet) return;
    login_->input.consume((*packet)->bytes);
    auto& message = (*packet)->message;
    if (auto* startup = std::get_if<postgres::StartupMessage>(&message))
      return on_startup(std::move(*startup));
    if (auto* cancel = std::get_if<postgres::CancelRequest>(&message)) return on_cancel_request(*cancel);
    if (std::holds_alternative<postgres::DirectTls>(message)) return on_direct_tls();
    if (++login_->answers > answers_max) return refuse_unheard("too many requests for encryption");
    if (std::holds_alternative<postgres::SslRequest>(message)) {
      on_ssl_request();
    } else {
      answer('N');
    }
  }
}

// Most likely no client of ours: counted, and told to whom it may concern.
void Session::refuse_unheard(const char* what) {
  refuse(Error{ErrorCode::invalid_message, Hop::session, {}, what, {}, "08P01"}, true);
}

// As a server does: node-postgres, for one, takes an answer to what it said before it began for an error.
void Session::hang_up() {
  record_refusal(
      Error{ErrorCode::invalid_message, Hop::session, "first packet", "its length is impossible", {}, {}},
      true);
  close_client();
}

void Session::answer(std::uint8_t byte) { send({&byte, 1}); }

void Session::on_ssl_request() {
  if (is_secured()) return refuse_unheard("a request for TLS within TLS");
  if (!offers_tls()) return answer('N');
  answer('S');
  if (stage_ != Stage::first_packet) return;
  // Who does not take one byte takes no handshake.
  if (outgoing_.pending() != 0) return finish();
  shake_hands(false);
}

void Session::on_direct_tls() {
  if (is_secured()) return refuse_unheard("TLS within TLS");
  if (!offers_tls()) return refuse_unheard("TLS is not spoken here");
  if (login_->answers != 0) return refuse_unheard("TLS at once, after another request was refused");
  shake_hands(true);
}

void Session::shake_hands(bool direct) {
  stage_ = Stage::handshake;
  const auto unread = login_->input.unread();
  HandshakeRequest request;
  request.first_bytes.assign(unread.begin(), unread.end());
  login_->input.consume(unread.size());
  request.tls = route_->tls->current();
  request.direct = direct;
  const auto left = accepted_at_ + limits::client_login_deadline - services_.loop.now().mono;
  request.deadline = std::max<Duration>(left, Duration::zero());
  client_->set_events(nullptr);
  request.client = std::move(client_);
  login_->handshake = services_.handshaker->shake_hands(
      std::move(request), [this, alive = alive_.line()](HandshakeResult result) {
        if (*alive) on_handshake_over(std::move(result));
      });
}

void Session::on_handshake_over(HandshakeResult result) {
  if (stage_ != Stage::handshake) return;  // it has been given up: the connection closes here
  login_->handshake = 0;
  client_ = std::move(result.client);
  if (!result.facts) {
    record_refusal(result.facts.error(), true);
    if (client_ == nullptr) return finish();
    return close_client();  // TLS has said what it had to say
  }
  login_->facts.tls = result.facts->protocol + " " + result.facts->cipher;
  login_->certificate = std::move(result.facts->certificate);
  login_->end_point = std::move(result.facts->end_point);
  stage_ = Stage::first_packet;
  client_->set_events(this);
  read_client();
}

void Session::abandon_handshake() {
  if (login_ == nullptr || login_->handshake == 0) return;
  services_.handshaker->cancel(std::exchange(login_->handshake, 0));
}

}  // namespace sallyport::broker
