// The one fetch that all callers share, and what becomes of what it brought.
#include "credentials/slot_state.h"

#include <algorithm>
#include <utility>

namespace sallyport::credentials {

namespace {

bool same_secret(const Credential& a, const Credential& b) {
  return !a.lease && !b.lease && a.user == b.user && a.kind == b.kind &&
         a.certificate_pem == b.certificate_pem && a.secret.equals(b.secret);
}

/// When it ends, on both clocks. A lease counts from before the request: the reply may have been slow.
std::optional<Moment> end_of(const Credential& credential, Moment started, Moment now) {
  std::optional<Moment> end;
  if (credential.lease && credential.lease->duration > Duration::zero()) {
    end = plus(started, clamp_lifetime(credential.lease->duration));
  }
  if (credential.expires) {
    const WallTime latest = now.wall + std::chrono::duration_cast<WallTime::duration>(lifetime_max);
    const Moment named = plus(now, std::min(*credential.expires, latest) - now.wall);
    if (!end || named.wall < end->wall) end = named;
  }
  if (!end && credential.lease) end = now;  // a lease of no time at all
  return end;
}

}  // namespace

void SlotState::start_fetch(Moment now) {
  ++counters_.fetches;
  fetch_not_before_ = now.mono + fetch_spacing_min;
  fetching_ = true;
  run(session_->fetch(), &SlotState::fetch_ended, 0, now);
}

void SlotState::fetch_ended(std::uint64_t, Moment started, Result<void> result, Conversation* conversation) {
  fetching_ = false;
  report_source_events();
  const Moment now = timers_.now();
  if (!result) return fetch_failed(result.error(), now);
  counters_.fetch_duration.add(now.mono - started.mono);
  accept(static_cast<secrets::FetchConversation*>(conversation)->take(), started, now);
}

void SlotState::report_source_events() {
  for (auto& seen : session_->take_events()) {
    post([this, event = SecurityEvent{SecurityEvent::Kind::unwrap_failed, 0, about(seen.text)}] {
      observer_.on_security_event(event);
    });
  }
}

void SlotState::fetch_failed(Error error, Moment now) {
  ++counters_.fetch_failures;
  ++fetch_failures_;
  const bool transient = is_transient(error.code);
  awaited_not_before_ = now.mono + backoff_delay(1, awaited_backoff_max, awaited_backoff_max, random());
  fetch_not_before_ =
      now.mono + backoff_delay(fetch_failures_, fetch_backoff_base, fetch_backoff_max, random());
  if (transient && waiting_ > 0) fetch_sooner();
  const bool serving = usable(now) != nullptr;
  if (!transient && !serving) prefetch_ = false;  // only a person can cure it: the next caller asks again
  const auto answered_now = [&](const Waiter& waiter) {
    return !serving && !waiter.answer && (!transient || waiter.deadline <= fetch_not_before_);
  };
  const bool told = !waiters_.empty() && std::all_of(waiters_.begin(), waiters_.end(), [&](const auto& each) {
    return each.second.told == Slot::ErrorsTold::by_caller && answered_now(each.second);
  });
  const std::string text = describe(error);
  if (text != last_failure_text_ && !told) {
    warn((serving ? "the credential could not be refreshed, the current one stays in use: "
                  : "the credential could not be fetched: ") +
         text);
    last_failure_text_ = text;
  }
  for (auto& [id, waiter] : waiters_) {
    if (answered_now(waiter)) answer(id, waiter, error);
  }
  last_error_ = std::move(error);
}

/// Somebody waits for it.
void SlotState::fetch_sooner() { fetch_not_before_ = std::min(fetch_not_before_, awaited_not_before_); }

void SlotState::accept(secrets::Fetched fetched, Moment started, Moment now) {
  const std::optional<Moment> expires = end_of(fetched.credential, started, now);
  if (shutting_down_) return discard(fetched.credential, now);
  if (auto error = check_fetched(fetched, expires, now)) {
    discard(fetched.credential, now);
    return fetch_failed(std::move(*error), now);
  }
  if (const auto& lease = fetched.credential.lease) {
    if (auto written = journal_.record(*lease, expires->wall); !written) {
      const std::string text =
          "the lease of a new credential could not be journalled: " + describe(written.error());
      if (!options_.journal_best_effort) {
        discard(fetched.credential, now);
        Error error = written.error();
        error.what = text + "; the credential is not used";
        return fetch_failed(std::move(error), now);
      }
      warn_once(text + "; it is used all the same, and outlives us if we are killed");
    }
  }
  fetch_failures_ = 0;
  last_error_.reset();
  last_failure_text_.clear();
  prefetch_ = false;
  endpoint_ = fetched.endpoint;
  for (const std::string& text : session_->warnings()) warn_once(text);
  const Live* live = find(current_);
  if (live && same_secret(*live->generation->credential, fetched.credential)) {
    return accept_same(fetched, expires, started, now);
  }
  install(std::move(fetched), expires, started, now);
}

std::optional<Error> SlotState::check_fetched(const secrets::Fetched& fetched,
                                              const std::optional<Moment>& expires, Moment now) {
  if (endpoint_ && !(*endpoint_ == fetched.endpoint)) {
    const std::string text = "the refetched secret names another endpoint than the first one";
    post([this, event = SecurityEvent{
                    SecurityEvent::Kind::endpoint_changed, 0,
                    about(text + "; the old credential stays in use. If the database has moved, "
                                 "change the target and restart.")}] { observer_.on_security_event(event); });
    return Error{ErrorCode::denied,
                 Hop::secret_source,
                 options_.name,
                 text,
                 "A secret may not redirect a target: set host and port in the configuration, or restart.",
                 ""};
  }
  if (expires && left_until(*expires, now) <= Duration::zero()) {
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 options_.name,
                 "the source gave a credential that has expired already",
                 "Compare the clocks of both machines.",
                 ""};
  }
  return std::nullopt;
}

