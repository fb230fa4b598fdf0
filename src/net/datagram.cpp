#include "net/datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace sallyport::net {

bool UnixDatagrams::send(std::string_view text) {
  sockaddr_un address{};
  if (path_.size() < 2 || path_.size() >= sizeof address.sun_path) return false;
  if (!fd_.valid()) fd_ = UniqueFd{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd_.valid()) return false;
  // By its name each time: a receiver that was restarted is found again.
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (path_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  return sendto(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL,
                reinterpret_cast<const sockaddr*>(&address), size) == static_cast<ssize_t>(text.size());
}

}  // namespace sallyport::net
