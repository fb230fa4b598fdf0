#include "net/socket_lookup.h"

#include "net/fd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace sallyport::net {

namespace {

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

constexpr std::uint32_t established = 1U << TCP_ESTABLISHED;

/// nullopt: no socket in one of these states, or the kernel has no inet_diag; it answers both alike.
std::optional<SocketOwner> ask_netlink(const Address& local, const Address& remote, std::uint32_t states) {
  const UniqueFd netlink{socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
  if (!netlink.valid()) return {};
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = static_cast<std::uint8_t>(local.family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = states;
  request.body.id.idiag_sport = htons(local.port);
  request.body.id.idiag_dport = htons(remote.port);
  std::memcpy(request.body.id.idiag_src, local.bytes.data(), local.bytes.size());
  std::memcpy(request.body.id.idiag_dst, remote.bytes.data(), remote.bytes.size());
  request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (sendto(netlink.get(), &request, sizeof request, 0, reinterpret_cast<sockaddr*>(&kernel),
             sizeof kernel) < 0)
    return {};
  alignas(nlmsghdr) char reply[4096];
  const auto size =
      recv(netlink.get(), reply, sizeof reply, MSG_DONTWAIT);  // the kernel answers within sendto
  const auto* header = reinterpret_cast<const nlmsghdr*>(reply);
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return {};
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return {};
  const auto* found = reinterpret_cast<const inet_diag_msg*>(NLMSG_DATA(header));
  // An exact match is what was asked for; a listener on the same port would not be one.
  if ((states & 1U << found->idiag_state) == 0 || found->id.idiag_sport != htons(local.port) ||
      found->id.idiag_dport != htons(remote.port) || found->idiag_inode == 0) {
    return {};
  }
  return SocketOwner{found->idiag_inode, found->idiag_uid};
}

/// One line of /proc/net/tcp: addresses are hexadecimal words in host order.
struct Line {
  Address local;
  Address remote;
  unsigned state = 0;
  SocketOwner owner;
};

bool parse_address(std::string_view text, int family, Address& out) {
  const auto colon = text.find(':');
  const std::size_t words = family == AF_INET ? 1 : 4;
  if (colon != words * 8) return false;
  out.family = family;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = 0;
    std::from_chars(text.data() + i * 8, text.data() + i * 8 + 8, word, 16);
    std::memcpy(out.bytes.data() + i * 4, &word, 4);
  }
  return std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port, 16).ec == std::errc{};
}

std::optional<Line> parse_line(const std::string& text, int family) {
  // "  0: 0100007F:1538 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 12345 …"
  std::istringstream fields{text};
  std::string number, local, remote, queues, timer, retransmits, timeout;
  Line line;
  fields >> number >> local >> remote >> std::hex >> line.state >> std::dec >> queues >> timer >>
      retransmits >> line.owner.uid >> timeout >> line.owner.inode;
  if (!fields || !parse_address(local, family, line.local) || !parse_address(remote, family, line.remote))
    return {};
  return line;
}

template <class Wanted>
std::optional<SocketOwner> search_table(const char* path, int family, Wanted wanted) {
  std::ifstream table{path};
  std::string text;
  std::getline(table, text);  // the heading
  while (std::getline(table, text)) {
    const auto line = parse_line(text, family);
    if (line && line->owner.inode != 0 && wanted(*line)) return line->owner;
  }
  return {};
}

Address mapped(const Address& v4) {
  Address v6 = v4;
  v6.family = AF_INET6;
  v6.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4.bytes[0], v4.bytes[1], v4.bytes[2], v4.bytes[3]};
  return v6;
}

struct DirectoryClose {
  void operator()(DIR* directory) const { closedir(directory); }
};

}  // namespace

std::optional<SocketOwner> owner_of_connection_from_proc(const Address& local, const Address& remote) {
  const auto search = [](const char* path, const Address& from, const Address& to) {
    return search_table(path, from.family, [&](const Line& line) {
      return line.state == TCP_ESTABLISHED && line.local.port == from.port && line.remote.port == to.port &&
             line.local.bytes == from.bytes && line.remote.bytes == to.bytes;
    });
  };
  if (local.family == AF_INET6) return search("/proc/self/net/tcp6", local, remote);
  if (auto owner = search("/proc/self/net/tcp", local, remote)) return owner;
  // A client with one socket for both families (Java's habit) stands in the other table.
  return search("/proc/self/net/tcp6", mapped(local), mapped(remote));
}

std::optional<SocketOwner> owner_of_connection_from_kernel(const Address& local, const Address& remote) {
  return ask_netlink(local, remote, established);
}

std::optional<SocketOwner> owner_of_connection(const Address& local, const Address& remote) {
  if (auto owner = ask_netlink(local, remote, established)) return owner;
  // /proc is read whole, which takes long where many connections have just ended. Whoever asks holds the other
  // end: a kernel that knows that one would have found this one too.
  if (ask_netlink(remote, local, established | 1U << TCP_CLOSE_WAIT)) return {};
  return owner_of_connection_from_proc(local, remote);
}

std::optional<SocketOwner> owner_of_listener(std::uint16_t port) {
  const auto listens = [port](const Line& line) {
    return line.state == TCP_LISTEN && line.local.port == port;
  };
  if (auto owner = search_table("/proc/self/net/tcp", AF_INET, listens)) return owner;
  return search_table("/proc/self/net/tcp6", AF_INET6, listens);
}

std::optional<bool> holds_socket(pid_t pid, std::uint64_t inode) {
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  const std::unique_ptr<DIR, DirectoryClose> descriptors{opendir(directory.c_str())};
  if (descriptors == nullptr) return {};
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  while (const dirent* entry = readdir(descriptors.get())) {
    char target[64];
    const auto size = readlinkat(dirfd(descriptors.get()), entry->d_name, target, sizeof target);
    if (size > 0 && std::string_view{target, static_cast<std::size_t>(size)} == wanted) return true;
  }
  return false;
}

}  // namespace sallyport::net
