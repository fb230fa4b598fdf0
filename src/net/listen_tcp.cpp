// Listening on TCP, and who is in the way when that fails.
#include "net/dns.h"
#include "net/peer.h"
#include "net/socket_directory.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, std::string where, std::string what, std::string hint = {}) {
  return {code, Hop::listener, std::move(where), std::move(what), std::move(hint), {}};
}

Error unusable(const std::string& where, const std::string& step, int reason) {
  const bool passing = reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == ENOBUFS;
  return fault(passing ? ErrorCode::retry_later : ErrorCode::bad_config, where,
               step + ": " + std::strerror(reason));
}

}  // namespace

Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port) {
  const auto parsed = literal_address(address, port);
  if (!parsed || parsed->family == AF_UNIX) {
    return fault(ErrorCode::bad_config, address, "is no IP address",
                 "Write 127.0.0.1 or ::1; names are not looked up here.");
  }
  const auto where = parsed->to_string();
  UniqueFd listener{socket(parsed->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!listener.valid()) return unusable(where, "no socket", errno);
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (parsed->family == AF_INET6) setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  sockaddr_storage storage{};
  const auto size = parsed->to_sockaddr(storage);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0 &&
      listen(listener.get(), listen_backlog) == 0) {
    return listener;
  }
  switch (errno) {
    case EADDRINUSE: {
      const auto owner = listener_of_tcp(port);
      return fault(ErrorCode::bad_config, where,
                   "is in use" + (owner.empty() ? std::string{} : " by " + owner),
                   "Stop that process, or choose another port (0 takes any).");
    }
    case EADDRNOTAVAIL:
      return fault(ErrorCode::bad_config, where, "is not an address of this machine",
                   "ip address shows those it has.");
    case EACCES:
      return fault(
          ErrorCode::bad_config, where, "may not be used by uid " + std::to_string(geteuid()),
          port != 0 && port < 1024 ? "Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one." : "");
    default: return unusable(where, "cannot be listened on", errno);
  }
}

std::uint16_t port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  const auto address = Address::from_sockaddr(storage, size);
  return address ? address->port : std::uint16_t{0};
}

}  // namespace sallyport::net
