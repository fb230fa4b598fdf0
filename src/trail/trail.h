// The append-only log that events go to (docs/audit.md).
//
// add() encodes into a buffer; commit() appends all that was added with one pwrite(2). A record counts
// as accepted when commit() has returned without error: it then survives kill -9. One writer per
// directory (flock); readers merge directories.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "trail/event.h"
#include "trail/finding.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::trail {

/// What sessions see of the trail; the simulator has one in memory.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Limit  limits::trail_commit_bytes_max of encoded records for one commit(), which fails above it.
  virtual void add(const Event& event) = 0;
  /// Errors  retry_later (hop trail): disk full, directory gone; the records added since the last
  ///         good commit are dropped, except that the caller may add them again.
  virtual Result<void> commit() = 0;

  /// Looks once more whether somebody else unlinked, shortened or rewrote what this sink wrote
  /// (threat 9), and hands out what was found since the last call. For a timer and for the end of
  /// a run: a few stat(2) calls, never on the way of a session.
  virtual std::vector<Finding> take_findings() { return {}; }
};

struct Settings {
  std::string directory;           ///< the trail's; this writer makes a directory of its own below it
  bool fsync_each_commit = false;  ///< audit.durability: power
  std::size_t segment_bytes_max = 64U << 20;

  /// Room kept for admitted sessions: with less than this (or an eighth of the file system, if that is
  /// less) free, denials are dropped and counted, everything else is still written (threat 17).
  std::size_t reserve_bytes = 8U << 20;

  /// Gets each record once it is accepted, as trail/journal_entry.h encodes it. Not called for records that
  /// were dropped. Must not block.
  std::function<void(std::string_view entry)> copy;
};

/// Opens a writer: makes its directory (0700), locks it, cuts a torn tail.
/// Errors  bad_config / retry_later (hop trail), naming the path and what to do.
Result<std::unique_ptr<Sink>> open_writer(const Settings& settings);

}  // namespace sallyport::trail
