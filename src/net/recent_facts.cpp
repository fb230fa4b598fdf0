#include "net/recent_facts.h"

#include <sys/stat.h>
#include <sys/vfs.h>

namespace sallyport::net {

namespace {

constexpr long pidfs_magic = 0x50494446;  // Linux 6.9; not in this libc's headers

bool is_of_pidfs(const UniqueFd& pidfd) {
  struct statfs system {};
  return fstatfs(pidfd.get(), &system) == 0 && system.f_type == pidfs_magic;
}

}  // namespace

std::optional<std::uint64_t> process_number(const UniqueFd& pidfd) {
  if (!pidfd.valid()) return {};
  // All pidfds of a kernel are of one kind.
  static const bool unique = is_of_pidfs(pidfd);
  struct stat process {};
  if (!unique || fstat(pidfd.get(), &process) != 0) return {};
  return process.st_ino;
}

}  // namespace sallyport::net
