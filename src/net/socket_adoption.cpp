// Sockets of a directory that another process opened and hands to us, and the way to that process.
//
// What proves that it serves there is the lock: it belongs to an open file, not to a process, so a descriptor of that
// very file can be locked again by whoever has it, and a file that is opened anew cannot.
#include "net/socket_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, std::string where, std::string what, std::string hint = {}) {
  return {code, Hop::listener, std::move(where), std::move(what), std::move(hint), {}};
}

int option_of(int fd, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

}  // namespace

bool SocketDirectory::is_lock_of(const std::string& name, const UniqueFd& lock) const {
  const UniqueFd other{
      openat(held_->fd(), (name + ".lock").c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)};
  struct stat named {};
  struct stat given {};
  if (!lock.valid() || !other.valid() || fstat(other.get(), &named) != 0 || fstat(lock.get(), &given) != 0)
    return false;
  if (named.st_dev != given.st_dev || named.st_ino != given.st_ino) return false;
  // In this order: a lock that nobody holds would be ours by the second call.
  return flock(other.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
         flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

Result<Listener> SocketDirectory::adopt(const std::string& name, UniqueFd lock, UniqueFd socket,
                                        const Ownership& ours) const {
  const auto path = held_->path() + "/" + name;
  if (!is_lock_of(name, lock)) {
    return fault(ErrorCode::denied, path, "whoever hands it over does not hold its lock",
                 "Find out who else serves in this directory.");
  }
  if (option_of(socket.get(), SO_DOMAIN) != AF_UNIX || option_of(socket.get(), SO_ACCEPTCONN) != 1) {
    return fault(ErrorCode::denied, path, "what was handed over is no Unix socket that listens");
  }
  struct stat lock_info {};
  struct stat info {};
  fstat(lock.get(), &lock_info);
  if (fstatat(held_->fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(info.st_mode)) {
    return fault(ErrorCode::denied, path, "was handed over, and is not there any more",
                 "Find out who cleans this directory, and restart Sallyport.");
  }
  MadeFile lock_file{held_, name + ".lock", lock_info.st_ino, ours};
  MadeFile socket_file{held_, name, info.st_ino, ours};
  return Listener{path, std::move(lock), std::move(lock_file), std::move(socket), std::move(socket_file),
                  ours};
}

Result<UniqueFd> SocketDirectory::connect_to(const std::string& name, int type) const {
  const auto where = held_->path() + "/" + name;
  const auto path = "/proc/self/fd/" + std::to_string(held_->fd()) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fault(ErrorCode::bad_config, where, "is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (fd.valid() && connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
    return fd;
  }
  const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
  return fault(nobody ? ErrorCode::not_found : ErrorCode::retry_later, where, std::strerror(errno));
}

}  // namespace sallyport::net
