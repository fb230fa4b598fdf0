// Which process is at the other end of a local connection.
//
// A Unix socket's credentials are the kernel's word about who connected. A loopback TCP connection has
// none, so its other end is looked up: socket inode, then which process of the served tree holds it.
#pragma once

#include "base/result.h"
#include "net/fd.h"
#include "net/process_tree.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::net {

/// pid, uid, gid and supplementary groups as they were when it connected; `pidfd` is that process and no later one.
struct UnixPeer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  UniqueFd pidfd;
  std::optional<std::uint64_t> number;  ///< see process_number()
};

/// SO_PEERCRED and SO_PEERGROUPS (a kernel without it: no groups), with SO_PEERPIDFD (Linux ≥ 6.5). Older kernels: pidfd_open, and the process must have
/// started before now; a pid given away between its connect and our accept is not noticed there.
///
/// Errors  denied, hop identity: pid 0 (a process of another pid namespace), or it has ended already.
Result<UnixPeer> peer_of_unix(int fd);

/// The uid at the other end: of a Unix socket when it connected, of a loopback TCP connection while that is open.
/// Says nothing about which process it is.
std::optional<uid_t> uid_of_local_peer(int fd);

/// uid of the socket, and the process of the tree that holds it.
struct TcpPeer {
  pid_t pid = 0;
  uid_t uid = 0;
  UniqueFd pidfd;
};

/// For an accepted connection between two loopback addresses of this network namespace.
///
/// Of sockets of another uid than `only` no process is looked for: that reads /proc, which is not for strangers to
/// cause.
///
/// Errors  hop identity.  not_found: the other end has closed already.  denied: not loopback; another uid; no process
///         of the tree holds it.
Result<TcpPeer> peer_of_tcp(int fd, const ServedTree& tree, uid_t only);

/// Who listens on a local TCP port, for the message "port in use": "pid 812 (/usr/bin/postgres)"; empty when
/// it cannot be seen.
std::string listener_of_tcp(std::uint16_t port);

}  // namespace sallyport::net