/// The source still gives what we have. If the database has refused it, asking the database again at once
/// would be refused again: it gets one try per back-off.
void SlotState::accept_same(const secrets::Fetched& fetched, const std::optional<Moment>& expires,
                            Moment started, Moment now) {
  Live& live = *find(current_);
  live.expires = expires;
  schedule(live, fetched.refetch_after, now);
  if (!live.refused) return;
  if (started.mono < refused_at_) {
    prefetch_ = true;  // asked before the refusal: says nothing about what the source gives now
    return;
  }
  if (refusals_ < 2) return newest_word_refused(now);
  live.refused = false;
  probation_ = true;
  probation_since_ = now.mono;
  trial_until_.reset();
}

void SlotState::install(secrets::Fetched fetched, const std::optional<Moment>& expires, Moment started,
                        Moment now) {
  auto generation = std::make_shared<Generation>();
  generation->number = ++last_number_;
  generation->fetched_at = now.wall;
  generation->endpoint = std::move(fetched.endpoint);
  generation->access = std::move(fetched.access);
  generation->ignored_fields = std::move(fetched.ignored_fields);
  Live live;
  live.lease = fetched.credential.lease;
  live.expires = expires;
  live.granted = live.lease ? clamp_lifetime(live.lease->duration) : Duration::zero();
  live.capped = live.lease && expires && expires->wall + 1s < plus(started, live.granted).wall;
  if (live.lease) live.latest_end = live.capped ? expires : plus(now, live.granted);
  generation->credential = std::make_shared<const Credential>(std::move(fetched.credential));
  live.generation = generation;
  live.fetched_at = now;
  schedule(live, fetched.refetch_after, now);
  const std::uint64_t replaced = std::exchange(current_, generation->number);
  live_.emplace(generation->number, std::move(live));
  ++counters_.generations;
  renew_first_until_.reset();
  probation_ = refusals_ > 0;
  probation_since_ = now.mono;
  trial_until_.reset();
  post([this, generation] { observer_.on_new_generation(generation); });
  end_if_unused(replaced);
}

/// A credential that nobody was given: its lease is ended.
void SlotState::discard(const Credential& credential, Moment now) {
  if (!credential.lease) return;
  Ending ending;
  ending.lease = *credential.lease;
  ending.user = credential.user;
  ending.dies = plus(now, clamp_lifetime(credential.lease->duration));
  add_ending(std::move(ending));
}

}  // namespace sallyport::credentials
