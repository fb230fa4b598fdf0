// Who owns a TCP socket of this network namespace, asked of the kernel.
#pragma once

#include "net/dns.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace sallyport::net {

struct SocketOwner {
  std::uint64_t inode = 0;
  uid_t uid = 0;
};

/// The established connection whose own address is `local` and whose peer is `remote`. One netlink request
/// (inet_diag); where the kernel does not offer that, /proc/net/tcp and tcp6. nullopt: it has been closed by its owner.
std::optional<SocketOwner> owner_of_connection(const Address& local, const Address& remote);

/// Without that fallback, which takes long where many connections have ended lately.
std::optional<SocketOwner> owner_of_connection_from_kernel(const Address& local, const Address& remote);

/// From /proc/net/tcp and tcp6 only; for tests of the fallback.
std::optional<SocketOwner> owner_of_connection_from_proc(const Address& local, const Address& remote);

/// A socket that listens on `port`.
std::optional<SocketOwner> owner_of_listener(std::uint16_t port);

/// Whether the process has a descriptor of the socket with that inode. nullopt: its descriptors may not be
/// looked at.
std::optional<bool> holds_socket(pid_t pid, std::uint64_t inode);

}  // namespace sallyport::net
