// The slot's clockwork: when to look, when to wake up, and the outbox through which it speaks.
#include "credentials/slot_state.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace sallyport::credentials {

namespace {

/// The longest sleep while anything is alive, so that a jump of the wall clock is noticed.
constexpr Duration sleep_max = 30s;

/// The shortest, so that rounding in somebody's timers cannot make a loop of ours hot.
constexpr Duration sleep_min = 1ms;

/// The clocks have drifted apart by more than this between two looks: the machine slept.
constexpr Duration clock_jump_min = 2s;

/// Our timer is later than any busy machine makes it: we were stopped. Said too early it costs a wait for a
/// renewal that was due.
constexpr Duration late_timer_min = 500ms;

/// Different texts that are remembered as said.
constexpr std::size_t warnings_max = 64;

}  // namespace

SlotState::SlotState(std::unique_ptr<secrets::SourceSession> session, SlotOptions options, Timers& timers,
                     Runner& runner, LeaseJournal& journal, Observer& observer, Randomness& randomness)
    : session_(std::move(session)),
      options_(std::move(options)),
      timers_(timers),
      runner_(runner),
      journal_(journal),
      observer_(observer),
      randomness_(randomness) {}

void SlotState::detach() {
  detached_ = true;
  timers_.cancel(std::exchange(timer_, 0));
  outbox_.clear();
  waiters_.clear();
  waiting_ = 0;
}

void SlotState::pump() {
  const auto self = shared_from_this();
  if (detached_) return;
  const Moment now = timers_.now();
  note_time(now);
  expire(now);
  expire_waiters(now);
  settle_waiters(now);
  while (!busy_) {
    const Job job = urgent_job(now);
    if (job.kind == JobKind::none || job.ready_in > Duration::zero()) break;
    start(job, now);
  }
  finish_shutdown_if_done();
  arm(now);
  drain();
}

void SlotState::note_time(Moment now) {
  if (last_seen_) {
    const Duration jump = (now.wall - last_seen_->wall) - (now.mono - last_seen_->mono);
    if (jump > clock_jump_min) mark_overdue(now);
  }
  // Stopped by a signal the clocks go on together; our own timer is then long past.
  if (armed_for_ && now.mono - *armed_for_ > late_timer_min) mark_overdue(now);
  last_seen_ = now;
}

void SlotState::mark_overdue(Moment now) {
  const Live* live = find(current_);
  const bool overdue = live && live->renew_at && left_until(*live->renew_at, now) <= Duration::zero();
  // Another jump meanwhile does not begin the wait anew.
  if (overdue && !renew_first_until_) renew_first_until_ = now.mono + renew_first_max;
}

Duration SlotState::until_next_change(Moment now) const {
  Duration next = Duration::max();
  const auto consider = [&next](Duration left) { next = std::min(next, left); };
  for (const auto& [id, waiter] : waiters_) {
    if (!waiter.answer) consider(waiter.deadline - now.mono);
  }
  for (const auto& [number, live] : live_) {
    if (!live.lease) continue;
    if (live.expires) consider(left_until(plus(*live.expires, live.doubt), now));
    if (const auto tell = tell_at(number, live)) consider(left_until(*tell, now));
  }
  for (const auto& [key, ending] : endings_) {
    if (ending.dies) consider(left_until(*ending.dies, now));
  }
  if (trial_until_) consider(*trial_until_ - now.mono);
  if (renews_first(now)) consider(*renew_first_until_ - now.mono);
  if (shutting_down_) consider(shutdown_deadline_ - now.mono);
  // While a conversation runs no other starts: what is due then would only wake us for nothing.
  if (!busy_) {
    for (const Job& job : jobs(now)) consider(job.ready_in);
  }
  if (next != Duration::max() || !live_.empty()) next = std::min(next, sleep_max);
  return next;
}

void SlotState::arm(Moment now) {
  const Duration next = shutdown_over_ ? Duration::max() : until_next_change(now);
  if (next == Duration::max()) {
    timers_.cancel(std::exchange(timer_, 0));
    armed_for_.reset();
    return;
  }
  const MonotonicTime target = now.mono + std::max(next, sleep_min);
  if (timer_ != 0 && armed_for_ && *armed_for_ <= target && target - *armed_for_ < sleep_min) return;
  timers_.cancel(std::exchange(timer_, 0));
  armed_for_ = target;
  timer_ = timers_.after(target - now.mono, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->detached_) return;
    self->timer_ = 0;
    self->pump();
  });
}

void SlotState::drain() {
  if (draining_) return;
  draining_ = true;
  while (!detached_ && !outbox_.empty()) {
    const auto call = std::move(outbox_.front());
    outbox_.pop_front();
    call();
  }
  draining_ = false;
}

std::uint64_t SlotState::random() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  randomness_.fill(bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string SlotState::about(std::string text) const {
  return options_.name.empty() ? text : options_.name + ": " + text;
}

void SlotState::warn(std::string text) {
  post([this, text = about(std::move(text))] { observer_.on_warning(text); });
}

void SlotState::warn_once(const std::string& text) {
  if (warned_.size() < warnings_max && warned_.insert(text).second) warn(text);
}

}  // namespace sallyport::credentials
