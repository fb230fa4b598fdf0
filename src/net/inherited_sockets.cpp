#include "net/inherited_sockets.h"

#include "net/dns.h"
#include "net/socket_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

namespace sallyport::net {

namespace {

std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

bool listens(int fd) { return option_of(fd, SO_TYPE) == SOCK_STREAM && option_of(fd, SO_ACCEPTCONN) == 1; }

}  // namespace

InheritedSockets InheritedSockets::take(std::string_view listen_pid, std::string_view listen_fds, int first) {
  InheritedSockets taken;
  const auto pid = number_of(listen_pid);
  const auto count = number_of(listen_fds);
  if (!pid || *pid != getpid() || !count || *count < 1 || *count > inherited_max) return taken;
  for (int fd = first; fd < first + *count; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0) continue;
    fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    One one{UniqueFd{fd}, {}, "descriptor " + std::to_string(fd), false};
    if (listens(fd)) {
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
      one.address = describe_socket_address(fd, false);
      one.what += " (" + one.address + ")";
    } else {
      one.what += " (no socket that listens)";
    }
    taken.sockets_.push_back(std::move(one));
  }
  return taken;
}

std::optional<UniqueFd> InheritedSockets::find(const std::string& address) {
  for (auto& one : sockets_) {
    if (one.address != address || !one.fd.valid()) continue;
    UniqueFd copy{fcntl(one.fd.get(), F_DUPFD_CLOEXEC, 0)};
    if (!copy.valid()) return std::nullopt;
    one.used = true;
    return copy;
  }
  return std::nullopt;
}

std::optional<UniqueFd> InheritedSockets::find_unix(const std::string& path) { return find("unix:" + path); }

std::optional<UniqueFd> InheritedSockets::find_tcp(const std::string& address, std::uint16_t port) {
  const auto parsed = literal_address(address, port);
  return parsed ? find(parsed->to_string()) : std::nullopt;
}

std::vector<std::string> InheritedSockets::close_unused() {
  std::vector<std::string> closed;
  for (auto& one : sockets_) {
    if (one.used) continue;
    closed.push_back(one.what);
    one.fd.reset();
  }
  std::erase_if(sockets_, [](const One& one) { return !one.fd.valid(); });
  return closed;
}

}  // namespace sallyport::net
