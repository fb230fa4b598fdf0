// How a session is told to go by somebody else than its credential: a drain, a stop, its age, a changed policy.
//
// At its next boundary, as that costs the client least. Who comes to none is not waited for without end.
#include "broker/departure.h"

namespace sallyport::broker {

const char* message_of(Dismissal why) {
  switch (why) {
    case Dismissal::shutting_down: return "Sallyport is shutting down";
    case Dismissal::too_old: return "this session is as old as the configuration lets it become";
    case Dismissal::policy_changed: return "this connection is no longer allowed by the configuration";
    case Dismissal::target_drained: return "an administrator ends the connections to this database";
  }
  return "";
}

void Departure::drain(Dismissal why, Duration grace) {
  if (state_ != State::draining) dismissal_ = why;
  become(State::draining);
  if (streams()) return dismiss("drained");
  watch(grace);
  if (!is_moving_now()) look_for_boundary();
}

// CopyBoth: a standby or a receiver of changes connects again, and goes on where it was.
bool Departure::streams() const {
  return relay_.has_no_boundary() && relay_.upstream().key.replication != policy::Replication::none;
}

// The session may come to no boundary, or its client forget the transaction that it has open.
void Departure::watch(Duration grace) {
  loop_.cancel(watch_timer_);
  const auto bytes = [this] { return relay_.bytes_to_server() + relay_.bytes_to_client(); };
  watch_timer_ = loop_.after(grace, [this, grace, bytes, before = bytes()] {
    const bool forgotten =
        dismissal_ == Dismissal::too_old && relay_.sits_in_transaction() && bytes() == before;
    if (!leaving_ && !is_moving_now() && (relay_.has_no_boundary() || forgotten)) return dismiss("drained");
    watch(grace);
  });
}

void Departure::stop(Dismissal why) {
  if (state_ != State::draining) dismissal_ = why;
  become(State::draining);
  dismiss("stopped");
}

void Departure::stop_after(Duration grace, Dismissal why) {
  const auto now = loop_.now().mono;
  if (stop_since_ && stop_why_ != why) stop_since_.reset();
  if (!stop_since_) stop_since_ = now;
  stop_why_ = why;
  loop_.cancel(stop_timer_);
  stop_timer_ = loop_.after(*stop_since_ + grace - now, [this, why] { stop(why); });
}

// `how`: of the end of all; who is not allowed any more need not come again.
void Departure::dismiss(std::string_view how) {
  const bool refused = dismissal_ == Dismissal::policy_changed;
  const bool aged = dismissal_ == Dismissal::too_old;
  owner_.end_session(refused ? "policy_changed"
                     : aged  ? "session_age_max"
                             : how,
                     message_of(dismissal_), refused ? "" : "Connect again");
}

}  // namespace sallyport::broker
