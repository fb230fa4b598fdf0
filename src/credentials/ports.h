// What a slot needs of the world: timers on its own thread, and somebody to run conversations.
//
// net/ implements both over the loop and the driver; tests and the simulator implement them in memory.
// A slot and everything it calls back live on one thread, so neither interface is thread-safe.
#pragma once

#include "base/clock.h"
#include "base/conversation.h"
#include "base/result.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace sallyport::credentials {

/// Names one pending timer; 0 is never given out.
using TimerId = std::uint64_t;

class Timers {
 public:
  virtual ~Timers() = default;

  /// Calls `task` once, after `delay` of monotonic time, on the caller's thread, never from within after().
  virtual TimerId after(Duration delay, std::function<void()> task) = 0;

  /// A timer that has fired, or 0, is ignored.
  virtual void cancel(TimerId timer) = 0;

  [[nodiscard]] virtual Moment now() const = 0;
};

class Runner {
 public:
  virtual ~Runner() = default;

  using DoneCallback = std::function<void(Result<void>, std::unique_ptr<Conversation>)>;

  /// Runs a conversation to its end and calls `done` exactly once, on the caller's thread, never from within
  /// run(). The conversation handed back is the one handed in; it may be null when the result is an error.
  /// Every conversation ends: the driver gives each of its actions a deadline.
  virtual void run(std::unique_ptr<Conversation> conversation, DoneCallback done) = 0;
};

}  // namespace sallyport::credentials
