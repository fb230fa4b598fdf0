#include "net/peer.h"

#include "net/dns.h"
#include "net/recent_facts.h"
#include "net/socket_lookup.h"

#include <dirent.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; not in this libc's headers
#endif

namespace sallyport::net {

namespace {

Error denied(std::string what, std::string hint = {}) {
  return {ErrorCode::denied, Hop::identity, "peer process", std::move(what), std::move(hint), {}};
}

/// Told from a stranger's connection: drivers hang up right after a cancel.
Error hung_up(std::string what) {
  auto error = denied(std::move(what));
  error.code = ErrorCode::not_found;
  return error;
}

std::uint64_t ticks_since_boot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return static_cast<std::uint64_t>(now.tv_sec) * per_second +
         static_cast<std::uint64_t>(now.tv_nsec) / (1'000'000'000 / per_second);
}

/// The kernel's NGROUPS_MAX.
constexpr std::size_t groups_max = 65'536;

/// None where the kernel does not tell them: then no rule for a group is met, and nobody gains by it.
std::vector<gid_t> groups_from_socket(int fd) {
  std::vector<gid_t> groups(32);
  while (true) {
    auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0;
    const auto count = bytes / sizeof(gid_t);
    if (known) {
      groups.resize(count);
      return groups;
    }
    // Too small a buffer is answered with the size that is needed, which does not change after connect.
    if (errno != ERANGE || count <= groups.size() || count > groups_max) return {};
    groups.resize(count);
  }
}

/// The kernel's own pidfd of the peer: no pid can be reused under it. invalid: this kernel has none.
Result<UniqueFd> pidfd_from_socket(int fd) {
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) return UniqueFd{pidfd};
  if (errno == ENOPROTOOPT) return UniqueFd{};
  return denied("the process that connected has ended",
                "A connection is served while the process that opened it lives.");
}

/// Kernels before 6.5: the pid may have been given away between connect and now. A process younger than
/// this call is certainly another; what remains is said in the header.
Result<UniqueFd> pidfd_from_pid(pid_t pid) {
  const auto now = ticks_since_boot();
  auto pidfd = open_pidfd(pid);
  if (pidfd.has_error()) return denied("the process that connected has ended");
  const auto stat = read_process_stat(pid);
  if (stat.has_error() || stat->start_ticks > now || !is_alive(*pidfd)) {
    return denied("the process that connected has ended");
  }
  return pidfd;
}

std::optional<Address> address_of(int fd, bool peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if ((peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)) != 0) return {};
  return Address::from_sockaddr(storage, size);
}

struct Holder {
  pid_t pid;
  UniqueFd pidfd;
};

std::optional<Holder> holder_of(std::uint64_t inode, const ServedTree& tree, ServedTree::Effort effort,
                                bool& all_seen) {
  for (const auto& member : tree.members(effort)) {
    auto pidfd = open_pidfd(member.pid);
    if (pidfd.has_error()) continue;
    const auto holds = holds_socket(member.pid, inode);
    if (!holds.has_value()) all_seen = false;
    if (!holds.value_or(false)) continue;
    // The list was a snapshot; this walks again with the pidfd held.
    if (tree.contains(member.pid, *pidfd).has_value()) return Holder{member.pid, std::move(*pidfd)};
  }
  return {};
}

}  // namespace

Result<UnixPeer> peer_of_unix(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 || size != sizeof credentials) {
    return denied(std::string{"the kernel does not say who connected: "} + std::strerror(errno));
  }
  if (credentials.pid <= 0) {
    return denied("the process that connected is not visible here (another pid namespace)",
                  "Run both in one pid namespace, or use another way to prove its identity.");
  }
  auto pidfd = pidfd_from_socket(fd);
  if (pidfd.has_error()) return pidfd.error();
  if (!pidfd->valid()) {
    pidfd = pidfd_from_pid(credentials.pid);
    if (pidfd.has_error()) return pidfd.error();
  }
  if (!is_alive(*pidfd)) return denied("the process that connected has ended");
  const auto number = process_number(*pidfd);
  return UnixPeer{credentials.pid,        credentials.uid,   credentials.gid,
                  groups_from_socket(fd), std::move(*pidfd), number};
}

std::optional<uid_t> uid_of_local_peer(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  // TCP sockets answer with pid 0 and uid -1.
  if (known && credentials.uid != static_cast<uid_t>(-1)) return credentials.uid;
  const auto ours = address_of(fd, false);
  const auto theirs = address_of(fd, true);
  if (!ours || !theirs || ours->family == AF_UNIX || !ours->is_loopback() || !theirs->is_loopback())
    return {};
  const auto owner = owner_of_connection_from_kernel(*theirs, *ours);  // asked at every accept
  return owner ? std::optional{owner->uid} : std::nullopt;
}

Result<TcpPeer> peer_of_tcp(int fd, const ServedTree& tree, uid_t only) {
  const auto ours = address_of(fd, false);
  const auto theirs = address_of(fd, true);
  if (!ours || !theirs) return hung_up("the connection has been closed");
  if (ours->family == AF_UNIX || !ours->is_loopback() || !theirs->is_loopback()) {
    return denied("does not come from this machine's loopback (" + theirs->to_string() + ")");
  }
  const auto owner = owner_of_connection(*theirs, *ours);
  if (!owner || owner->inode == 0)
    return hung_up("the other end has closed, or is in another network namespace");
  if (owner->uid != only) {
    return denied("the connection belongs to uid " + std::to_string(owner->uid) + ", and only uid " +
                      std::to_string(only) + " is served",
                  "Only the command given to exec, and what it starts under the same account, may use this "
                  "connection.");
  }
  // The quick list may miss a process; before anyone is refused, all of /proc is read.
  bool all_seen = true;
  for (const auto effort : {ServedTree::Effort::quick, ServedTree::Effort::thorough}) {
    auto holder = holder_of(owner->inode, tree, effort, all_seen);
    if (holder) return TcpPeer{holder->pid, owner->uid, std::move(holder->pidfd)};
  }
  // Whoever closes while we look is found in no process either.
  if (!owner_of_connection(*theirs, *ours)) return hung_up("the other end has closed");
  return denied("the connection belongs to no process of the command that is served (uid " +
                    std::to_string(owner->uid) + ")",
                all_seen
                    ? "Only the command given to exec, and what it starts, may use this connection."
                    : "Some of its processes may not be looked at (another uid, or made undumpable): use the "
                      "Unix socket, --listen unix.");
}

std::string listener_of_tcp(std::uint16_t port) {
  const auto owner = owner_of_listener(port);
  if (!owner) return {};
  const std::unique_ptr<DIR, decltype([](DIR* directory) { closedir(directory); })> proc{opendir("/proc")};
  while (proc != nullptr) {
    const dirent* entry = readdir(proc.get());
    if (entry == nullptr) break;
    const auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid <= 0 || !holds_socket(pid, owner->inode).value_or(false)) continue;
    const auto executable = executable_of(pid);
    return "pid " + std::to_string(pid) + (executable.empty() ? "" : " (" + executable + ")");
  }
  return "a process of uid " + std::to_string(owner->uid);
}

}  // namespace sallyport::net
