// The path is walked component by component with O_PATH descriptors: every check is about the very object
// that the next step goes through, so that nothing can be exchanged between check and use.
#include "base/trusted_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>

namespace sallyport {
namespace {

constexpr int links_max = 40;  // as the kernel
constexpr std::size_t path_bytes_max = 4'096;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error bad(std::string what, std::string hint = {}) {
  return {ErrorCode::bad_config, Hop::config, {}, std::move(what), std::move(hint), {}};
}

std::string mode_text(const struct stat& status) {
  constexpr char digits[] = "01234567";
  const unsigned mode = status.st_mode & 07777u;
  return {digits[mode >> 9 & 7u], digits[mode >> 6 & 7u], digits[mode >> 3 & 7u], digits[mode & 7u]};
}

bool is_ours(const struct stat& status) { return status.st_uid == 0 || status.st_uid == ::geteuid(); }

/// Neither another owner nor another writer; `next_is_directory`: what the path goes on to (for /tmp).
Result<void> check_writers(const struct stat& status, const std::string& path, bool next_is_directory) {
  if (!is_ours(status)) {
    return bad(
        path + " belongs to uid " + std::to_string(status.st_uid) + ", expected root or uid " +
            std::to_string(::geteuid()),
        ::geteuid() == 0
            ? "Whoever owns it can change what Sallyport obeys: give it to root, 0640 with the group of the "
              "service's account; or ask as that account (runuser -u NAME)."
            : "Whoever owns it can change what Sallyport obeys: chown it, or use another place.");
  }
  if ((status.st_mode & 022u) == 0) return {};
  const bool sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if (sticky && next_is_directory) return {};
  const std::string who = (status.st_mode & 02u) != 0 ? "everybody" : "its group";
  return bad(path + " may be written by " + who + " (mode " + mode_text(status) + ")",
             sticky ? "Put the file into a directory of its own there."
                    : "Whoever writes it changes what Sallyport obeys: chmod go-w " + path);
}

/// Walks from the root; keeps the descriptor of the directory it stands in.
class Walk {
 public:
  /// `access`: O_RDONLY, or O_PATH for a file that is only looked at (a program need not be readable).
  Result<Descriptor> to(const std::string& path, int access, const FileOpener& outside = nullptr) {
    if (!path.starts_with('/')) return bad("the path is not absolute", "Write it from the root.");
    if (path.size() > path_bytes_max)
      return bad("the path is longer than " + std::to_string(path_bytes_max) + " bytes");
    push_parts(path);
    if (auto begun = restart(); !begun) return begun.error();
    while (!rest_.empty()) {
      const std::string part = rest_.front();
      rest_.pop_front();
      if (part == ".") continue;
      auto done = step(part);
      if (!done) return done.error();
      if (*done) return open_file(part, access, outside);
    }
    return bad(path + " is a directory, expected a file", "Name the file in it.");
  }

 private:
  void push_parts(const std::string& path) {
    std::deque<std::string> parts;
    for (std::size_t start = 0; start < path.size();) {
      const auto end = std::min(path.find('/', start), path.size());
      if (end > start) parts.push_back(path.substr(start, end - start));
      start = end + 1;
    }
    rest_.insert(rest_.begin(), parts.begin(), parts.end());
  }

