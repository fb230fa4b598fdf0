#include "cli/secret_output.h"

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

Error cannot_be_written(const std::string& path, std::string hint) {
  return cannot(path, std::string{"cannot be written: "} + std::strerror(errno), std::move(hint));
}

Result<void> write_all(int fd, const WipedBytes& bytes, const std::string& path) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto written = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return cannot_be_written(path, {});
    at += static_cast<std::size_t>(written);
  }
  return {};
}

}  // namespace

Result<SecretOutput> SecretOutput::open(const std::string& path) {
  if (path.empty()) return SecretOutput{{}, {}, false};
  constexpr int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  net::UniqueFd file{::open(path.c_str(), flags)};
  const bool missing = !file.valid() && errno == ENOENT;
  if (missing) file.reset(::open(path.c_str(), flags | O_CREAT | O_EXCL, 0600));
  if (!file.valid()) return cannot_be_written(path, "Give -o another file");
  SecretOutput out{path, std::move(file), missing};
  struct stat info {};
  if (fstat(out.file_.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & 0077U) != 0) {
    return cannot(path, "is no file of ours that nobody else may read",
                  "Remove it, or chmod 600 it: a secret is about to be written there");
  }
  return out;
}

SecretOutput::~SecretOutput() {
  if (file_.valid() && made_) unlink(path_.c_str());
}

Result<void> SecretOutput::write(const WipedBytes& bytes) {
  if (!file_.valid()) return write_all(STDOUT_FILENO, bytes, "standard output");
  if (ftruncate(file_.get(), 0) != 0) return cannot_be_written(path_, {});
  auto written = write_all(file_.get(), bytes, path_);
  if (written) made_ = false;
  return written;
}

bool SecretOutput::is_terminal() const { return !file_.valid() && isatty(STDOUT_FILENO) == 1; }

}  // namespace sallyport::cli
