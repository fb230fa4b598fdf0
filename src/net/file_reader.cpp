#include "net/file_reader.h"

#include "base/trusted_file.h"
#include "net/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, const std::string& path, std::string what, std::string hint = {}) {
  return {code, Hop::secret_source, path, std::move(what), std::move(hint), {}};
}

Error open_error(const std::string& path, int reason) {
  switch (reason) {
    case ENOENT:
    case ENOTDIR:
      return fault(ErrorCode::not_found, path, "there is no such file",
                   "Check the path, and that the volume or mount with it is there.");
    case EACCES:
    case EPERM:
      return fault(ErrorCode::denied, path, "may not be read by uid " + std::to_string(geteuid()),
                   "Make it readable for that user: chown " + std::to_string(geteuid()) + " " + path +
                       ", and let it into the directories above.");
    case ELOOP:
      return fault(ErrorCode::bad_config, path, "is a circle of symbolic links", "Name a regular file.");
    case EMFILE:
    case ENFILE:
      return fault(ErrorCode::retry_later, path, "no file descriptor is free",
                   "Raise LimitNOFILE or ulimit -n.");
    default:
      return fault(ErrorCode::retry_later, path, "cannot be opened: " + std::string{std::strerror(reason)});
  }
}

std::string octal(mode_t mode) {
  std::string text = "0000";
  for (int i = 3; i >= 0; --i, mode >>= 3)
    text[static_cast<std::size_t>(i)] = static_cast<char>('0' + (mode & 7));
  return text;
}

Result<void> check_private(const std::string& path, const struct stat& info) {
  const mode_t mode = info.st_mode & 07777;
  if ((mode & 0006) != 0) {
    return fault(ErrorCode::bad_config, path,
                 "holds a secret, but its mode " + octal(mode) + " lets every user " +
                     ((mode & 0004) != 0 ? "read" : "write") + " it",
                 "Run: chmod o-rwx " + path);
  }
  if ((mode & 0020) != 0 && info.st_gid != 0) {
    return fault(ErrorCode::bad_config, path,
                 "holds a secret, but its mode " + octal(mode) + " lets group " +
                     std::to_string(info.st_gid) + " write it",
                 "Run: chmod g-w " + path);
  }
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return fault(ErrorCode::bad_config, path,
                 "belongs to uid " + std::to_string(info.st_uid) +
                     ", who can change it; expected root or uid " + std::to_string(geteuid()),
                 "Run: chown " + std::to_string(geteuid()) + " " + path);
  }
  return {};
}

Result<void> check_kind(const std::string& path, const struct stat& info, FileTrust trust) {
  if (S_ISDIR(info.st_mode)) {
    return fault(ErrorCode::bad_config, path, "is a directory, not a file", "Name the file inside it.");
  }
  if (S_ISFIFO(info.st_mode)) return {};  // an unnamed pipe has no mode of its own; a named one is read once
  if (!S_ISREG(info.st_mode)) {
    return fault(ErrorCode::bad_config, path, "is neither a regular file nor a pipe", "Name a regular file.");
  }
  if (trust == FileTrust::is_private) return check_private(path, info);
  return {};
}

/// A pipe that whoever started us left open (`<(…)` of a shell) has no place where others could write.
bool is_inherited_pipe(const std::string& path, const struct stat& info) {
  const auto slash = path.rfind('/') + 1;
  const auto folder = std::string_view{path}.substr(0, slash);
  return S_ISFIFO(info.st_mode) && (folder == "/dev/fd/" || folder == "/proc/self/fd/");
}

/// What is read is what was checked, not what was opened before.
Result<UniqueFd> reopened_as_trusted(const std::string& path, const FileOpener& outside) {
  auto fd = open_trusted_file(path, outside);
  if (fd) return UniqueFd{*fd};
  auto error = located_at(path, std::move(fd).error());
  error.hop = Hop::secret_source;
  return error;
}

Error too_large(const std::string& path, std::size_t limit) {
  return fault(ErrorCode::limit_exceeded, path,
               "is larger than the limit of " + std::to_string(limit) + " bytes",
               "Check that it is the right file.");
}

/// A pipe opened without waiting has no writer at first: an empty read then means "not yet".
Result<void> wait_for_pipe(const std::string& path, int fd, MonotonicTime deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  pollfd wait{fd, POLLIN, 0};
  const auto left_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  if (left_ms <= 0 || poll(&wait, 1, static_cast<int>(left_ms)) == 0) {
    return fault(
        ErrorCode::timed_out, path,
        "nothing was written to this pipe, or it was not closed, within " + format_duration(fifo_deadline));
  }
  return {};
}

Result<Secret> read_all(const std::string& path, int fd, const struct stat& info, std::size_t bytes_max) {
  const bool pipe = S_ISFIFO(info.st_mode);
  if (!pipe && info.st_size > 0 && static_cast<std::size_t>(info.st_size) > bytes_max) {
    return too_large(path, bytes_max);
  }
  // One byte more than allowed, so that "exactly at the limit" and "above" differ; sizes in /proc are 0.
  const bool size_known = !pipe && info.st_size > 0;
  auto secret = Secret::of_size((size_known ? static_cast<std::size_t>(info.st_size) : bytes_max) + 1);
  const auto deadline = std::chrono::steady_clock::now() + fifo_deadline;
  std::size_t filled = 0;
  while (filled < secret.size()) {
    if (pipe) {
      if (auto ready = wait_for_pipe(path, fd, deadline); ready.has_error()) return ready.error();
    }
    const auto got = read(fd, secret.writable().data() + filled, secret.size() - filled);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0)
      return fault(ErrorCode::retry_later, path, "cannot be read: " + std::string{std::strerror(errno)});
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  if (filled > bytes_max) return too_large(path, bytes_max);
  if (filled == secret.size()) {
    return fault(ErrorCode::retry_later, path, "grew while it was read",
                 "Write a new file and rename it over the old one.");
  }
  secret.shrink(filled);
  return secret;
}

}  // namespace

Result<Secret> read_file(const ReadFile& request, const FileOpener& outside) {
  if (request.path.empty() || request.path.find('\0') != std::string::npos) {
    return fault(ErrorCode::bad_config, "", "the path is empty or holds a zero byte");
  }
  UniqueFd fd{open_or_ask(request.path, outside)};
  if (!fd.valid()) return open_error(request.path, errno);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return open_error(request.path, errno);
  if (auto kind = check_kind(request.path, info, request.trust); kind.has_error()) return kind.error();
  if (request.trust == FileTrust::only_we_write && !is_inherited_pipe(request.path, info)) {
    auto trusted = reopened_as_trusted(request.path, outside);
    if (!trusted) return std::move(trusted).error();
    fd = std::move(*trusted);
    if (fstat(fd.get(), &info) != 0) return open_error(request.path, errno);
  }
  return read_all(request.path, fd.get(), info, request.bytes_max);
}

}  // namespace sallyport::net
