// Time and randomness are values that somebody hands in: the simulator hands in its own.
#pragma once

#include "base/bytes.h"

#include <chrono>
#include <string>

namespace sallyport {

using WallTime = std::chrono::system_clock::time_point;
using MonotonicTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// One moment on both clocks. Expiry is compared on `wall` (a suspended machine must notice it),
/// deadlines on `mono`.
struct Moment {
  WallTime wall;
  MonotonicTime mono;
};

/// `time` moved, earlier if `by` is negative; at the ends of what a clock can say it stops. Others' times may be there.
constexpr WallTime later(WallTime time, Duration by) {
  const auto step = std::chrono::duration_cast<WallTime::duration>(by);
  if (step >= step.zero()) return time > WallTime::max() - step ? WallTime::max() : time + step;
  return time < WallTime::min() - step ? WallTime::min() : time + step;
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Moment now() const = 0;
};

/// The operating system's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Moment now() const override;
};

class Randomness {
 public:
  virtual ~Randomness() = default;
  /// Fills all of `out` with bytes fit for keys and nonces.
  virtual void fill(MutableBytes out) = 0;

  std::uint64_t number() {
    std::uint64_t drawn = 0;
    fill({reinterpret_cast<std::uint8_t*>(&drawn), sizeof drawn});
    return drawn;
  }
};

/// getrandom(2).
class SystemRandomness final : public Randomness {
 public:
  void fill(MutableBytes out) override;
};

/// "2026-11-25T10:09:23.123456Z", UTC, microseconds.
std::string format_utc(WallTime time);

/// "90 s", "5 min", "3 h", "2 days": rounded for people.
std::string format_duration(Duration duration);

}  // namespace sallyport
