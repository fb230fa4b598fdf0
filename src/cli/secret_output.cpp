#include "cli/secret_output.h"

#include "net/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::cli {

namespace {

Error cannot(const std::string& path, const std::string& why, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, path, why, std::move(hint), {}};
}

Result<void> write_all(int fd, const WipedBytes& bytes, const std::string& path) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto written = write(fd, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return cannot(path, std::string{"cannot be written: "} + std::strerror(errno), {});
    at += static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

Result<void> write_secret(const WipedBytes& bytes, const std::string& path) {
  if (path.empty()) return write_all(STDOUT_FILENO, bytes, "standard output");
  const net::UniqueFd file{
      open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)};
  if (!file.valid()) {
    return cannot(path, std::string{"cannot be written: "} + std::strerror(errno), "Give -o another file");
  }
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & 0077U) != 0) {
    return cannot(path, "is no file of ours that nobody else may read",
                  "Remove it, or chmod 600 it: a secret is about to be written there");
  }
  if (ftruncate(file.get(), 0) != 0) return cannot(path, std::strerror(errno), {});
  return write_all(file.get(), bytes, path);
}

}  // namespace sallyport::cli
