// What the broker asks its scout: one packet each way (SOCK_SEQPACKET), in host order, because both are the same
// program. A question carries the pidfd.
#pragma once

#include "net/fd.h"

#include <sys/types.h>

#include <climits>
#include <cstdint>

namespace sallyport::net {

struct ScoutQuestion {
  std::uint32_t number = 0;
  std::int32_t pid = 0;
};

/// As many bytes of the path follow as the packet has.
struct ScoutAnswer {
  std::uint32_t number = 0;
  std::uint32_t known = 0;  ///< the four below
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed_ns = 0;
};

inline constexpr std::size_t scout_path_bytes_max = PATH_MAX;

/// The scout's whole life: answers on `socket` until that ends. Called in the forked child.
[[noreturn]] void serve_as_scout(UniqueFd socket, pid_t parent);

}  // namespace sallyport::net
