// How a client is refused or let go, and what the trail says about it.
#include "broker/session.h"

#include <chrono>
#include <string>
#include <utility>

namespace sallyport::broker {

namespace {

/// What a refused client gets to read its refusal.
constexpr auto close_deadline = std::chrono::seconds{5};

/// The server has ended the session with its user, as it came to no boundary before its credential's end. Managers count
/// in whole seconds.
bool ended_with_credential(Relay& relay, const Pool& pool, MonotonicTime now) {
  if (!relay.has_upstream()) return false;
  const auto end = pool.ending_of(relay.upstream().generation);
  return end && now >= end->deadline - std::chrono::seconds{1};
}

/// For the client; empty: nothing. `said`: what the server answered to a statement of ours.
WipedBytes last_words(EndCause cause, const postgres::ErrorFields* said, const std::string& target) {
  WipedBytes told;
  if (cause == EndCause::client_misbehaved || cause == EndCause::server_misbehaved) {
    postgres::encode_refusal(
        told, Error{ErrorCode::invalid_message, Hop::session, {}, std::string{name_of(cause)}, {}, "08P01"});
  } else if (cause == EndCause::settings_refused) {
    const auto what =
        "the server refused to set again what this session had set: " + std::string{said->message()};
    postgres::encode_refusal(told, Error{ErrorCode::denied, Hop::session, target, what,
                                         "Connect again; in session pooling nothing has to be set again",
                                         std::string{said->sqlstate()}});
  } else if (cause == EndCause::server_closed && said != nullptr) {
    postgres::encode_error_response(told, *said);
  }
  return told;
}

}  // namespace

void Session::deny(const Error& error) { refuse(error, true); }

// What is to be done about it is ours to say: it tells reasons apart, and nobody makes up more of them. Nor is anybody
// told whether there is a record: who has filled one reason's would learn whether the next refusal has another (threat 19).
void Session::record_refusal(const Error& error, bool count_as_denied) {
  auto denied = event(trail::EventKind::session_denied);
  denied.result = count_as_denied ? "denied" : "failed";
  denied.reason = describe(error);
  const auto limit = SessionQuota::limit_of(error);
  const auto cause =
      std::string{name_of(error.hop)} + ' ' + std::string{limit.empty() ? name_of(error.code) : limit};
  // The log has what the trail has: a flood of denials fills neither.
  if (services_.trail.deny(std::move(denied), cause, error.hint) && count_as_denied) {
    services_.logger.write(LogLevel::warning, "a connection was refused",
                           {{"route", route_->route.name}, {"why", error.what}, {"event", id()}});
  }
}

void Session::refuse(const Error& error, bool count_as_denied, bool tell_all) {
  if (stage_ == Stage::closing || stage_ == Stage::over) return;
  record_refusal(error, count_as_denied);
  if (client_ == nullptr) return finish();  // in the middle of a handshake nothing can be said
  const bool proven = stage_ == Stage::waiting || stage_ == Stage::admitting;
  tell_all = tell_all || route_->talkative || (proven && !count_as_denied);
  WipedBytes refusal;
  if (login_->upstream != nullptr) pool().give_back(std::move(login_->upstream));
  postgres::encode_refusal(refusal, error,
                           tell_all ? postgres::RefusalTexts::full : postgres::RefusalTexts::general, id());
  send(Bytes{refusal});
  close_client();
}

void Session::send(Bytes bytes) {
  if (!outgoing_.send(*client_, bytes)) finish();
}

void Session::close_client() {
  if (stage_ == Stage::over) return;
  stage_ = Stage::closing;
  services_.loop.cancel(deadline_);
  deadline_ = services_.loop.after(close_deadline, [this] { finish(); });
  client_->set_events(this);
  if (outgoing_.pending() == 0) client_->shutdown_write();
  // Reads on until the client closes: bytes left unread would turn our close into a reset.
  read_client();
  // Its connection is open, so it is counted: who never closes would have any number of them.
  if (stage_ == Stage::closing && place_ && !std::exchange(lingers_, true)) host_.on_session_lingers(*this);
}

void Session::finish() {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  abandon_handshake();
  // TLS tells an end from a cut: libpq takes a cancel for failed whose connection was only cut.
  if (is_secured() && client_ != nullptr) client_->shutdown_write();
  place_.give_up();
  if (waiter_ != 0) pool().cancel(std::exchange(waiter_, 0));
  host_.on_session_over(*this);
}

void Session::let_go_of_upstream() {
  if (departure_ != nullptr) departure_->give_up();
  if (!relay_->has_upstream()) return;
  const bool reusable = relay_->at_boundary();
  const bool whole = relay_->whole_towards_server();
  const bool asks = pool().settings().pool.verify_session_state != VerifySessionState::off;
  const bool clean = reusable && relay_->may_return() && !relay_->mistrusts_upstream() && !asks;
  const bool lasting = relay_->leaves_lasting_state();
  auto upstream = relay_->detach_upstream();
  if (clean) {
    pool().put_back(std::move(upstream));
  } else if (reusable && !lasting) {
    pool().give_back(std::move(upstream));
  } else {
    pool().discard(std::move(upstream), whole);
  }
}

void Session::on_relay_end(EndCause cause) {
  if (stage_ != Stage::relaying) return;
  const bool with_credential =
      cause == EndCause::server_closed && ended_with_credential(*relay_, pool(), services_.loop.now().mono);
  if (with_credential) on_session_forced(departure().why_forced());
  record_end(cause == EndCause::client_terminated || cause == EndCause::client_closed ? "ok" : "failed",
             with_credential ? "server closed with its credential" : name_of(cause));
  // First: whoever waits for its place waits a moment longer.
  if (cause == EndCause::server_closed) pool().note_loss(facts().access.decision.identity);
  let_go_of_upstream();
  client_->set_events(this);
  outgoing_ = relay_->take_outgoing_to_client();
  if (cause == EndCause::client_lost) return finish();
  const auto told = last_words(cause, relay_->refusal(), facts().access.target);
  if (!told.empty() && relay_->whole_towards_client()) send(Bytes{told});
  close_client();
}

void Session::record_end(std::string_view result, std::string_view reason) {
  if (!std::exchange(started_, false)) return;
  auto end = event(trail::EventKind::session_end);
  end.result = result;
  end.reason = reason;
  end.duration_s = std::chrono::duration<double>(services_.loop.now().mono - accepted_at_).count();
  if (relay_ != nullptr) {
    end.bytes_to_server = relay_->bytes_to_server();
    end.bytes_to_client = relay_->bytes_to_client();
    end.transactions = relay_->transactions();
  }
  services_.trail.note(std::move(end));
}

}  // namespace sallyport::broker
