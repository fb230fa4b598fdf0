// The few file calls that writer and readers share, with descriptors that close themselves.
#pragma once

#include "base/result.h"

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::trail {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { reset(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

/// "No space left on device (ENOSPC)"
std::string errno_text(int error);

/// A retry_later of this hop: `path`, what was tried, errno's text, and what to do about it.
Error file_error(const std::string& path, const std::string& tried, int error);

/// Names in a directory without "." and "..", sorted. Errors  not_found, retry_later.
Result<std::vector<std::string>> names_in(const std::string& directory);

/// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
Result<std::string> read_at(int fd, const std::string& path, std::uint64_t offset, std::size_t size);

inline bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace sallyport::trail
