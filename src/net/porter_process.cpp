// The porter's side: a single thread that looks where a path leads, asks its gate about that, and opens that.
#include "net/passed_descriptor.h"
#include "net/porter_protocol.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sallyport::net {

namespace {

std::string path_of_descriptor(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

/// The place that a path leads to, and not by a link of /proc to another process's root, directory or file: what it is called
/// there may be what an allowed file is called here. A kernel that cannot promise that (before 5.6) opens nothing.
UniqueFd open_without_magic(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how));
  if (fd < 0 && (errno == ELOOP || errno == ENOSYS)) errno = EACCES;
  return UniqueFd{fd};
}

/// Invalid, with the reason in errno. What is opened is what the gate was asked about: the descriptor is held from
/// one to the other.
UniqueFd open_for(const std::string& path, const FileGate& gate) {
  const auto refused = [](int reason) {
    errno = reason;
    return UniqueFd{};
  };
  const UniqueFd at{open_without_magic(path)};
  struct stat status {};
  if (!at.valid() || fstat(at.get(), &status) != 0) return refused(errno);
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) return refused(EACCES);
  // What /proc tells is denied inside the sandbox, and is for nobody to get from outside it.
  struct statfs where {};
  if (fstatfs(at.get(), &where) != 0 || where.f_type == PROC_SUPER_MAGIC) return refused(EACCES);
  std::array<char, PATH_MAX> real{};
  const auto self = path_of_descriptor(at.get());
  const auto size = readlink(self.c_str(), real.data(), real.size());
  if (size <= 0 || static_cast<std::size_t>(size) == real.size()) return refused(EACCES);
  if (!gate({real.data(), static_cast<std::size_t>(size)})) return refused(EACCES);
  return UniqueFd{open(self.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
}

}  // namespace

void serve_as_porter(UniqueFd socket, pid_t parent, const FileGate& gate) {
  leave_the_brokers_world(std::move(socket), parent, "sallyport-open");
  for (;;) {
    std::array<char, sizeof(PorterRequest) + porter_path_bytes_max> packet;
    const auto size = recv(attendant_socket, packet.data(), packet.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    PorterRequest request;
    if (size < static_cast<ssize_t>(sizeof request)) _exit(0);  // the broker is gone
    std::memcpy(&request, packet.data(), sizeof request);
    const auto file =
        open_for({packet.data() + sizeof request, static_cast<std::size_t>(size) - sizeof request}, gate);
    const PorterAnswer answer{request.number, file.valid() ? 0 : errno};
    if (!send_with_descriptor(attendant_socket, &answer, sizeof answer, file.get())) _exit(0);
  }
}

}  // namespace sallyport::net
