#include "config/program.h"

#include "base/trusted_file.h"
#include "crypto/hash.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sallyport::config {

namespace {

Error bad(const std::string& path, std::string what) {
  return {ErrorCode::bad_config, Hop::config, path, std::move(what), "Name a program that is installed.", {}};
}

/// Closed at the end.
struct File {
  int fd;
  File(const std::string& path, const FileOpener& outside) : fd(open_or_ask(path, outside)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

policy::ExecutableId id_of(const struct stat& file) {
  return {file.st_dev, file.st_ino, static_cast<std::uint64_t>(file.st_size),
          std::int64_t{file.st_ctim.tv_sec} * 1'000'000'000 + file.st_ctim.tv_nsec};
}

Result<Program> look_at_program(const std::string& path, const FileOpener& outside) {
  if (auto trusted = check_trusted_file(path); !trusted) return trusted.error();
  const File file{path, outside};
  struct stat status {};
  if (file.fd < 0 || fstat(file.fd, &status) != 0)
    return bad(path, std::string{"cannot be read: "} + std::strerror(errno));
  if (static_cast<std::size_t>(status.st_size) > program_bytes_max)
    return bad(path, "is larger than 512 MiB");
  Program program;
  program.id = id_of(status);
  crypto::Sha256 hash;
  std::vector<std::uint8_t> chunk(1U << 20);
  bool first = true;
  while (true) {
    const auto count = read(file.fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return bad(path, std::string{"cannot be read: "} + std::strerror(errno));
    if (count == 0) break;
    if (std::exchange(first, false)) program.script = count > 1 && chunk[0] == '#' && chunk[1] == '!';
    hash.update(Bytes{chunk}.first(static_cast<std::size_t>(count)));
  }
  program.sha256 = crypto::hex(hash.finish());
  return program;
}

}  // namespace sallyport::config
