// What a session keeps of the chain's answer. Keys from variables and files are read at each use, which costs nothing and
// sees a file that was replaced; all others are kept until they are due.
#include "secrets/aws/chain.h"

#include <algorithm>

namespace sallyport::secrets::aws {

namespace {

/// After a failed refresh in the advisory window; half of it more by chance.
constexpr auto pause_min = std::chrono::seconds{60};

Duration share(Duration most, const Inquiry& ask, std::size_t at) {
  return most * (ask.random()[at] * 256U + ask.random()[at + 1]) / 65'536;
}

WallTime later(WallTime time, Duration duration) {
  return time + std::chrono::duration_cast<WallTime::duration>(duration);
}

}  // namespace

bool KeyCache::valid(Moment now) const {
  return kept_ && keys_ && (!keys_->expires || *keys_->expires > later(now.wall, skew_));
}

bool KeyCache::due(Moment now) const {
  if (!valid(now)) return true;
  if (!keys_->expires) return false;
  const auto theirs = later(now.wall, skew_);
  return theirs >= mandatory_at_ || (theirs >= advisory_at_ && now.wall >= pause_until_);
}

void KeyCache::keep(Keys keys, bool local, const Inquiry& ask) {
  keys_ = std::move(keys);
  kept_ = !local;
  pause_until_ = {};
  if (!keys_->expires) return;
  const Duration life = std::max<Duration>(*keys_->expires - later(ask.now().wall, skew_), Duration::zero());
  const auto advisory = std::min<Duration>(advisory_window, life / 3);
  const auto mandatory = std::min<Duration>(mandatory_window, life / 5);
  advisory_at_ = later(*keys_->expires, -(advisory + share((advisory - mandatory) / 4, ask, 56)));
  mandatory_at_ = later(*keys_->expires, -(mandatory + share((advisory - mandatory) / 4, ask, 58)));
}

Result<Then> KeyCache::refresh(Inquiry& ask, const Choice& choice) {
  const auto start = ask.now();
  const bool usable = valid(start);
  const bool is_due = due(start);
  auto settings = read_settings(ask, choice);
  if (settings && !is_due) {
    settings_ = std::move(*settings);
    return Then::next_step;
  }
  Search search;
  search.skew = skew_;
  auto found = settings ? find_keys(ask, *settings, search) : Result<Keys>{settings.error()};
  if (!found && !usable) return std::move(found).error();
  // No more questions: from here on the session is written.
  if (settings) settings_ = std::move(*settings);
  if (!found) {
    pause_until_ = later(ask.now().wall, pause_min + share(pause_min / 2, ask, 54));
    return Then::next_step;
  }
  skew_ = search.skew;
  keep(std::move(*found), search.local, ask);
  return Then::next_step;
}

void KeyCache::drop() {
  kept_ = false;
  keys_.reset();
}

}  // namespace sallyport::secrets::aws
