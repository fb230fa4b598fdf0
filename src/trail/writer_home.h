// A writer's own directory below the trail's, and the lock that makes it its own.
//
// A process takes the first directory whose lock is free and makes a new one only when there is none:
// so a thousand runs of `exec`, one after another, share one directory, and twenty at once have twenty.
// The lock is flock(2) on the directory itself; it cannot be deleted apart from what it guards, and it
// ends with the process however that ends.
#pragma once

#include "trail/files.h"
#include "trail/finding.h"
#include "trail/segment.h"

#include <string>
#include <vector>

namespace sallyport::trail {

/// "w-20261125T100923-1a2b3c4d": when it was made, and four random bytes.
bool is_writer_name(std::string_view name);

struct WriterHome {
  std::string name;
  std::string path;
  FileDescriptor directory;  ///< locked
  std::string trail_directory;
};

/// Locks a free directory of this trail, or makes one. `fresh` only makes one.
///
/// Errors  bad_config: the trail's directory is not ours, or others may write to it.
///         retry_later: it cannot be made, listed or locked.
Result<WriterHome> claim_home(const std::string& trail_directory, bool fresh);

/// Where a home's log ends.
struct HomeEnd {
  std::uint64_t segment = 0;  ///< the last one; 0: there is none
  std::uint64_t length = 0;   ///< of it, after the torn tail was cut
  std::uint64_t next_sequence = 1;
  bool can_append = false;  ///< its header is ours and its end is whole
  std::vector<Finding> findings;
};

/// Finds the end of the log and cuts a torn tail (a last line without its end). Damage that is no torn
/// tail is left as evidence, and the next segment begins behind it.
Result<HomeEnd> find_end(const WriterHome& home);

}  // namespace sallyport::trail
