// The slot's clockwork: what has expired, what is due, which conversation is next, when to wake up.
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

/// A lease that may live this much longer than we count on, because its grant was slow or the machine slept
/// meanwhile, is left to die by itself; a longer doubt is ended by revocation.
constexpr Duration grant_doubt_max = 5s;

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
  last_seen_ = now;
}

void SlotState::mark_overdue(Moment now) {
  const Live* live = find(current_);
  if (live && live->renew_at && left_until(*live->renew_at, now) <= Duration::zero()) renew_first_ = true;
}

void SlotState::expire(Moment now) {
  std::vector<std::uint64_t> expired;
  for (auto& [number, live] : live_) {
    if (!live.lease || !live.expires) continue;
    if (left_until(*live.expires, now) <= Duration::zero()) {
      expired.push_back(number);
      continue;
    }
    const auto tell = tell_at(number, live);
    if (tell && left_until(*tell, now) <= Duration::zero()) {
      const Moment deadline = plus(*live.expires, -use_margin(live.lifetime));
      tell_ending(live, left_until(deadline, now) > Duration::zero() ? deadline : now);
    }
  }
  for (const std::uint64_t number : expired) expire_generation(number, now);
  expire_endings(now);
  if (trial_until_ && *trial_until_ <= now.mono) trial_until_.reset();
}

void SlotState::expire_endings(Moment now) {
  for (auto it = endings_.begin(); it != endings_.end();) {
    Ending& ending = it->second;
    if (!ending.dies || left_until(*ending.dies, now) > Duration::zero()) {
      ++it;
      continue;
    }
    if (ending.journalled) journal_.forget(ending.lease);
    if (ending.generation) tell_gone(ending.generation);
    it = endings_.erase(it);
  }
}

void SlotState::expire_generation(std::uint64_t number, Moment now) {
  const auto found = live_.find(number);
  if (found == live_.end()) return;
  Live& live = found->second;
  if (!live.ending_told) tell_ending(live, now);
  live.holders = 0;
  if (current_ == number) {
    current_ = 0;
    renew_first_ = false;
    prefetch_ = true;  // whoever used it is about to ask for the next one
  }
  if (left_until(*live.latest_end, now) > grant_doubt_max) return end_if_unused(number);
  journal_.forget(*live.lease);
  tell_gone(live.generation);
  live_.erase(found);
}

std::optional<Moment> SlotState::tell_at(std::uint64_t number, const Live& live) const {
  if (live.ending_told) return std::nullopt;
  return number == current_ ? live.ending_latest : live.ending_at;
}

void SlotState::tell_ending(Live& live, Moment deadline) {
  live.ending_told = true;
  live.renew_at.reset();  // a promise to end is kept: sessions are already moving
  post([this, generation = live.generation, deadline] {
    observer_.on_generation_ending(generation, deadline);
  });
}

void SlotState::tell_gone(const GenerationPtr& generation) {
  post([this, generation] { observer_.on_generation_gone(generation); });
}

void SlotState::expire_waiters(Moment now) {
  for (auto& [id, waiter] : waiters_) {
    if (waiter.answer || waiter.deadline > now.mono) continue;
    ++counters_.waits_timed_out;
    Error error{ErrorCode::timed_out,
                Hop::secret_source,
                options_.name,
                "no usable credential came before the caller's deadline",
                "",
                ""};
    if (last_error_) error.what += ", the last attempt failed: " + describe(*last_error_);
    answer(id, waiter, std::move(error));
  }
}

std::vector<SlotState::Job> SlotState::jobs(Moment now) const {
  std::vector<Job> out;
  if (shutdown_over_) return out;
  if (shutting_down_) {
    add_shutdown_jobs(now, out);
    return out;
  }
  if (const auto at = session_->keep_alive_at()) {
    out.push_back(
        {JobKind::keep_alive, 0, std::max<Duration>(*at - now.wall, keep_alive_not_before_ - now.mono)});
  }
  add_fetch_job(now, out);
  for (const auto& [number, live] : live_) {
    if (live.renew_at) out.push_back({JobKind::renew, number, left_until(*live.renew_at, now)});
  }
  for (const auto& [key, ending] : endings_) {
    if (!ending.given_up) out.push_back({JobKind::revoke, key, ending.not_before - now.mono});
  }
  return out;
}

void SlotState::add_fetch_job(Moment now, std::vector<Job>& out) const {
  const Duration held_for = std::max(fetch_not_before_, blocked_until_) - now.mono;
  if (!usable(now)) {
    if (waiting_ > 0)
      out.push_back({JobKind::urgent_fetch, 0, held_for});
    else if (prefetch_)
      out.push_back({JobKind::fetch, 0, held_for});
    return;
  }
  const auto found = live_.find(current_);
  if (found == live_.end() || !found->second.successor_at) return;
  out.push_back({JobKind::fetch, 0, std::max(held_for, left_until(*found->second.successor_at, now))});
}

SlotState::Job SlotState::urgent_job(Moment now) const {
  Job best;
  for (const Job& job : jobs(now)) {
    if (job.ready_in <= Duration::zero() && job.kind < best.kind) best = job;
  }
  return best;
}

void SlotState::start(const Job& job, Moment now) {
  switch (job.kind) {
    case JobKind::keep_alive: return start_keep_alive(now);
    case JobKind::urgent_fetch: return start_fetch(now);
    case JobKind::renew: return start_renewal(job.id, now);
    case JobKind::fetch: return start_fetch(now);
    case JobKind::revoke: return start_revocation(job.id, now);
    case JobKind::close: return start_close(now);
    case JobKind::none: return;
  }
}

void SlotState::run(std::unique_ptr<Conversation> conversation,
                    void (SlotState::*ended)(std::uint64_t, Moment, Result<void>, Conversation*),
                    std::uint64_t id, Moment started) {
  busy_ = true;
  // The session is captured because the conversation borrows it and may outlive the slot.
  runner_.run(std::move(conversation), [weak = weak_from_this(), session = session_, ended, id, started](
                                           Result<void> result, std::unique_ptr<Conversation> back) {
    const auto self = weak.lock();
    if (!self || self->detached_) return;
    self->busy_ = false;
    if (result && !back) {
      result = Error{
          ErrorCode::internal, Hop::secret_source, "conversation", "its runner did not hand it back", "", ""};
    }
    (self.get()->*ended)(id, started, std::move(result), back.get());
    back.reset();
    self->pump();
  });
}

Duration SlotState::until_next_change(Moment now) const {
  Duration next = Duration::max();
  const auto consider = [&next](Duration left) { next = std::min(next, left); };
  for (const auto& [id, waiter] : waiters_) {
    if (!waiter.answer) consider(waiter.deadline - now.mono);
  }
  for (const auto& [number, live] : live_) {
    if (!live.lease) continue;
    if (live.expires) consider(left_until(*live.expires, now));
    if (const auto tell = tell_at(number, live)) consider(left_until(*tell, now));
  }
  for (const auto& [key, ending] : endings_) {
    if (ending.dies) consider(left_until(*ending.dies, now));
  }
  if (trial_until_) consider(*trial_until_ - now.mono);
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
    self->armed_for_.reset();
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
