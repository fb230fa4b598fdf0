// Whether secrets could be locked in memory: looked at on a timer and at the end of a run, told once on the log.
// What is not locked may be written to swap, and outlive us there (threat 13).
#pragma once

#include "base/log.h"
#include "net/loop.h"

namespace sallyport::cli {

class MemoryWatch {
 public:
  static constexpr auto interval = std::chrono::seconds{10};

  /// All calls and the timer are the loop's.
  MemoryWatch(net::Loop& loop, Logger& logger) : loop_(loop), logger_(logger) {}

  /// Looks now, and again every `interval` until there is something to tell.
  void start();

  /// Looks now.
  void look();

 private:
  net::Loop& loop_;
  Logger& logger_;
  bool told_ = false;
};

}  // namespace sallyport::cli
