// What happens when the database accepts or refuses what the source gave: one fresh fetch, then back-off.
#include "credentials/slot_state.h"

#include <string>
#include <utility>

namespace sallyport::credentials {

namespace {

/// A credential that has been in use this long counts as accepted, even if nobody said so.
constexpr Duration probation_max = 10min;

}  // namespace

void SlotState::report_login_succeeded(std::uint64_t number) {
  accepted_ever_ = true;
  if (number != current_ || refusals_ == 0) return;
  Live* live = find(number);
  if (!live) return;
  if (live->refused) {
    // A password that was refused may have been changed since this login began. Anything else that was said was about
    // another database, or is not true any more.
    if (refusal_sqlstate_ == "28P01") return;
    live->refused = false;
    prefetch_ = false;
    pending_.reset();
    blocked_until_ = {};
  }
  refusals_ = 0;
  probation_ = false;
  trial_until_.reset();
  pump();
}

void SlotState::report_login_failed(std::uint64_t number, std::string_view sqlstate, std::string_view said) {
  if (number != current_) return;  // another caller was first, and the next one is here or on its way
  Live* live = find(number);
  if (!live || live->refused) return;
  if (!refuses_credential(sqlstate)) {
    trial_until_.reset();
    return pump();
  }
  const Moment now = timers_.now();
  ++counters_.logins_refused;
  if (probation_ && now.mono - probation_since_ > probation_max) refusals_ = 0;
  live->refused = true;
  refused_at_ = now.mono;
  probation_ = false;
  trial_until_.reset();
  refusal_sqlstate_ = std::string(sqlstate);
  refusal_said_ = std::string(said);
  session_->on_refused();
  if (refusals_ == 0) {
    refusals_ = 1;
    pending_tried_ = false;
    prefetch_ = true;
  } else {
    newest_word_refused(now);
  }
  pump();
}

/// A rotation may be under way: between its change in the database and its end only the pending version works.
void SlotState::newest_word_refused(Moment now) {
  if (!std::exchange(pending_tried_, true)) pending_ = session_->fetch_pending();
  if (!pending_) login_refused_again(now);
}

void SlotState::start_pending(Moment now) {
  ++counters_.fetches;
  fetching_ = true;
  run(std::exchange(pending_, nullptr), &SlotState::pending_ended, 0, now);
}

void SlotState::pending_ended(std::uint64_t, Moment started, Result<void> result,
                              Conversation* conversation) {
  fetching_ = false;
  const Moment now = timers_.now();
  const Live* live = find(current_);
  if (!live || !live->refused || shutting_down_) return;
  if (!result) return login_refused_again(now);
  auto fetched = static_cast<secrets::FetchConversation*>(conversation)->take();
  if (fetched.credential.secret.equals(live->generation->credential->secret)) return login_refused_again(now);
  warn(
      "the database refuses the current version of the secret; its pending one is tried, as a rotation is "
      "under way");
  accept(std::move(fetched), started, now);
}

/// The source's newest word is refused as well: nothing that we can fetch will cure it for now.
void SlotState::login_refused_again(Moment now) {
  ++refusals_;
  prefetch_ = false;
  blocked_until_ = now.mono + backoff_delay(refusals_ - 1, login_backoff_base, login_backoff_max, random());
  const Error error = refused_error(now);
  if (refusal_sqlstate_ == "28P01" || accepted_ever_) {
    post([this, event = SecurityEvent{SecurityEvent::Kind::credential_changed_outside, current_,
                                      describe(error)}] { observer_.on_security_event(event); });
  }
  answer_all(error);
}

// The count of refusals stays: if it does not work, the back-off goes on growing.
void SlotState::try_again() {
  const Moment now = timers_.now();
  blocked_until_ = {};
  fetch_not_before_ = std::min(fetch_not_before_, now.mono);
  prefetch();
}

void SlotState::report_role_changed(std::uint64_t number, std::string text) {
  post([this, event = SecurityEvent{SecurityEvent::Kind::role_changed_outside, number, std::move(text)}] {
    observer_.on_security_event(event);
  });
  pump();
}

}  // namespace sallyport::credentials
