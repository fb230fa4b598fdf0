// A peer that has vanished without a word is noticed after two minutes: its machine lost power, or a firewall forgot the
// connection. The kernel's own default is two hours, for which a server connection and its locks would be held.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace sallyport::net {

/// False: a Unix socket, which has no keepalive.
inline bool is_internet_socket(int fd) {
  int domain = AF_UNIX;
  socklen_t size = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

/// Also without Nagle's delay. A Unix socket knows none of these and is left alone; other errors are harmless.
inline void keep_alive(int fd) {
  const int on = 1;
  const int idle_s = 60, interval_s = 15, probes = 4;
  const unsigned unacknowledged_ms = 90'000;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 && errno == EOPNOTSUPP) return;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

}  // namespace sallyport::net
