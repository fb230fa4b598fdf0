#include "base/file_opener.h"

#include <fcntl.h>

#include <cerrno>

namespace sallyport {

int open_or_ask(const std::string& path, const FileOpener& outside) {
  // O_NONBLOCK: opening a pipe without a writer must not hang; it changes nothing for a regular file.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  return fd < 0 && errno == EACCES && outside ? outside(path) : fd;
}

}  // namespace sallyport
