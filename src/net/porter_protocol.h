// What the broker asks its porter: one packet each way (SOCK_SEQPACKET), in host order, because both are the same
// program. An answer without an error carries the descriptor.
#pragma once

#include "net/porter.h"

#include <climits>
#include <cstdint>

namespace sallyport::net {

/// The path follows, without a zero byte.
struct PorterRequest {
  std::uint32_t number = 0;
};

struct PorterAnswer {
  std::uint32_t number = 0;
  std::int32_t error = 0;  ///< errno; 0: a descriptor comes along
};

inline constexpr std::size_t porter_path_bytes_max = PATH_MAX;

/// The porter's whole life: answers on `socket` until that ends. Called in the forked child.
[[noreturn]] void serve_as_porter(UniqueFd socket, pid_t parent, const FileGate& gate);

}  // namespace sallyport::net
