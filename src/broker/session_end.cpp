// How a session leaves its credential or the broker: moved when it can be, told at a boundary when not.

#include "broker/session.h"

namespace sallyport::broker {

namespace {

/// Before the credential dies, sessions that could not be moved are told at their next boundary.
constexpr auto force_ahead = std::chrono::milliseconds{500};
constexpr auto move_retry = std::chrono::milliseconds{500};

constexpr auto shutting_down = "Sallyport is shutting down";
constexpr auto not_allowed_any_more = "this connection is no longer allowed by the configuration";

}  // namespace

void Session::on_generation_ending(const Pool& pool, std::uint64_t generation, MonotonicTime deadline) {
  if (stage_ != Stage::relaying || access_.pool.get() != &pool || !relay_->has_upstream()) return;
  if (relay_->upstream().generation > generation || ending_generation_ >= generation) return;
  // Another generation's later end does not put off the nearer one.
  const bool nearer = ending_generation_ == 0 || deadline < ending_at_;
  ending_generation_ = generation;
  if (!nearer) return;
  ending_at_ = deadline;
  immovable_ = false;
  const auto left = deadline - services_.loop.now().mono;
  // A short warning still leaves most of the time for moving.
  const auto ahead = std::min<Duration>(force_ahead, left / 5);
  services_.loop.cancel(force_timer_);
  force_timer_ = services_.loop.after(left - ahead, [this] {
    force_now_ = true;
    relay_->want_boundary(true);
    if (relay_->at_boundary()) on_boundary();
  });
  try_move();
}

// Where there was no successor, sessions begin on a credential that is ending already, and are moved to one.
void Session::heed_ending() {
  if (stage_ != Stage::relaying || !relay_->has_upstream()) return;
  const auto generation = relay_->upstream().generation;
  const auto deadline = access_.pool->ending_of(generation);
  if (deadline) on_generation_ending(*access_.pool, generation, *deadline);
}

void Session::try_move() {
  // Without an ending there may be no later generation to move to.
  if (stage_ != Stage::relaying || ending_generation_ == 0 || immovable_ || mover_ != nullptr) return;
  mover_ = std::make_unique<Mover>(*relay_, *access_.pool, access_.decision.run_as, services_.loop,
                                   static_cast<MoverOwner&>(*this));
  mover_->start();
}

void Session::on_boundary() {
  if (stage_ != Stage::relaying) return;
  if (dismissal_) return dismiss("drained");
  if (mover_ != nullptr && mover_->wants_boundary()) return mover_->at_boundary();
  if (force_now_ && (mover_ == nullptr || !mover_->is_under_way())) {
    host_.on_session_forced(immovable_reason_.empty() ? "no_connection"
                                                      : std::string_view{immovable_reason_});
    force("rotation_forced", "the credential of this session has ended",
          "Connect again; sessions without temporary tables, LISTEN, advisory locks and the like are moved "
          "unseen");
  }
}

// The mover is on the stack when it calls us: it goes at the turn's end.
void Session::on_moved() {
  services_.loop.cancel(force_timer_);
  services_.loop.cancel(move_timer_);
  ending_generation_ = 0;
  force_now_ = false;
  relay_->want_boundary(dismissal_.has_value());
  services_.loop.at_turn_end([kept = std::shared_ptr<Mover>(std::move(mover_))] {});
  host_.on_session_moved();
  if (dismissal_ && relay_->at_boundary()) return on_boundary();
  heed_ending();
}

void Session::on_immovable(std::string_view reason) {
  immovable_ = true;
  immovable_reason_ = reason;
  relay_->want_boundary(dismissal_.has_value() || force_now_);
  services_.loop.at_turn_end([kept = std::shared_ptr<Mover>(std::move(mover_))] {});
  if ((dismissal_ || force_now_) && relay_->at_boundary()) on_boundary();
}

void Session::on_move_failed(const Error& error) {
  const auto text = describe(error);
  services_.logger.write(LogLevel::warning, "no connection for a session to move to", {{"error", text}});
  relay_->want_boundary(dismissal_.has_value() || force_now_);
  services_.loop.at_turn_end([kept = std::shared_ptr<Mover>(std::move(mover_))] {});
  services_.loop.cancel(move_timer_);
  move_timer_ = services_.loop.after(move_retry, [this] { try_move(); });
  if ((dismissal_ || force_now_) && relay_->at_boundary()) on_boundary();
}

void Session::on_move_broke() {
  record_end("failed", "the server connection ended while it was asked about the session's state");
  services_.loop.at_turn_end([kept = std::shared_ptr<Mover>(std::move(mover_))] {});
  force("server closed", "the server connection ended", "Connect again");
}

void Session::drain(Dismissal why) {
  if (!dismissal_) dismissal_ = why;
  if (stage_ == Stage::relaying) {
    relay_->want_boundary(true);
    if (relay_->at_boundary() && (mover_ == nullptr || !mover_->is_under_way())) on_boundary();
  } else if (stage_ != Stage::cancelling && stage_ != Stage::closing && stage_ != Stage::over) {
    if (*dismissal_ == Dismissal::policy_changed) {
      return deny(Error{ErrorCode::denied, Hop::policy, route_->route.name, not_allowed_any_more, {}, {}});
    }
    refuse(Error{ErrorCode::retry_later, Hop::session, {}, shutting_down, "Connect again", "57P03"}, false);
  }
}

void Session::stop(Dismissal why) {
  if (!dismissal_) dismissal_ = why;
  if (stage_ == Stage::relaying) {
    dismiss("stopped");
  } else {
    finish();
  }
}

void Session::stop_after(Duration grace, Dismissal why) {
  services_.loop.cancel(stop_timer_);
  stop_timer_ = services_.loop.after(grace, [this, why] { stop(why); });
}

// `how`: of the end of all; who is not allowed any more is told so, and need not come again.
void Session::dismiss(std::string_view how) {
  if (*dismissal_ == Dismissal::policy_changed) return force("policy_changed", not_allowed_any_more, "");
  force(how, shutting_down, "Connect again");
}

// 57P01 as a server says it when an administrator ends a session.
void Session::force(std::string_view why, const char* message, const char* hint) {
  if (stage_ != Stage::relaying) return;
  record_end(why == "drained" || why == "stopped" ? "ok" : "failed", why);
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

}  // namespace sallyport::broker
