// So many at once, and so many more as time passes.
#pragma once

#include "base/clock.h"

#include <algorithm>
#include <chrono>

namespace sallyport::broker {

/// Full at first. What it holds is said at each call, as a reload may change it. Pure: the caller hands in the time.
class TokenBucket {
 public:
  /// False: there is none left. `most`: that it holds.
  bool take(double most, double per_second, MonotonicTime now) {
    if (tokens_ < 0) tokens_ = most;
    const auto passed = std::chrono::duration<double>(now - filled_at_).count();
    tokens_ = std::min(most, tokens_ + std::max(passed, 0.0) * per_second);
    filled_at_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double tokens_ = -1;  // before the first call
  MonotonicTime filled_at_{};
};

}  // namespace sallyport::broker
