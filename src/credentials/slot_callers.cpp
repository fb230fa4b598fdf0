// Who asks for the credential: answered at once, told why not, or kept waiting until their deadline.
#include "base/limits.h"
#include "credentials/slot_state.h"

#include <utility>

namespace sallyport::credentials {

namespace {

/// How long one caller may try a credential that follows a refused one before the next may try it, too.
constexpr Duration trial_max = limits::upstream_login_deadline;

}  // namespace

SlotState::Live* SlotState::find(std::uint64_t number) {
  const auto found = live_.find(number);
  return found == live_.end() ? nullptr : &found->second;
}

const SlotState::Live* SlotState::usable(Moment now) const {
  const auto found = live_.find(current_);
  if (found == live_.end() || found->second.refused) return nullptr;
  const Live& live = found->second;
  const Duration margin = live.lease ? use_margin(live.lifetime) : token_margin(live.lifetime);
  if (live.expires && left_until(*live.expires, now) <= margin) return nullptr;
  return &live;
}

bool SlotState::is_blocked() const { return blocked_until_ > timers_.now().mono; }

GenerationPtr SlotState::current() const {
  if (shutting_down_) return nullptr;
  const Live* live = usable(timers_.now());
  return live ? live->generation : nullptr;
}

Slot::WaiterId SlotState::get(MonotonicTime deadline, Slot::GetCallback callback, Slot::ErrorsTold told) {
  const Moment now = timers_.now();
  note_time(now);
  if (shutting_down_) {
    callback(Error{ErrorCode::cancelled, Hop::secret_source, options_.name, "the broker is shutting down", "",
                   ""});
    return 0;
  }
  const Live* live = usable(now);
  if (live && !renews_first(now) && (!probation_ || !trial_until_)) {
    if (probation_) trial_until_ = now.mono + trial_max;
    const GenerationPtr generation = live->generation;
    callback(generation);  // may destroy us: nothing of ours is touched behind it
    return 0;
  }
  if (!live && !fetching_ && last_error_ && is_transient(last_error_->code)) fetch_sooner();
  std::optional<Error> refusal = live ? std::nullopt : held_back(now, deadline);
  if (!refusal && waiting_ >= slot_waiters_max) {
    refusal = Error{ErrorCode::limit_exceeded,
                    Hop::secret_source,
                    options_.name,
                    "too many callers wait for the credential",
                    "",
                    ""};
  }
  if (refusal) {
    callback(std::move(*refusal));
    return 0;
  }
  const Slot::WaiterId id = ++last_waiter_;
  waiters_.emplace(id, Waiter{now.mono, deadline, std::move(callback), told, std::nullopt});
  ++waiting_;
  pump();
  return id;
}

void SlotState::cancel(Slot::WaiterId waiter) {
  const auto found = waiters_.find(waiter);
  if (found == waiters_.end()) return;
  const bool answered = found->second.answer.has_value();
  const bool had_trial = answered && *found->second.answer && probation_;
  if (!answered) --waiting_;
  waiters_.erase(found);
  if (had_trial) trial_until_.reset();
  pump();
}

/// Why a caller should not even wait: the back-off is open, and waiting for its end cannot help.
std::optional<Error> SlotState::held_back(Moment now, MonotonicTime deadline) const {
  if (blocked_until_ > now.mono) return refused_error(now);
  if (busy_ || !last_error_ || fetch_not_before_ <= now.mono) return std::nullopt;
  if (is_transient(last_error_->code) && fetch_not_before_ < deadline) return std::nullopt;
  Error error = *last_error_;
  error.what += "; the next attempt is in " + format_duration(fetch_not_before_ - now.mono);
  return error;
}

Error SlotState::refused_error(Moment now) const {
  const auto live = live_.find(current_);
  const auto* credential = live == live_.end() ? nullptr : live->second.generation->credential.get();
  const auto user = credential == nullptr ? std::string{} : credential->user;
  std::string hint =
      "Compare the role in the database with the secret: one of them was changed without the other.";
  if (refusal_sqlstate_ == "28000")
    hint =
        "Look in pg_hba.conf for this user, database and address, whether it wants a client certificate "
        "(sslcert= and sslkey=), and whether the role may log in.";
  if (credential != nullptr && credential->kind == CredentialKind::token) hint = refused_token_hint;
  const auto whom = user.empty() ? std::string{} : "user \"" + user + "\" with ";
  const auto said = refusal_said_.empty() ? std::string{} : ": " + refusal_said_;
  return {ErrorCode::denied,
          Hop::login,
          options_.name,
          "the database refuses " + whom + "the credential that its source has just given" + said +
              "; no other attempt for " + format_duration(blocked_until_ - now.mono),
          std::move(hint),
          refusal_sqlstate_};
}

void SlotState::settle_waiters(Moment now) {
  if (waiting_ == 0 || renews_first(now)) return;
  const Live* live = usable(now);
  if (!live) return;
  for (auto& [id, waiter] : waiters_) {
    if (waiter.answer) continue;
    if (probation_) {
      if (trial_until_) return;
      trial_until_ = now.mono + trial_max;
    }
    answer(id, waiter, live->generation);
  }
}

void SlotState::answer(Slot::WaiterId id, Waiter& waiter, Result<GenerationPtr> result) {
  waiter.answer = std::move(result);
  --waiting_;
  post([this, id] {
    const auto found = waiters_.find(id);
    if (found == waiters_.end()) return;  // cancelled meanwhile
    const Waiter ready = std::move(found->second);
    waiters_.erase(found);
    ready.callback(*ready.answer);
  });
}

void SlotState::answer_all(const Error& error) {
  for (auto& [id, waiter] : waiters_) {
    if (!waiter.answer) answer(id, waiter, error);
  }
}

void SlotState::prefetch() {
  prefetch_ = true;
  pump();
}

}  // namespace sallyport::credentials
