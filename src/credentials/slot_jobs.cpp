// Which conversations are due, which of them goes first (one at a time), and its start and end.
#include "credentials/slot_state.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::credentials {

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
  const bool pressed = is_pressed(now);
  for (const auto& [key, ending] : endings_) {
    if (ending.given_up) continue;
    const auto from = pressed ? std::max(ending.not_before, ending.held_until) : ending.not_before;
    out.push_back({JobKind::revoke, key, from - now.mono});
  }
  return out;
}

/// A lease has to be renewed or replaced soon. A revocation may take longer than that: the server waits for the
/// user's sessions to end.
bool SlotState::is_pressed(Moment now) const {
  return std::any_of(live_.begin(), live_.end(), [&](const auto& each) {
    const Live& live = each.second;
    const Duration soon = std::min<Duration>(live.lifetime / 4, revocation_hold_max);
    const auto within = [&](const std::optional<Moment>& due) {
      return due && left_until(*due, now) <= soon;
    };
    return within(live.renew_at) ||
           (each.first == current_ && fetch_failures_ == 0 && within(live.successor_at));
  });
}

void SlotState::add_fetch_job(Moment now, std::vector<Job>& out) const {
  const Duration held_for = std::max(fetch_not_before_, blocked_until_) - now.mono;
  if (!usable(now)) {
    if (pending_)
      out.push_back({JobKind::pending_fetch, 0, Duration::zero()});
    else if (waiting_ > 0)
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
    case JobKind::pending_fetch: return start_pending(now);
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

}  // namespace sallyport::credentials
