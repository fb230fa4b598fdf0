// Landlock: the calling thread, and those that it starts, give up every file but the ones named here, for good.
//
// Rules name directories, not files: a certificate that is replaced by renaming another over it is found. A rule holds
// for the directory that is there when it is made, and for all below it; looking (stat, readlink) and passing through
// are not restricted, nor are sockets that exist. The kernel says which version it has; each adds rights that can be
// given up. What it cannot give up is named, so that an operator sees it.
//
// Whoever is confined may not look into processes that are not (ptrace's rights): which executable a peer runs is
// asked of a process outside (net/scout.h).
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::net {

/// What may be done with a file, or below a directory.
enum class FileUse {
  read,        ///< files read, directories listed
  read_write,  ///< a device: read and written
  sockets,     ///< sockets, their lock files and directories for them made; all but directories removed
  keep,        ///< files and directories made, written, renamed within theirs, removed
};

struct FileRule {
  std::string path;
  FileUse use = FileUse::read;
  bool operator==(const FileRule&) const = default;
};

/// Version of the kernel's interface; 0: it has none, or this process may not use it.
int landlock_version();

/// What Landlock of this version cannot withhold, one word each: `landlock`, `landlock_truncate`, `landlock_ioctl`,
/// `landlock_scopes`.
std::vector<std::string> lacking_in_landlock(int version);

struct LandlockScopes {
  bool signals = false;           ///< to processes outside
  bool abstract_sockets = false;  ///< of processes outside
};

/// Which of these the version can give up.
LandlockScopes scopes_of_landlock(int version);

/// For this thread and its children, for ever. A rule whose path is not there is left out.
/// Contract: the thread's no_new_privs is set.
///
/// Errors  internal: the kernel's word. Nothing is given up then.
Result<void> enter_landlock(int version, const std::vector<FileRule>& rules, LandlockScopes scopes);

}  // namespace sallyport::net
