// A packet with a descriptor beside it (SCM_RIGHTS), between us and our attendants.
#pragma once

#include "net/fd.h"

#include <sys/types.h>

#include <cstddef>

namespace sallyport::net {

/// `fd` < 0: the packet alone. False: the other end is gone, or `flags` has MSG_DONTWAIT and it is full.
bool send_with_descriptor(int socket, const void* packet, std::size_t size, int fd, int flags = 0);

/// Bytes received, as recvmsg; `fd` gets what came along, close-on-exec.
ssize_t receive_with_descriptor(int socket, void* packet, std::size_t size, UniqueFd& fd);

}  // namespace sallyport::net
