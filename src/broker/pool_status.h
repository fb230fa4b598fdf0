// What a pool has at one moment, for whoever shows it.
#pragma once

#include "base/histogram.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::broker {

struct PoolStatus {
  std::size_t in_use = 0, ready = 0, resetting = 0, connecting = 0, waiting = 0;
  std::size_t moving = 0;  ///< of those in use: held by sessions that still have their old one
  std::uint64_t logins = 0, login_failures = 0, resets_failed = 0;
  /// Who waited in vain: until the deadline, because the queue was full, because its login failed.
  std::uint64_t waits_timed_out = 0, waits_refused = 0, waits_failed = 0;
  Histogram wait;         ///< of those who got a connection
  Histogram transaction;  ///< from the first request sent to the server until it is idle again
  bool held = false;      ///< hold_newcomers()
};

}  // namespace sallyport::broker
