// A client of a Unix socket, as short as tests like it.
#pragma once

#include "net/fd.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

namespace sallyport::test {

/// Whether anybody listens there.
inline bool can_connect(const std::string& path) {
  const net::UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace sallyport::test
