#include "net/socket_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace sallyport::net {

namespace {

constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t name_bytes_max = sizeof("/.s.PGSQL.65535") - 1;
constexpr const char* make_directory = "install -d -m 0755 -o";
constexpr const char* private_pattern = "sallyport-XXXXXX";

Error fault(ErrorCode code, std::string where, std::string what, std::string hint = {}) {
  return {code, Hop::listener, std::move(where), std::move(what), std::move(hint), {}};
}

Error system_fault(const std::string& where, const std::string& step, int reason,
                   std::string if_forbidden = {}) {
  const bool passing = reason == ENOSPC || reason == EMFILE || reason == ENFILE || reason == ENOMEM ||
                       reason == EDQUOT || reason == ENOBUFS;
  return fault(passing ? ErrorCode::retry_later : ErrorCode::bad_config, where,
               step + ": " + std::strerror(reason), reason == EACCES ? std::move(if_forbidden) : "");
}

std::string name_of_socket(std::uint16_t port) { return ".s.PGSQL." + std::to_string(port); }

std::string uid_text() { return std::to_string(geteuid()); }

/// By its owner, or we could not make our lock there: a directory of root's is for a root that serves.
std::string ours_by(const char* command, const std::string& directory) {
  return std::string{
             "The directory, and what is in it, has to belong to the account that serves. As root: "} +
         command + " " + uid_text() + " " + directory + "; or choose another directory.";
}

/// One directory on the way, opened without following a link.
Result<void> check_directory(const std::string& path, int fd, bool last) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return system_fault(path, "cannot be looked at", errno);
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return fault(ErrorCode::bad_config, path,
                 "belongs to uid " + std::to_string(info.st_uid) + "; expected root or uid " + uid_text(),
                 "Run: chown " + uid_text() + " " + path + ", or choose another directory.");
  }
  const bool group_writes = (info.st_mode & S_IWGRP) != 0 && info.st_gid != 0;
  const bool others_write = (info.st_mode & S_IWOTH) != 0;
  if (!group_writes && !others_write) return {};
  // Below a sticky directory of root's nobody replaces what is ours; but our own must not be one, since
  // strangers could put their sockets into it.
  if (!last && (info.st_mode & S_ISVTX) != 0 && info.st_uid == 0) return {};
  return fault(ErrorCode::bad_config, path,
               std::string{"can be changed by "} +
                   (others_write ? "every user" : "group " + std::to_string(info.st_gid)) +
                   ", who could put another socket in place of ours",
               "Run: chmod go-w " + path + ", or choose another directory.");
}

Result<std::vector<std::string>> parts_of(const std::string& directory) {
  if (directory.empty() || directory.front() != '/' || directory.find('\0') != std::string::npos) {
    return fault(ErrorCode::bad_config, directory, "is no absolute path", "Write the directory from / on.");
  }
  if (directory.size() + name_bytes_max > path_bytes_max) {
    return fault(
        ErrorCode::bad_config, directory,
        "is too long: with the socket's name it may have " + std::to_string(path_bytes_max) + " bytes",
        "Choose a shorter directory.");
  }
  std::vector<std::string> parts;
  for (std::size_t at = 1; at < directory.size();) {
    const auto end = std::min(directory.find('/', at), directory.size());
    auto part = directory.substr(at, end - at);
    if (part == "..")
      return fault(ErrorCode::bad_config, directory, "holds a ..", "Write the directory without it.");
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    at = end + 1;
  }
  return parts;
}

