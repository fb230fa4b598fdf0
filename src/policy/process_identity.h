// What of a process, beside its user, may be asked for: the program that it runs, its control group, its unit.
//
// A program's path proves nothing: mounts make any path lead anywhere. What it is, is the file that the kernel runs:
// device and inode, and since when that has been unchanged.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::policy {

struct ExecutableId {
  std::uint64_t device = 0, inode = 0, bytes = 0;
  std::int64_t changed_ns = 0;  ///< ctime: nobody but root can set it back
  bool operator==(const ExecutableId&) const = default;
};

/// The control group out of /proc/PID/cgroup: of the unified hierarchy, else of systemd's own. Empty: neither, or one
/// outside what we can see ("/../…").
std::string parse_cgroup(std::string_view content);

/// The system's unit of a control group: "app.service" of "/system.slice/app.service", "user@1000.service" of
/// "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", because what is below that the user may name as
/// it likes. Empty: none.
std::string unit_of(std::string_view cgroup);

/// `cgroup` is `wanted`, or below it.
bool is_in_cgroup(std::string_view cgroup, std::string_view wanted);

/// "app.service", "app@1.service", "session-3.scope".
bool is_unit_name(std::string_view text);

}  // namespace sallyport::policy
