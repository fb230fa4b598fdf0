#include "cli/password_file_edit.h"

#include "base/trusted_file.h"
#include "net/fd.h"
#include "policy/password_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

namespace sallyport::cli {

namespace {

Error failed(ErrorCode code, const std::string& path, std::string what, std::string hint = {}) {
  return {code, Hop::none, path, std::move(what), std::move(hint), {}};
}

Error system_error(const std::string& path, const std::string& what) {
  return failed(ErrorCode::internal, path, what + ": " + std::strerror(errno));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// Beside it, then over it. `status`: of the file that is there.
Result<void> replace(const std::string& path, const std::string& text,
                     const std::optional<struct stat>& status) {
  const auto fresh = path + ".new";
  unlink(fresh.c_str());  // of a run that was killed; the directory's lock is ours
  const net::UniqueFd file{open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file.valid()) return system_error(fresh, "cannot be made");
  bool written = write_all(file.get(), text);
  if (status) {
    written = written && fchown(file.get(), status->st_uid, status->st_gid) == 0 &&
              fchmod(file.get(), status->st_mode & 07777U) == 0;
  }
  if (written && fsync(file.get()) == 0 && rename(fresh.c_str(), path.c_str()) == 0) return {};
  auto error = system_error(path, "cannot be written");
  unlink(fresh.c_str());
  return error;
}

}  // namespace

std::string with_line(const std::string& text, const std::string& name, const std::string& line) {
  std::string out;
  bool placed = false;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto old = text.substr(at, end - at);
    const bool own = old.starts_with(name + ":");
    out += (own ? line : old) + "\n";
    placed = placed || own;
    at = end + 1;
  }
  return placed ? out : out + line + "\n";
}

Result<Edit> put_into_password_file(const std::string& path, const std::string& name,
                                    const std::string& line) {
  std::error_code ignored;
  const auto absolute = std::filesystem::absolute(path, ignored).lexically_normal();
  const auto file = absolute.string();
  const net::UniqueFd directory{open(absolute.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!directory.valid()) return system_error(absolute.parent_path().string(), "cannot be opened");
  if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    return failed(ErrorCode::retry_later, file, "another process is changing a file beside it", "Try again");
  }
  struct stat status {};
  const bool exists = lstat(file.c_str(), &status) == 0;
  if (!exists && errno != ENOENT) return system_error(file, "cannot be looked at");
  if (exists && !S_ISREG(status.st_mode))
    return failed(ErrorCode::bad_config, file, "is no regular file",
                  "Name the file itself, not a link to it");
  std::string text;
  Edit edit = Edit::added;
  if (exists) {
    auto content = read_trusted_file(file, policy::password_file_bytes_max);
    if (!content) return located_at(file, content.error());
    const auto known = policy::parse_password_file(*content);
    if (!known)
      return failed(ErrorCode::bad_config, file, known.error().where + " " + known.error().what,
                    known.error().hint);
    if (known->contains(name)) edit = Edit::replaced;
    text = std::move(*content);
  }
  const auto replaced =
      replace(file, with_line(text, name, line), exists ? std::optional{status} : std::nullopt);
  if (!replaced) return replaced.error();
  return edit;
}

}  // namespace sallyport::cli