Result<UniqueFd> open_component(int parent, const std::string& name, const std::string& path, bool last) {
  // What is only on the way is not read: the sandbox lets nobody list it (net/landlock.h).
  const int flags = (last ? O_RDONLY : O_PATH) | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd{openat(parent, name.c_str(), flags)};
  if (!fd.valid() && errno == ENOENT && last) {
    const bool made = mkdirat(parent, name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST)
      return system_fault(path, "cannot be made", errno, ours_by(make_directory, path));
    fd.reset(openat(parent, name.c_str(), flags));
    // What we made is 0755 whatever the umask; what somebody else made meanwhile keeps its mode, and is checked.
    if (made && fd.valid()) fchmod(fd.get(), 0755);
  }
  if (fd.valid()) return fd;
  if (errno == ELOOP || errno == ENOTDIR) {
    struct stat info {};
    const bool link = fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
    return fault(ErrorCode::bad_config, path, link ? "is a symbolic link" : "is no directory",
                 link ? "Write the directory that it leads to." : "Choose another directory.");
  }
  if (errno == ENOENT)
    return fault(ErrorCode::bad_config, path, "does not exist", ours_by(make_directory, path));
  return system_fault(path, "cannot be opened", errno);
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// bind and connect know paths only; through the descriptor they reach the directory that we hold,
/// whatever its path leads to by now.
sockaddr_un address_in(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = "/proc/self/fd/" + std::to_string(directory) + "/" + name;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), path_bytes_max));
  return address;
}

UniqueFd new_socket(int type) { return UniqueFd{socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)}; }

/// Can it hold the private one: ours alone, and short enough.
bool usable_runtime_directory(const std::string& path) {
  struct stat info {};
  if (path.empty() || path.front() != '/') return false;
  if (path.size() + 1 + std::strlen(private_pattern) + name_bytes_max > path_bytes_max) return false;
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & 0022) == 0;
}

std::string holder_of_lock(int lock) {
  char text[32] = {};
  const auto size = pread(lock, text, sizeof text - 1, 0);
  const long pid = size > 0 ? std::strtol(text, nullptr, 10) : 0;
  return pid > 0 ? "pid " + std::to_string(pid) : std::string{"another process"};
}

}  // namespace

SocketDirectory::SocketDirectory(std::string path, UniqueFd directory, bool is_private)
    : held_(std::make_shared<HeldDirectory>(std::move(path), std::move(directory), is_private)) {}

Result<SocketDirectory> SocketDirectory::make_private(const std::string& runtime_directory) {
  std::string path = (usable_runtime_directory(runtime_directory) ? runtime_directory : std::string{"/tmp"}) +
                     "/" + private_pattern;
  if (mkdtemp(path.data()) == nullptr) {
    const int reason = errno;
    path = std::string{"/tmp/"} + private_pattern;
    if (mkdtemp(path.data()) == nullptr)
      return system_fault(path, "no private directory can be made", reason);
  }
  UniqueFd fd{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd.valid()) return system_fault(path, "cannot be opened", errno);
  struct stat info {};
  // Between mkdtemp and open the name could only be given to another by its owner: us, or root.
  if (fstat(fd.get(), &info) != 0 || info.st_uid != geteuid() || (info.st_mode & 0077) != 0) {
    return fault(ErrorCode::bad_config, path, "is not the directory that was just made");
  }
  // Cleaners of temporary directories leave locked ones alone (tmpfiles.d(5)).
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return system_fault(path, "cannot be locked", errno);
  return SocketDirectory{std::move(path), std::move(fd), true};
}

Result<SocketDirectory> SocketDirectory::open_shared(const std::string& directory) {
  const auto parts = parts_of(directory);
  if (parts.has_error()) return parts.error();
  UniqueFd at{open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::string path = "/";
  if (parts->empty())
    return fault(ErrorCode::bad_config, directory, "is the root directory", "Choose one below it.");
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (auto good = check_directory(path, at.get(), false); good.has_error()) return good.error();
    path += (path == "/" ? "" : "/") + (*parts)[i];
    auto next = open_component(at.get(), (*parts)[i], path, i + 1 == parts->size());
    if (next.has_error()) return next.error();
    at = std::move(*next);
  }
  if (auto good = check_directory(path, at.get(), true); good.has_error()) return good.error();
  return SocketDirectory{std::move(path), std::move(at), false};
}

std::string SocketDirectory::socket_path(std::uint16_t port) const {
  return path() + "/" + name_of_socket(port);
}

