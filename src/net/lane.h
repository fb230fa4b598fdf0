// A few threads for calls that block: name look-ups, HTTP, the store, the helper.
//
// A call cannot be stopped from outside, so a lane never waits for one: a full lane says so at once, a
// call that is overdue gets a spare thread to make up for it, and at the end what still runs is left
// behind with the state it shares.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sallyport::net {

struct LaneCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< submit() said no
  std::uint64_t finished = 0;
  std::uint64_t overdue = 0;  ///< calls that outlived their `overdue_after`, seen so far
  std::size_t queued = 0;
  std::size_t running = 0;
  std::size_t threads = 0;
};

class Lane {
 public:
  /// `threads` are started when first needed, with all signals blocked; at most as many spares again.
  /// `queue_max` counts calls that wait, not those that run.
  Lane(std::string name, unsigned threads, std::size_t queue_max);

  /// Drops what waits, gives what runs `stop_wait_max`, then leaves it behind (detached). So a call may
  /// outlive the lane and its owner: capture shared state, never references to the owner.
  ~Lane();

  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// False when the queue is full: fail fast, do not wait. Never blocks. Calls must not throw (one that does
  /// counts as finished). `overdue_after` is when a spare thread may take over the lane's other work.
  bool submit(std::function<void()> call, Duration overdue_after = std::chrono::seconds{30});

  [[nodiscard]] LaneCounters counters() const;

  static constexpr auto stop_wait_max = std::chrono::seconds{2};

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace sallyport::net
