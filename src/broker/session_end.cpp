// How a session is ended from outside: by its credential's end, a drain, a stop. Departure says when.
#include "broker/session.h"

namespace sallyport::broker {

Departure& Session::departure() {
  if (departure_ == nullptr) {
    departure_ = std::make_unique<Departure>(*relay_, pool(), facts().access.decision.run_as, services_.loop,
                                             services_.logger, static_cast<DepartureOwner&>(*this));
  }
  return *departure_;
}

void Session::on_generation_ending(const Pool& pool, std::uint64_t generation, CredentialEnd end) {
  if (stage_ != Stage::relaying || facts().access.pool.get() != &pool) return;
  // One that borrows its connections gets the next from the successor.
  if (!relay_->is_pinned()) return;
  departure().on_generation_ending(generation, end);
}

void Session::on_boundary() {
  if (stage_ == Stage::relaying) departure().on_boundary();
}

// The server's log knows this session by another pid from now on.
void Session::on_session_moved() {
  auto moved = event(trail::EventKind::session_moved);
  moved.result = "ok";
  moved.reason = "its credential ends";
  services_.trail.note(std::move(moved));
  host_.on_session_moved(*this);
}

void Session::drain(Dismissal why) {
  switch (stage_) {
    case Stage::relaying: return departure().drain(why, route_->grace);
    case Stage::cancelling:
    case Stage::closing:
    case Stage::over: return;
    case Stage::first_packet:
    case Stage::handshake:
    case Stage::scram:
    case Stage::waiting:
    case Stage::admitting: break;
  }
  if (why == Dismissal::policy_changed) {
    return deny(Error{ErrorCode::denied, Hop::policy, route_->route.name, message_of(why), {}, {}});
  }
  refuse(Error{ErrorCode::retry_later, Hop::session, {}, message_of(why), "Connect again", "57P03"}, false);
}

void Session::stop(Dismissal why) {
  if (stage_ == Stage::relaying) return departure().stop(why);
  finish();
}

void Session::shut_down() {
  const bool waits = stage_ == Stage::waiting || stage_ == Stage::admitting;
  waits ? drain(Dismissal::shutting_down) : stop(Dismissal::shutting_down);
}

void Session::stop_after(Duration grace, Dismissal why) {
  if (stage_ == Stage::relaying) departure().stop_after(grace, why);
}

// 57P01 as a server says it when an administrator ends a session.
void Session::end_session(std::string_view why, const char* message, const char* hint) {
  if (stage_ != Stage::relaying) return;
  const bool expected = why == "drained" || why == "stopped" || why == "session_age_max";
  record_end(expected ? "ok" : "failed", why);
  // Closing a connection does not stop what the server is doing for it.
  if (relay_->has_upstream() && !relay_->tracker().nothing_outstanding()) cancel_query([] {});
  stage_ = Stage::closing;
  let_go_of_upstream();
  outgoing_ = relay_->take_outgoing_to_client();
  if (relay_->whole_towards_client()) {
    WipedBytes refusal;
    postgres::encode_refusal(refusal,
                             Error{ErrorCode::retry_later, Hop::session, {}, message, hint, "57P01"});
    send(Bytes{refusal});
  }
  close_client();
}

void Session::on_server_lost() {
  pool().note_loss(facts().access.decision.identity);
  record_end("failed", "the server connection ended while it was asked about the session's state");
  end_session("server closed", "the server connection ended", "Connect again");
}

}  // namespace sallyport::broker
