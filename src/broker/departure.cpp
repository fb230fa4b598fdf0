#include "broker/departure.h"

#include "broker/move_reasons.h"

#include <algorithm>
#include <utility>

namespace sallyport::broker {

namespace {

/// Before the credential dies, sessions that could not be moved are told at their next boundary.
constexpr auto force_ahead = std::chrono::milliseconds{500};
/// Here a session that waits for a new connection, and is not heard at its boundaries any more, is told.
constexpr auto last_ahead = std::chrono::milliseconds{100};
/// Between the last answer and the end: shorter where the credential ends before.
constexpr auto farewell_delay = std::chrono::milliseconds{100};
constexpr auto farewell_delay_min = std::chrono::milliseconds{20};
/// For a client that does not come to read the answer.
constexpr auto farewell_delay_max = std::chrono::seconds{1};
/// While it yields to sessions that have yet to be moved.
constexpr auto yield_look = std::chrono::milliseconds{20};
constexpr auto move_retry = std::chrono::milliseconds{500};

}  // namespace

Departure::Departure(Relay& relay, Pool& pool, std::string run_as, net::Loop& loop, Logger& logger,
                     DepartureOwner& owner)
    : relay_(relay), pool_(&pool), run_as_(std::move(run_as)), loop_(loop), logger_(logger), owner_(owner) {}

Departure::~Departure() { cancel_timers(); }

void Departure::on_generation_ending(std::uint64_t generation, CredentialEnd end) {
  if (!relay_.has_upstream() || relay_.upstream().generation > generation) return;
  if (ending_generation_ >= generation) return;
  // Another generation's later end does not put off the nearer one.
  const bool nearer = ending_generation_ == 0 || end.deadline < ending_at_;
  ending_generation_ = generation;
  if (mover_ != nullptr) mover_->on_generation_ending(generation);
  if (!nearer) return;
  ending_at_ = end.deadline;
  ending_latest_ = end.deadline + end.doubt;
  immovable_reason_.clear();
  if (state_ == State::staying || state_ == State::immovable) become(State::moving);
  const auto left = end.deadline - loop_.now().mono;
  // A short warning still leaves most of the time for moving.
  const auto ahead = std::min<Duration>(force_ahead, left / 5);
  for (const auto timer : {park_timer_, force_timer_, last_timer_}) loop_.cancel(timer);
  park_timer_ = loop_.after(left - std::min<Duration>(pool_->press_ahead(), left * 9 / 10), [this] {
    parking_ = true;
    become(state_);
    look_for_boundary();
  });
  const auto most = left + end.doubt;
  last_timer_ = loop_.after(most - std::min<Duration>(last_ahead, most / 10), [this] {
    parking_ = false;
    look_for_boundary();
  });
  force_timer_ = loop_.after(left - ahead, [this] {
    if (state_ != State::draining) become(State::forced);
    look_for_boundary();
  });
  try_move();
}

void Departure::heed_ending() {
  if (!relay_.has_upstream()) return;
  const auto generation = relay_.upstream().generation;
  if (const auto end = pool_->ending_of(generation)) on_generation_ending(generation, *end);
}

void Departure::follow(Pool& pool, std::string run_as) {
  pool_ = &pool;
  run_as_ = std::move(run_as);
}

void Departure::on_boundary() {
  if (leaving_) return;
  const bool moves = mover_ != nullptr && mover_->wants_boundary();
  if (state_ != State::draining && moves) return mover_->at_boundary();
  if (parks()) return park();
  if (has_to_end() && !is_moving_now()) leave_when_read();
}

void Departure::leave_when_read() {
  // The answer is on its way to the client. What comes with it libpq takes for a notice and the end for an accident:
  // after a moment, and once the client has read the answer, it is that to the next query, or found by a client at rest.
  leaving_ = true;
  if (mover_ != nullptr) {
    mover_->give_up();
    bury_mover();
  }
  relay_.hold_client();
  const auto now = loop_.now().mono;
  Duration delay = farewell_delay;
  leave_latest_ = now + farewell_delay_max;
  if (ending_generation_ != 0) {
    const auto ending = parked_ ? ending_latest_ : ending_at_;
    const Duration half = (ending - now) / 2;
    delay = std::clamp<Duration>(half, farewell_delay_min, farewell_delay);
    leave_latest_ = std::min(leave_latest_, ending - farewell_delay_min);
  }
  leave_after(delay);
}

void Departure::leave_after(Duration delay) {
  leave_timer_ = loop_.after(delay, [this] {
    if (relay_.client_has_read() || loop_.now().mono >= leave_latest_) return leave();
    leave_after(farewell_delay_min);
  });
}

void Departure::leave() {
  if (state_ == State::draining) return dismiss("drained");
  owner_.on_session_forced(why_forced());
  owner_.end_session("rotation_forced", "the credential of this session has ended",
                     "Connect again; sessions without temporary tables, LISTEN, advisory locks and the like "
                     "are moved unseen");
}

std::string_view Departure::why_forced() const {
  return immovable_reason_.empty() ? move_reason::no_connection : std::string_view{immovable_reason_};
}

void Departure::on_upstream_returned() {
  if (ending_generation_ == 0 && mover_ == nullptr) return;
  for (const auto timer : {park_timer_, force_timer_, last_timer_, move_timer_}) loop_.cancel(timer);
  ending_generation_ = 0;
  parking_ = false;
  if (mover_ != nullptr) {
    mover_->give_up();
    bury_mover();
  }
  become(state_ == State::draining ? State::draining : State::staying);
  unpark();
}

void Departure::on_cancel_done() {
  if (mover_ != nullptr && mover_->wants_boundary() && relay_.at_boundary()) mover_->at_boundary();
}

void Departure::give_up() {
  cancel_timers();
  parking_ = parked_ = false;
  if (mover_ == nullptr) return;
  mover_->give_up();
  bury_mover();
}

void Departure::become(State state) {
  state_ = state;
  relay_.want_boundary(has_to_end() || parking_);
}

bool Departure::parks() const {
  return parking_ && state_ != State::draining && mover_ != nullptr && mover_->waits_for_connection();
}

void Departure::park() {
  parked_ = true;
  relay_.hold_client();
}

// The last thing that its caller does: the client's bytes may end the session.
void Departure::unpark() {
  if (!std::exchange(parked_, false) || leaving_) return;
  relay_.release_client();
}

void Departure::cancel_timers() {
  for (const auto timer : {park_timer_, force_timer_, last_timer_, move_timer_, stop_timer_, watch_timer_,
                           leave_timer_, yield_timer_})
    loop_.cancel(timer);
}

// Of a client at rest.
void Departure::look_for_boundary() {
  if (leaving_ || !(has_to_end() || parking_) || !relay_.at_boundary()) return;
  const bool moves = mover_ != nullptr && mover_->wants_boundary();
  if (state_ != State::draining && moves) return mover_->at_boundary();
  if (parks()) return park();
  if (!has_to_end()) return;
  if (state_ != State::draining && is_moving_now()) return;
  if (!relay_.client_has_read()) return leave_when_read();
  leave();
}

void Departure::try_move() {
  // Without an ending there may be no later generation to move to; who is dismissed need not move.
  const bool due = state_ == State::moving || state_ == State::forced;
  if (due && relay_.has_upstream() && relay_.upstream().key.replication != policy::Replication::none)
    return on_immovable(move_reason::replication);
  if (!due || leaving_ || !immovable_reason_.empty() || mover_ != nullptr || !relay_.has_upstream()) return;
  mover_ = std::make_unique<Mover>(relay_, *pool_, run_as_, loop_, static_cast<MoverOwner&>(*this));
  mover_->start();
}

void Departure::on_moved() {
  for (const auto timer : {park_timer_, force_timer_, last_timer_, move_timer_}) loop_.cancel(timer);
  ending_generation_ = 0;
  parking_ = false;
  bury_mover();
  become(state_ == State::draining ? State::draining : State::staying);
  owner_.on_session_moved();
  parked_ = true;
  if (state_ == State::draining) {
    look_for_boundary();
  } else {
    heed_ending();
  }
  yield_to_movers();
}

// A busy session that has moved would take the processors from the logins that the others wait for.
void Departure::yield_to_movers() {
  if (!parked_ || is_moving_now()) return;
  if (!pool_->moves_press()) return unpark();
  loop_.cancel(yield_timer_);
  yield_timer_ = loop_.after(yield_look, [this] { yield_to_movers(); });
}

void Departure::on_immovable(std::string_view reason) {
  immovable_reason_ = reason;
  bury_mover();
  become(state_ == State::moving ? State::immovable : state_);
  // The mover may have held the client. What it has said meanwhile must not reach a server whose credential is over.
  parked_ = true;
  look_for_boundary();
  unpark();
}

void Departure::on_move_failed(const Error& error) {
  const auto text = describe(error);
  logger_.write(LogLevel::warning, "no connection for a session to move to", {{"error", text}});
  bury_mover();
  become(state_);
  loop_.cancel(move_timer_);
  move_timer_ = loop_.after(move_retry, [this] {
    try_move();
    look_for_boundary();
  });
  parked_ = true;  // as above
  look_for_boundary();
  unpark();
}

void Departure::on_move_broke() {
  bury_mover();
  owner_.on_server_lost();
}

// It may be on the stack: it goes at the turn's end.
void Departure::bury_mover() {
  loop_.at_turn_end([kept = std::shared_ptr<Mover>(std::move(mover_))] {});
}

}  // namespace sallyport::broker
