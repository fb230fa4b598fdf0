// How leases end: the last holder leaves, an orphan is found, the slot shuts down.
#include "credentials/slot_state.h"

#include <algorithm>
#include <utility>

namespace sallyport::credentials {

namespace {

/// During shutdown a revocation is tried this often, this far apart; else until the lease ends by itself.
constexpr unsigned shutdown_attempts_max = 3;
constexpr Duration shutdown_backoff_base = 250ms;
constexpr Duration shutdown_backoff_max = 2s;

/// An orphan's end is not known, so its revocation is given up after this many failures.
constexpr unsigned orphan_attempts_max = 5;

bool is_retried(ErrorCode code) {
  return code != ErrorCode::bad_config && code != ErrorCode::denied && code != ErrorCode::peer_unsupported;
}

}  // namespace

Hold SlotState::hold(const GenerationPtr& generation) {
  if (!generation) return {};
  Live* live = find(generation->number);
  if (!live || live->generation != generation) return {};
  ++live->holders;
  return {weak_from_this(), generation};
}

void SlotState::release(std::uint64_t number) {
  Live* live = find(number);
  if (detached_ || !live || live->holders == 0) return;
  if (--live->holders > 0 || number == current_) return;
  end_if_unused(number);
  pump();
}

void SlotState::end_if_unused(std::uint64_t number) {
  const auto found = live_.find(number);
  if (found == live_.end() || number == current_ || found->second.holders > 0) return;
  Live& live = found->second;
  if (live.lease) {
    Ending ending;
    ending.generation = live.generation;
    ending.lease = *live.lease;
    ending.user = live.generation->credential->user;
    ending.dies = live.latest_end;
    ending.journalled = true;
    add_ending(std::move(ending));
  } else {
    tell_gone(live.generation);
  }
  live_.erase(found);
}

void SlotState::add_ending(Ending ending) {
  ending.held_until = timers_.now().mono + revocation_hold_max;
  endings_.emplace(++last_ending_, std::move(ending));
}

void SlotState::revoke_orphan(Lease lease, std::function<void(Result<void>)> done) {
  if (shutting_down_) {
    done(Error{ErrorCode::cancelled, Hop::secret_source, options_.name, "the broker is shutting down", "",
               ""});
    return;
  }
  Ending ending;
  ending.lease = std::move(lease);
  ending.done = std::move(done);
  add_ending(std::move(ending));
  pump();
}

void SlotState::start_revocation(std::uint64_t key, Moment now) {
  auto conversation = session_->revoke(endings_.at(key).lease);
  if (!conversation) return revoked(key);
  run(std::move(conversation), &SlotState::revocation_ended, key, now);
}

void SlotState::revocation_ended(std::uint64_t key, Moment, Result<void> result, Conversation*) {
  const auto found = endings_.find(key);
  // What the manager does not know any more has ended, whoever ended it.
  const bool over = result || result.error().code == ErrorCode::not_found;
  if (over)
    ++counters_.revocations;
  else
    ++counters_.revocation_failures;
  if (found == endings_.end()) return;
  if (over) return revoked(key);
  revocation_failed(found->second, result.error(), timers_.now());
  if (found->second.given_up && found->second.done) {
    post([done = std::move(found->second.done), error = result.error()] { done(error); });
    endings_.erase(found);
  }
}

void SlotState::revocation_failed(Ending& ending, const Error& error, Moment now) {
  ++ending.failures;
  ending.reason = describe(error);
  const bool tried_enough = shutting_down_ ? ending.failures >= shutdown_attempts_max
                                           : ending.done && ending.failures >= orphan_attempts_max;
  ending.given_up = !is_retried(error.code) || tried_enough;
  const Duration base = shutting_down_ ? shutdown_backoff_base : renewal_backoff_base;
  const Duration cap = shutting_down_ ? shutdown_backoff_max : renewal_backoff_max;
  ending.not_before = now.mono + backoff_delay(ending.failures, base, cap, random());
  if (shutting_down_ || ending.done) return;  // told by the report, or by `done`
  if (!ending.given_up && ending.failures > 1) return;
  warn("the lease of user " + ending.user + " could not be revoked: " + ending.reason +
       (ending.dies ? "; it ends by itself at " + format_utc(ending.dies->wall) : std::string{}));
}

void SlotState::revoked(std::uint64_t key) {
  const auto found = endings_.find(key);
  Ending& ending = found->second;
  if (ending.journalled) journal_.forget(ending.lease);
  if (ending.generation) tell_gone(ending.generation);
  if (ending.done) post([done = std::move(ending.done)] { done({}); });
  if (shutting_down_) ++report_.revoked;
  endings_.erase(found);
}

void SlotState::shutdown(Duration limit, std::function<void(ShutdownReport)> done) {
  const Moment now = timers_.now();
  const auto deadline = now.mono + clamp_lifetime(limit);
  if (shutting_down_) {
    shutdown_deadline_ = std::min(shutdown_deadline_, deadline);
    return pump();
  }
  shutting_down_ = true;
  shutdown_deadline_ = deadline;
  shutdown_done_ = std::move(done);
  const Error cancelled{
      ErrorCode::cancelled, Hop::secret_source, options_.name, "the broker is shutting down", "", ""};
  answer_all(cancelled);
  current_ = 0;
  probation_ = false;
  renew_first_until_.reset();
  trial_until_.reset();
  std::vector<std::uint64_t> numbers;
  for (auto& [number, live] : live_) {
    live.holders = 0;
    numbers.push_back(number);
  }
  for (const std::uint64_t number : numbers) end_if_unused(number);
  for (auto it = endings_.begin(); it != endings_.end();) {
    it->second.not_before = {};
    it->second.failures = 0;
    if (!it->second.done) {
      ++it;
      continue;
    }
    // An orphan stays in its dead journal: the next start finds it again.
    post([done = std::move(it->second.done), cancelled] { done(cancelled); });
    it = endings_.erase(it);
  }
  pump();
}

/// First our own token, which ends all leases that we were given; then, if there is none of our own or it would
/// not end, they are ended one by one.
void SlotState::add_shutdown_jobs(Moment now, std::vector<Job>& out) const {
  if (!close_tried_) {
    out.push_back({JobKind::close, 0, Duration::zero()});
    return;
  }
  for (const auto& [key, ending] : endings_) {
    if (!ending.given_up) out.push_back({JobKind::revoke, key, ending.not_before - now.mono});
  }
}

void SlotState::start_close(Moment now) {
  close_tried_ = true;
  auto conversation = session_->close();
  if (conversation) run(std::move(conversation), &SlotState::close_ended, 0, now);
}

void SlotState::close_ended(std::uint64_t, Moment, Result<void> result, Conversation*) {
  if (!result) return warn("our own token could not be ended: " + describe(result.error()));
  std::vector<std::uint64_t> ended;
  for (const auto& [key, ending] : endings_) ended.push_back(key);
  counters_.revocations += ended.size();
  for (const std::uint64_t key : ended) revoked(key);
}

void SlotState::finish_shutdown_if_done() {
  if (!shutting_down_ || shutdown_over_) return;
  const Moment now = timers_.now();
  const bool late = shutdown_deadline_ <= now.mono;
  if (late || (!busy_ && jobs(now).empty())) finish_shutdown();
}

void SlotState::finish_shutdown() {
  shutdown_over_ = true;
  for (const auto& [key, ending] : endings_) {
    Unrevoked left;
    left.lease_id = ending.lease.id;
    left.user = ending.user;
    if (ending.dies) left.dies_at = ending.dies->wall;
    left.reason = ending.reason.empty() ? "there was no time left to revoke it" : ending.reason;
    report_.unrevoked.push_back(std::move(left));
  }
  if (fetching_) {
    Unrevoked left;
    left.reason =
        "a credential was still being fetched: if one is made, it ends after the role's default_ttl";
    report_.unrevoked.push_back(std::move(left));
  }
  post([done = std::move(shutdown_done_), report = std::move(report_)] {
    if (done) done(report);
  });
}

SlotStatus SlotState::status() const {
  const Moment now = timers_.now();
  SlotStatus status;
  if (const Live* live = usable(now)) {
    status.current = live->generation->number;
    if (live->expires) status.current_expires = live->expires->wall;
  }
  status.live_generations = live_.size();
  for (const auto& [number, live] : live_) {
    status.holders += live.holders;
    GenerationStatus one{number,
                         number == status.current,
                         live.generation->credential->user,
                         now.wall - live.generation->fetched_at,
                         {},
                         live.holders,
                         live.refused};
    if (live.expires) one.lease_left = live.expires->wall - now.wall;
    status.generations.push_back(std::move(one));
  }
  status.waiters = waiting_;
  status.last_error = blocked_until_ > now.mono ? refused_error(now) : last_error_;
  const Duration held_for =
      std::max(last_error_ ? fetch_not_before_ : MonotonicTime{}, blocked_until_) - now.mono;
  if (held_for > Duration::zero()) status.next_attempt_in = held_for;
  return status;
}

}  // namespace sallyport::credentials
