#include "secrets/refresh_window.h"

#include "secrets/inquiry.h"

#include <algorithm>

namespace sallyport::secrets {

namespace {

/// A part of `most` by two of the random bytes at the end, which requests use for nothing else.
Duration chance(Duration most, const Inquiry& ask, std::size_t at) {
  return most * (ask.random()[at] * 256U + ask.random()[at + 1]) / 65'536;
}

}  // namespace

void RefreshWindow::begin(const Inquiry& ask, std::optional<WallTime> expires, Duration skew,
                          std::optional<WallTime> hint) {
  kept_ = true;
  pause_until_ = {};
  expires_ = expires;
  if (!expires) return;
  const Duration life = std::max<Duration>(*expires_ - later(ask.now().wall, skew), Duration::zero());
  const auto advisory = std::min<Duration>(rule_.advisory, life / rule_.advisory_part);
  const auto mandatory = std::min<Duration>(rule_.mandatory, life / rule_.mandatory_part);
  const auto spread = (advisory - mandatory) / 4;
  advisory_at_ = later(*expires_, -(advisory + chance(spread, ask, 56)));
  mandatory_at_ = later(
      *expires_, -(mandatory + (mandatory > Duration::zero() ? chance(spread, ask, 58) : Duration::zero())));
  if (hint) advisory_at_ = std::min(advisory_at_, *hint);
}

void RefreshWindow::failed(const Inquiry& ask) {
  pause_until_ = later(ask.now().wall, rule_.pause + chance(rule_.pause / 2, ask, 54));
}

bool RefreshWindow::valid(WallTime now, Duration skew) const {
  return kept_ && (!expires_ || *expires_ > later(later(now, skew), rule_.margin));
}

bool RefreshWindow::due(WallTime now, Duration skew) const {
  if (!valid(now, skew)) return true;
  if (!expires_) return false;
  const auto theirs = later(now, skew);
  return theirs >= mandatory_at_ || (theirs >= advisory_at_ && now >= pause_until_);
}

}  // namespace sallyport::secrets