  Result<void> restart() {
    at_ = Descriptor{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    here_ = "";
    if (at_.get() < 0) return bad(std::string{"/ cannot be opened: "} + std::strerror(errno));
    return {};
  }

  std::string path_of(const std::string& part) const { return here_ + "/" + part; }

  /// True when `part` is what the path ends in and no link.
  Result<bool> step(const std::string& part) {
    if (part == "..") return step_up();
    const std::string path = path_of(part);
    Descriptor next{::openat(at_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    if (next.get() < 0) return cannot_open(path);
    struct stat status {};
    struct stat parent {};
    if (::fstat(next.get(), &status) != 0 || ::fstat(at_.get(), &parent) != 0) return cannot_open(path);
    const bool directory = S_ISDIR(status.st_mode);
    const bool link = S_ISLNK(status.st_mode);  // its owner is looked at before it is followed
    if (auto checked = check_writers(parent, here_.empty() ? "/" : here_, directory || link); !checked)
      return checked.error();
    if (link) return follow(next, status, path);
    if (!directory && !rest_.empty()) return bad(here_ + "/" + part + " is not a directory");
    if (directory && !is_ours(status)) return check_writers(status, path, true).error();
    if (!directory) return true;
    at_ = std::move(next);
    here_ = path;
    return false;
  }

  /// `here_` holds no links, so its parent is the one that was walked through.
  Result<bool> step_up() {
    Descriptor parent{::openat(at_.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (parent.get() < 0) return cannot_open(here_ + "/..");
    at_ = std::move(parent);
    if (!here_.empty()) here_.erase(here_.rfind('/'));
    return false;
  }

  Result<bool> follow(const Descriptor& link, const struct stat& status, const std::string& path) {
    if (!is_ours(status)) return check_writers(status, path, false).error();
    if (++links_ > links_max)
      return bad(path + ": more than " + std::to_string(links_max) + " links on the way");
    std::string target(path_bytes_max, '\0');
    const auto size = ::readlinkat(link.get(), "", target.data(), target.size());
    if (size <= 0 || static_cast<std::size_t>(size) == target.size()) return cannot_open(path);
    target.resize(static_cast<std::size_t>(size));
    push_parts(target);
    if (target.starts_with('/')) {
      if (auto begun = restart(); !begun) return begun.error();
    }
    return false;
  }

  Result<Descriptor> open_file(const std::string& part, int access, const FileOpener& outside) {
    const std::string path = path_of(part);
    Descriptor file{
        ::openat(at_.get(), part.c_str(), access | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
    if (file.get() < 0 && errno == EACCES && outside) file = open_outside(part, path, outside);
    if (file.get() < 0) return cannot_open(path);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return cannot_open(path);
    if (!S_ISREG(status.st_mode)) return bad(path + " is not a regular file");
    if (auto checked = check_writers(status, path, false); !checked) return checked.error();
    return file;
  }

  /// Whoever opens it goes by its path: it counts if it came to the same file.
  Descriptor open_outside(const std::string& part, const std::string& path, const FileOpener& outside) {
    const Descriptor meant{::openat(at_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    Descriptor opened{outside(path)};
    struct stat wanted {};
    struct stat got {};
    if (opened.get() < 0) return opened;
    if (::fstat(meant.get(), &wanted) == 0 && ::fstat(opened.get(), &got) == 0 &&
        wanted.st_dev == got.st_dev && wanted.st_ino == got.st_ino) {
      return opened;
    }
    errno = EACCES;
    return Descriptor{};
  }

  static Error cannot_open(const std::string& path) {
    const int reason = errno;
    std::string hint;
    if (reason == ENOENT) hint = "Check the name; Sallyport searches no other directory.";
    if (reason == EACCES)
      hint = "Let uid " + std::to_string(::geteuid()) + " read it (chgrp and chmod g+r, not o+w).";
    return bad(path + (reason == ENOENT ? " does not exist"
                                        : std::string{" cannot be opened: "} + std::strerror(reason)),
               hint);
  }

  Descriptor at_;
  std::string here_;  ///< the directory's path; empty: the root
  std::deque<std::string> rest_;
  int links_ = 0;
};

}  // namespace

Result<std::string> read_trusted_file(const std::string& path, std::size_t bytes_max,
                                      const FileOpener& outside) {
  auto file = Walk{}.to(path, O_RDONLY, outside);
  if (!file) return file.error();
  std::string content;
  std::string chunk(65'536, '\0');
  while (true) {
    const auto count = ::read(file->get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return bad(path + " cannot be read: " + std::strerror(errno));
    if (count == 0) return content;
    content.append(chunk, 0, static_cast<std::size_t>(count));
    if (content.size() > bytes_max) {
      Error error = bad(path + " is larger than " + std::to_string(bytes_max) + " bytes",
                        "Check that this is the right file.");
      error.code = ErrorCode::limit_exceeded;
      return error;
    }
  }
}

Result<int> open_trusted_file(const std::string& path, const FileOpener& outside) {
  auto file = Walk{}.to(path, O_RDONLY, outside);
  if (!file) return file.error();
  return file->release();
}

Result<void> check_trusted_file(const std::string& path) {
  auto file = Walk{}.to(path, O_PATH);
  if (!file) return file.error();
  return {};
}

Error located_at(const std::string& path, Error error) {
  if (error.what.starts_with(path + " ")) error.what.erase(0, path.size() + 1);
  error.where = path;
  return error;
}

}  // namespace sallyport
