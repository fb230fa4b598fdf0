// The append-only log that events go to (DESIGN §5 "Trail").
//
// add() encodes into a buffer; commit() writes all that was added with one writev(2). A record counts
// as accepted when commit() has returned without error: it then survives kill -9. One writer per
// directory (flock); readers merge directories.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "trail/event.h"

#include <memory>
#include <string>
#include <vector>

namespace sallyport::trail {

/// What sessions see of the trail; the simulator has one in memory.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void add(const Event& event) = 0;
  /// Errors  retry_later (hop trail): disk full, directory gone; the records added since the last
  ///         good commit are dropped, except that the caller may add them again.
  virtual Result<void> commit() = 0;
};

struct Settings {
  std::string directory;                    ///< the trail's; this writer makes a directory of its own below it
  bool fsync_each_commit = false;           ///< audit.durability: power
  std::size_t segment_bytes_max = 64U << 20;
};

/// Opens a writer: makes its directory (0700), locks it, cuts a torn tail.
/// Errors  bad_config / retry_later (hop trail), naming the path and what to do.
Result<std::unique_ptr<Sink>> open_writer(const Settings& settings);

}  // namespace sallyport::trail
