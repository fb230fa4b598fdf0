// Whether somebody else touched what we write to the trail: looked at on a timer and at the end of a run, told
// on the log and in the trail itself (threat 9). The child of `exec` has our uid and could do it.
#pragma once

#include "base/log.h"
#include "broker/trail_gate.h"
#include "net/loop.h"
#include "trail/trail.h"

namespace sallyport::cli {

class TrailWatch {
 public:
  static constexpr auto interval = std::chrono::seconds{10};

  /// `sink` may be null: there is no trail. All calls and the timer are the loop's.
  TrailWatch(trail::Sink* sink, broker::TrailGate& gate, net::Loop& loop, Logger& logger)
      : sink_(sink), gate_(gate), loop_(loop), logger_(logger) {}

  /// Looks now, and again every `interval`.
  void start();

  /// Looks now.
  void look();

 private:
  void tell(const trail::Finding& finding);

  trail::Sink* sink_;
  broker::TrailGate& gate_;
  net::Loop& loop_;
  Logger& logger_;
};

}  // namespace sallyport::cli
