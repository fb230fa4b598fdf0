// How long what we have is good for: schedules, renewals, our own token's keep-alive.
#include "credentials/slot_state.h"

#include <algorithm>
#include <utility>

namespace sallyport::credentials {

namespace {

/// A renewal, a refetch or a keep-alive comes no sooner than this after the last.
constexpr Duration interval_min = 250ms;
constexpr Duration refetch_min = 1s;

/// Sessions get this long to reach a transaction boundary, if the lease has that much left.
constexpr Duration ending_notice_min = 5s;

/// Leases up to this long are renewed at a third: a manager and a database that are busy may take seconds to do it, and
/// while nobody knows how long renewals go on, too little would be left to move sessions when one is refused.
constexpr Duration cautious_max = 60s;

/// Asking again cannot help: the lease stays as it is until it ends.
bool is_final(ErrorCode code) {
  return code == ErrorCode::bad_config || code == ErrorCode::denied || code == ErrorCode::peer_unsupported;
}

}  // namespace

/// Sets every time of a generation that was fetched or renewed just now.
void SlotState::schedule(Live& live, const std::optional<Duration>& refetch_after, Moment now) {
  live.renew_at.reset();
  live.lifetime =
      live.expires ? std::max(left_until(*live.expires, now), Duration::zero()) : Duration::zero();
  if (!live.lease) {
    Duration wait = live.expires ? replacement_delay(live.lifetime) : options_.poll_every;
    if (refetch_after) wait = live.expires ? std::min(*refetch_after, wait) : *refetch_after;
    wait = std::max(clamp_lifetime(wait), refetch_min);
    // A static role is changed at its time, or a moment later: jitter only lengthens.
    live.successor_at = plus(now, wait + grace_of(std::min<Duration>(wait, 10s), random()) / 2);
    return;
  }
  if (!live.lease->renewable || live.capped) {
    live.successor_at = plus(now, replacement_delay(live.lifetime));
    set_ending(live, *live.successor_at);
    return;
  }
  const Duration grace = grace_of(live.lifetime, random());
  const Duration delay =
      live.granted <= cautious_max ? live.lifetime / 3 : renewal_delay(live.lifetime, grace);
  live.renew_at = plus(now, std::max(delay, interval_min));
  live.successor_at = plus(*live.expires, -grace);
  if (whole_life_) {
    const Moment in_time = in_time_of(live);
    if (left_until(*live.successor_at, in_time) > Duration::zero()) live.successor_at = in_time;
    // Renewed just before its successor is asked for, it lasts as long as it can while its sessions move.
    if (left_until(in_time, now) >= interval_min && left_until(*live.renew_at, in_time) > Duration::zero())
      live.renew_at = in_time;
  }
  set_ending(live, *live.successor_at);
}

/// Where leases live as long as the latest whose maximum was met: when its successor is wanted.
Moment SlotState::in_time_of(const Live& live) const {
  return plus(live.fetched_at, *whole_life_ - replacement_lead(*whole_life_));
}

/// It will not be renewed again: its successor is wanted at `from`.
void SlotState::make_final(Live& live, Moment from) {
  live.renew_at.reset();
  live.successor_at = from;
  set_ending(live, from);
}

/// When sessions are told, if replacement begins at `from`: half of what is left then, which is early enough
/// for long transactions and late enough for sessions that cannot move.
void SlotState::set_ending(Live& live, Moment from) {
  const Duration left = left_until(*live.expires, from);
  const Duration notice = std::clamp(left / 2, std::min(left, ending_notice_min), ending_notice_max);
  live.ending_at = plus(*live.expires, -notice);
  live.ending_latest = plus(*live.expires, -std::min(left / 2, ending_notice_max));
}

void SlotState::start_renewal(std::uint64_t number, Moment now) {
  Live& live = *find(number);
  auto conversation = session_->renew(*live.lease);
  if (!conversation) return make_final(live, now);
  ++counters_.renewals;
  renewing_ = live.generation;
  run(std::move(conversation), &SlotState::renewal_ended, number, now);
}

void SlotState::renewal_ended(std::uint64_t number, Moment started, Result<void> result,
                              Conversation* conversation) {
  const Moment now = timers_.now();
  if (number == current_) renew_first_until_.reset();
  if (!result) ++counters_.renewal_failures;
  Live* live = find(number);
  if (live && !result) return renewal_failed(*live, result.error(), now);
  if (!result) return;
  const Lease renewed = static_cast<secrets::RenewConversation*>(conversation)->take();
  const Duration duration = clamp_lifetime(renewed.duration);
  if (!live) {
    Lease lease = *renewing_->credential->lease;
    lease.duration = duration;
    return renewed_too_late(std::move(lease), plus(now, duration));
  }
  const Moment expires = end_after_renewal(*live, started, duration, now);
  live->lease->duration = duration;
  live->lease->renewable = renewed.renewable;
  live->expires = expires;
  live->latest_end = plus(now, duration);
  live->renewal_failures = 0;
  if (live->ending_told) return;
  if (has_shrunk(live->granted, duration) || !renewed.renewable) {
    live->lifetime = duration;
    // The manager says only now that this is the end; the next ones are replaced in time.
    whole_life_ = left_until(expires, live->fetched_at);
    // Asked early, it said so early.
    const Moment in_time = in_time_of(*live);
    const bool early = live->granted <= cautious_max && left_until(in_time, now) > Duration::zero();
    return make_final(*live, early ? in_time : now);
  }
  schedule(*live, std::nullopt, now);
}

/// It was granted between the request and the reply. A renewal does not shorten a lease as a rule: where its end of
/// before lies between the earliest and the latest that can be meant, it stays, and with it what sessions have been told.
Moment SlotState::end_after_renewal(const Live& live, Moment started, Duration duration, Moment now) {
  const Moment earliest = plus(started, duration), latest = plus(now, duration);
  const auto before = left_until(*live.expires, now);
  if (before <= left_until(earliest, now)) return earliest;
  if (before <= left_until(latest, now)) return *live.expires;
  // Managers count in whole seconds. More than that is a lease that was shortened.
  return before <= left_until(latest, now) + 1s ? latest : earliest;
}

/// Its last holder left, or its old end came, while the renewal ran: the lease lives longer than we thought.
void SlotState::renewed_too_late(Lease lease, Moment dies) {
  for (auto& [key, ending] : endings_) {
    if (ending.lease.id != lease.id) continue;
    ending.dies = dies;
    return;
  }
  Ending ending;
  ending.user = renewing_->credential->user;
  ending.journalled = static_cast<bool>(journal_.record(lease, dies.wall));
  ending.lease = std::move(lease);
  ending.dies = dies;
  add_ending(std::move(ending));
}

void SlotState::renewal_failed(Live& live, const Error& error, Moment now) {
  const std::string text =
      "the lease of user " + live.generation->credential->user + " could not be renewed: " + describe(error);
  if (error.code == ErrorCode::not_found) {
    warn(text + "; it has been ended by somebody else, so its sessions end now");
    live.expires = live.latest_end = now;
    live.doubt = {};
    return;
  }
  if (is_final(error.code)) {
    warn_once("leases cannot be renewed, each is replaced instead: " + describe(error));
    return make_final(live, now);
  }
  if (++live.renewal_failures == 1) warn(text + "; trying again while it lasts");
  const Duration base = std::clamp(live.granted / 10, interval_min, renewal_backoff_base);
  live.renew_at = plus(now, backoff_delay(live.renewal_failures, base, renewal_backoff_max, random()));
}

void SlotState::start_keep_alive(Moment now) {
  keep_alive_not_before_ = now.mono + refetch_min;
  auto conversation = session_->keep_alive();
  if (!conversation) return;
  ++counters_.keep_alives;
  run(std::move(conversation), &SlotState::keep_alive_ended, 0, now);
}

void SlotState::keep_alive_ended(std::uint64_t, Moment, Result<void> result, Conversation*) {
  const Moment now = timers_.now();
  if (result) {
    keep_alive_failures_ = 0;
    return;
  }
  ++counters_.keep_alive_failures;
  if (++keep_alive_failures_ == 1) warn("our own token could not be renewed: " + describe(result.error()));
  keep_alive_not_before_ =
      now.mono + backoff_delay(keep_alive_failures_, renewal_backoff_base, renewal_backoff_max, random());
}

void SlotState::check_now() {
  const Moment now = timers_.now();
  mark_overdue(now);
  pump();
}

bool SlotState::renews_first() {
  const Moment now = timers_.now();
  note_time(now);
  return renews_first(now);
}

std::optional<WallTime> SlotState::expiry_of(std::uint64_t number) const {
  const auto found = live_.find(number);
  if (found == live_.end() || !found->second.expires) return std::nullopt;
  return found->second.expires->wall;
}

}  // namespace sallyport::credentials
