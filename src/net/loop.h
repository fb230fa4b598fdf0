// The event loop's contract, as sessions, pools and caches see it: time, timers, a mailbox, and work at
// the end of a turn. net/epoll_loop.h is the real one; the simulator has its own.
//
// One loop is one thread. Only post() may be called from another.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <functional>

namespace sallyport::net {

/// 0 is no timer. Cancelling one that has fired is harmless.
struct TimerId {
  MonotonicTime due{};
  std::uint64_t number = 0;
  explicit operator bool() const { return number != 0; }
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const TimerId&) const = default;  // NOLINT(modernize-use-nullptr)
};

class Loop {
 public:
  virtual ~Loop() = default;

  /// The time at which this turn began.
  [[nodiscard]] virtual Moment now() const = 0;

  virtual TimerId after(Duration delay, std::function<void()> action) = 0;
  virtual void cancel(TimerId timer) = 0;

  /// Runs `action` on this loop's thread, in the next turn. Thread-safe.
  virtual void post(std::function<void()> action) = 0;

  /// Runs `action` once, when all events of this turn are handled and before the loop waits again.
  virtual void at_turn_end(std::function<void()> action) = 0;
};

}  // namespace sallyport::net
