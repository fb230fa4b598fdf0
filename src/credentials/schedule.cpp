#include "credentials/schedule.h"

#include <algorithm>

namespace sallyport::credentials {

namespace {

/// `share` of `whole`, at random: [0, whole).
Duration random_part(Duration whole, std::uint64_t random) {
  if (whole <= Duration::zero()) return Duration::zero();
  return Duration{static_cast<Duration::rep>(random % static_cast<std::uint64_t>(whole.count()))};
}

}  // namespace

Duration clamp_lifetime(Duration duration) { return std::clamp(duration, Duration::zero(), lifetime_max); }

Duration grace_of(Duration lease, std::uint64_t random) {
  const Duration tenth = clamp_lifetime(lease) / 10;
  return tenth + random_part(tenth, random);
}

Duration renewal_delay(Duration remaining, Duration grace) {
  return clamp_lifetime(remaining) * 2 / 3 + grace / 3;
}

Duration replacement_delay(Duration remaining) { return clamp_lifetime(remaining) / 20 * 17; }

Duration replacement_lead(Duration whole_life) {
  const Duration life = clamp_lifetime(whole_life);
  return std::max(life - replacement_delay(life), std::min<Duration>(life / 2, 30s));
}

bool has_shrunk(Duration granted, Duration renewed) {
  // Managers count in whole seconds: one of them is rounding, unless the lease itself is that short.
  const Duration tolerance = std::min<Duration>(1s, granted / 10);
  return renewed < granted - tolerance;
}

Duration use_margin(Duration lifetime) { return std::min<Duration>(1s, clamp_lifetime(lifetime) / 20); }

Duration token_margin(Duration lifetime) { return std::min<Duration>(15s, clamp_lifetime(lifetime) / 20); }

Duration backoff_delay(unsigned failures, Duration base, Duration cap, std::uint64_t random) {
  Duration delay = base;
  for (unsigned doubled = 1; doubled < failures && delay < cap; ++doubled) delay *= 2;
  delay = std::min(delay, cap);
  return delay - delay / 8 + random_part(delay / 4, random);
}

Moment plus(Moment moment, Duration duration) {
  return {moment.wall + std::chrono::duration_cast<WallTime::duration>(duration), moment.mono + duration};
}

Duration left_until(Moment moment, Moment now) {
  return std::min<Duration>(moment.wall - now.wall, moment.mono - now.mono);
}

}  // namespace sallyport::credentials
