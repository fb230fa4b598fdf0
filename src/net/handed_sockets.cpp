#include "net/handed_sockets.h"

#include "net/dns.h"
#include "net/socket_directory.h"
#include "net/socket_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace sallyport::net {

namespace {

bool listens(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1;
}

UniqueFd copy_of(const UniqueFd& fd) { return UniqueFd{fcntl(fd.get(), F_DUPFD_CLOEXEC, 0)}; }

}  // namespace

Result<void> HandedSockets::add(const std::string& path, UniqueFd socket, UniqueFd lock) {
  if (sockets_.size() >= handed_max) {
    return Error{
        ErrorCode::limit_exceeded, Hop::listener, "take-over", "too many sockets were handed over", {}, {}};
  }
  if (!socket.valid() || !listens(socket.get())) {
    return Error{ErrorCode::denied, Hop::listener, path, "what was handed over does not listen", {}, {}};
  }
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  if (path.empty()) {
    const auto address = describe_socket_address(socket.get(), false);
    sockets_.push_back(std::make_unique<One>(One{address, Listener{std::move(socket)}}));
    return {};
  }
  const auto slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) {
    return Error{ErrorCode::denied, Hop::listener, path, "is no path of a socket", {}, {}};
  }
  const auto directory = SocketDirectory::open_shared(path.substr(0, std::max<std::size_t>(slash, 1)));
  if (!directory) return directory.error();
  Named named{copy_of(lock), copy_of(socket)};
  auto listener = directory->adopt(path.substr(slash + 1), std::move(lock), std::move(socket), ours_);
  if (!listener) return listener.error();
  sockets_.push_back(std::make_unique<One>(One{"unix:" + path, std::move(*listener)}));
  named_.push_back(std::move(named));
  return {};
}

std::optional<Listener> HandedSockets::take(const std::string& address) {
  const auto found = std::find_if(sockets_.begin(), sockets_.end(),
                                  [&](const auto& one) { return one->address == address; });
  if (found == sockets_.end()) return std::nullopt;
  std::optional<Listener> taken{std::move((*found)->listener)};
  sockets_.erase(found);
  return taken;
}

std::optional<Listener> HandedSockets::take_unix(const std::string& path) { return take("unix:" + path); }

std::optional<Listener> HandedSockets::take_tcp(const std::string& address, std::uint16_t port) {
  const auto parsed = literal_address(address, port);
  return parsed ? take(parsed->to_string()) : std::nullopt;
}

std::vector<std::string> HandedSockets::keep() {
  *ours_ = true;
  const auto pid = std::to_string(getpid()) + "\n";
  for (const auto& one : named_) {
    // For the message of whoever finds it locked; what cannot be written is told as it was.
    if (ftruncate(one.lock.get(), 0) == 0) (void)!pwrite(one.lock.get(), pid.data(), pid.size(), 0);
    // Whoever connects is told by the kernel who listened last: from now on, us.
    listen(one.socket.get(), listen_backlog);
  }
  named_.clear();
  std::vector<std::string> closed;
  for (const auto& one : sockets_) closed.push_back(one->address);
  sockets_.clear();
  return closed;
}

}  // namespace sallyport::net