Result<UniqueFd> SocketDirectory::take_lock(const std::string& socket_name) const {
  const auto name = socket_name + ".lock";
  const auto path = held_->path() + "/" + name;
  for (int attempt = 0; attempt < 10; ++attempt) {
    UniqueFd lock{
        openat(held_->fd(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600)};
    if (!lock.valid()) return system_fault(path, "cannot be opened", errno, ours_by("chown", held_->path()));
    struct stat held {};
    if (fstat(lock.get(), &held) != 0 || !S_ISREG(held.st_mode))
      return fault(ErrorCode::bad_config, path, "is no regular file", "Remove it.");
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      return fault(ErrorCode::bad_config, held_->path() + "/" + socket_name,
                   "is in use by " + holder_of_lock(lock.get()),
                   "Stop the other instance, or choose another port or directory.");
    }
    struct stat named {};
    // The last holder removes the file as it goes; then this lock is on a file that nobody else will find.
    if (fstatat(held_->fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 || !same_file(held, named))
      continue;
    const auto pid = std::to_string(getpid()) + "\n";
    if (ftruncate(lock.get(), 0) != 0 || pwrite(lock.get(), pid.data(), pid.size(), 0) < 0) {
      return system_fault(path, "cannot be written", errno);
    }
    return lock;
  }
  return fault(ErrorCode::retry_later, path, "changes hands all the time", "Stop the other instances.");
}

Result<void> SocketDirectory::clear_way(const std::string& name, int type) const {
  const auto path = held_->path() + "/" + name;
  struct stat there {};
  if (fstatat(held_->fd(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return system_fault(path, "cannot be looked at", errno);
  }
  if (!S_ISSOCK(there.st_mode)) {
    return fault(ErrorCode::bad_config, path, "is in the way, and it is no socket",
                 "Remove it, if you know what it is.");
  }
  const auto probe = new_socket(type);
  const auto address = address_in(held_->fd(), name);
  if (!probe.valid()) return system_fault(path, "no socket", errno);
  const bool refused =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  if (!refused) {
    return fault(ErrorCode::bad_config, path, "is a socket that somebody listens on",
                 "Stop that server, or choose another port or directory.");
  }
  if (unlinkat(held_->fd(), name.c_str(), 0) != 0 && errno != ENOENT)
    return system_fault(path, "cannot be removed", errno);
  return {};
}

Result<MadeFile> SocketDirectory::write_file(const std::string& name, std::string_view text) const {
  const auto path = held_->path() + "/" + name;
  const UniqueFd file{
      openat(held_->fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) return system_fault(path, "cannot be made", errno);
  MadeFile made{held_, name, info.st_ino};
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return system_fault(path, "cannot be written", errno);
  }
  return made;
}

Result<Listener> SocketDirectory::listen_unix(std::uint16_t port) const {
  return listen_named(name_of_socket(port), held_->is_private() ? 0600 : 0666);
}

Result<Listener> SocketDirectory::listen_named(const std::string& name, mode_t mode, int type) const {
  const auto path = held_->path() + "/" + name;
  auto lock = take_lock(name);
  if (lock.has_error()) return lock.error();
  struct stat lock_info {};
  fstat(lock->get(), &lock_info);
  const auto ours = std::make_shared<std::atomic<bool>>(true);
  MadeFile lock_file{held_, name + ".lock", lock_info.st_ino, ours};
  if (auto clear = clear_way(name, type); clear.has_error()) return clear.error();
  auto socket = new_socket(type);
  if (!socket.valid()) return system_fault(path, "no socket", errno);
  const auto address = address_in(held_->fd(), name);
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return system_fault(path, "cannot be made", errno);
  }
  struct stat info {};
  if (fstatat(held_->fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(info.st_mode)) {
    return fault(ErrorCode::bad_config, path, "vanished as it was made",
                 "Find out who else writes to this directory.");
  }
  MadeFile socket_file{held_, name, info.st_ino, ours};
  // Before listen, so that nobody connects under the umask's mode.
  if (fchmodat(held_->fd(), name.c_str(), mode, 0) != 0) return system_fault(path, "chmod", errno);
  if (listen(socket.get(), listen_backlog) != 0) return system_fault(path, "listen", errno);
  return Listener{path, std::move(*lock), std::move(lock_file), std::move(socket), std::move(socket_file),
                  ours};
}

}  // namespace sallyport::net
