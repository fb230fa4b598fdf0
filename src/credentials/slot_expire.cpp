// What is over by the clock: generations, leases that nobody could end, callers' deadlines; and who is told.
#include "credentials/slot_state.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::credentials {

namespace {

/// A lease that may live this much longer than we count on, because its grant was slow or the machine slept
/// meanwhile, is left to die by itself; a longer doubt is ended by revocation.
constexpr Duration grant_doubt_max = 5s;

}  // namespace

void SlotState::expire(Moment now) {
  std::vector<std::uint64_t> expired;
  for (auto& [number, live] : live_) {
    if (!live.lease || !live.expires) continue;
    if (left_until(plus(*live.expires, live.doubt), now) <= Duration::zero()) {
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
    renew_first_until_.reset();
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
  // Beyond that it is revoked at its end.
  const Duration more = live.latest_end ? left_until(*live.latest_end, *live.expires) : Duration::zero();
  live.doubt = more <= grant_doubt_max ? std::max(more, Duration::zero()) : Duration::zero();
  post([this, generation = live.generation, deadline, doubt = live.doubt] {
    observer_.on_generation_ending(generation, deadline, doubt);
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
                "no usable credential came within " + format_duration(waiter.deadline - waiter.since),
                "",
                ""};
    if (last_error_) error.what += ", the last attempt failed: " + describe(*last_error_);
    answer(id, waiter, std::move(error));
  }
}

}  // namespace sallyport::credentials
