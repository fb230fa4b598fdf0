// When to renew, when to replace, how long to back off: arithmetic only, so that it can be tested alone.
//
// The renewal rule is that of Vault's lifetime watcher: a random grace of 10 to 20 % of the lease, renewal
// after two thirds of what remains and a third of the grace, replacement once only the grace remains. Every
// time has jitter, so that a fleet that started together does not renew together. Leases of a minute or less are
// renewed sooner (slot_lease.cpp).
#pragma once

#include "base/clock.h"

#include <chrono>
#include <cstdint>

namespace sallyport::credentials {

using namespace std::chrono_literals;

/// No lease, expiry or interval that a source names counts for more: keeps the arithmetic far from overflow.
inline constexpr Duration lifetime_max = std::chrono::hours{24 * 366 * 10};

/// Fetches are this far apart, whatever a source's lifetimes are.
inline constexpr Duration fetch_spacing_min = 250ms;

/// After a failed fetch: doubled each time. A person who mends a policy waits at most the cap. While a client waits for
/// a source that does not answer, it is asked sooner than that: about as often as clients give up.
inline constexpr Duration fetch_backoff_base = 500ms;
inline constexpr Duration fetch_backoff_max = 60s;
inline constexpr Duration awaited_backoff_max = 10s;

/// After a failed renewal or keep-alive (Vault's own figures); short leases start with a tenth of theirs.
inline constexpr Duration renewal_backoff_base = 10s;
inline constexpr Duration renewal_backoff_max = 5min;

/// A revocation lets what must be in time go first, for so long.
inline constexpr Duration revocation_hold_max = 10s;

/// A renewal that the clock has jumped over comes before anybody is served, for so long: its manager may not answer,
/// and the lease lasts as far as we know. Shorter than clients wait.
inline constexpr Duration renew_first_max = 3s;

/// After the database refused what the source had just given.
inline constexpr Duration login_backoff_base = 5s;
inline constexpr Duration login_backoff_max = 5min;

/// How long before its lease ends a generation's sessions are told, at most.
inline constexpr Duration ending_notice_max = 10min;

/// The same duration, within [0, lifetime_max].
Duration clamp_lifetime(Duration duration);

/// 10 to 20 % of the lease, by `random`.
Duration grace_of(Duration lease, std::uint64_t random);

/// From now until the lease should be renewed.
Duration renewal_delay(Duration remaining, Duration grace);

/// From now until what cannot be renewed should be replaced: 85 %.
Duration replacement_delay(Duration remaining);

/// How long before the end of a life that renewals cannot prolong the next credential is fetched: 15 % of it, and
/// half a minute where it has that.
Duration replacement_lead(Duration whole_life);

/// True when a renewal gave noticeably less than the first grant: the maximum is near.
bool has_shrunk(Duration granted, Duration renewed);

/// A credential is not given out when less than this is left: the login has to happen, too.
Duration use_margin(Duration lifetime);

/// Likewise of a token, which is looked at once, at the end of a login that may be slow.
Duration token_margin(Duration lifetime);

/// Base doubled `failures - 1` times, at most `cap`, with ± 1/8 of jitter. `failures` counts from 1.
Duration backoff_delay(unsigned failures, Duration base, Duration cap, std::uint64_t random);

Moment plus(Moment moment, Duration duration);

/// What is left until `moment`, on the clock on which it comes first: after a suspension the wall clock's,
/// after the wall clock was set back the monotonic one's. Negative: passed.
Duration left_until(Moment moment, Moment now);

}  // namespace sallyport::credentials
