#include "wire/postgres/cancel.h"

#include "wire/postgres/ssl_answer.h"
#include "wire/postgres/wire_error.h"

namespace sallyport::postgres {

Result<Action> CancelConversation::send_request() {
  step_ = Step::expect_close;
  Send send;
  encode(send.bytes, request_);
  return Action{std::move(send)};
}

/// What answers a cancel is nobody's: only AlloyDB's proxy has to be waited for.
Result<Action> CancelConversation::after_tls() {
  if (preamble_.bytes == nullptr) return send_request();
  Send send;
  const auto seen = as_bytes(preamble_.bytes->reveal());
  send.bytes.assign(seen.begin(), seen.end());
  if (preamble_.answer == PreambleAnswer::alloydb) {
    step_ = Step::expect_preamble_answer;
    return Action{std::move(send)};
  }
  step_ = Step::expect_close;
  encode(send.bytes, request_);
  return Action{std::move(send)};
}

Result<Action> CancelConversation::resume(Input input) {
  if (auto* failed = std::get_if<ActionFailed>(&input.event)) return std::move(failed->error);
  switch (step_) {
    case Step::fresh: {
      if (!std::holds_alternative<Started>(input.event)) break;
      if (tls_ == LoginTls::disable) return send_request();
      if (tls_ == LoginTls::first) {
        step_ = Step::expect_tls;
        return Action{StartTls{}};
      }
      step_ = Step::expect_ssl_answer;
      Send send;
      encode(send.bytes, SslRequest{});
      return Action{std::move(send)};
    }
    case Step::expect_ssl_answer: {
      auto* received = std::get_if<Received>(&input.event);
      if (received == nullptr) break;
      const auto yes = take_ssl_answer(received->input);
      if (!yes) return yes.error();
      if (!*yes) return Action{NeedMore{}};
      step_ = Step::expect_tls;
      return Action{StartTls{"postgresql"}};
    }
    case Step::expect_tls:
      if (!std::holds_alternative<TlsEstablished>(input.event)) break;
      return after_tls();
    case Step::expect_preamble_answer: {
      auto* received = std::get_if<Received>(&input.event);
      if (received == nullptr) break;
      const auto taken = take_preamble_answer(preamble_.answer, received->input);
      if (!taken) return taken.error();
      if (!*taken) return Action{NeedMore{}};
      return send_request();
    }
    case Step::expect_close: {
      if (const auto* closed = std::get_if<PeerClosed>(&input.event)) {
        if (closed->cut) break;
        step_ = Step::finished;
        return Action{Done{}};
      }
      auto* received = std::get_if<Received>(&input.event);
      if (received == nullptr) break;
      // A server says nothing here; a proxy's complaint changes nothing.
      received->input.consume(received->input.size());
      return Action{NeedMore{}};
    }
    case Step::finished: break;
  }
  if (std::holds_alternative<PeerClosed>(input.event)) {
    return login_error(ErrorCode::retry_later, "CancelRequest",
                       has_asked()
                           ? "the connection was cut: whether the server has the request cannot be told"
                           : "the server closed the connection before it took the request");
  }
  return login_error(ErrorCode::internal, "CancelRequest", "an event that cannot happen now");
}

}  // namespace sallyport::postgres
