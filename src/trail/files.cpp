#include "trail/files.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace sallyport::trail {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::string hint_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "Free space on this file system, or point audit.dir at another; no restart is needed.";
    case EFBIG: return "Raise the file size limit of this process (ulimit -f); no restart is needed.";
    case EACCES:
    case EPERM: return "Let this user write there, or point audit.dir at a directory of its own.";
    case EROFS: return "Point audit.dir at a file system that can be written.";
    case ENOENT:
    case ENOTDIR: return "Create the directory, or point audit.dir at one that can be made.";
    case EMFILE:
    case ENFILE: return "Raise the limit of open files (ulimit -n).";
    default: return "Check the file system that audit.dir is on.";
  }
}

}  // namespace

void FileDescriptor::reset() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

std::string errno_text(int error) {
  const char* name = strerrorname_np(error);
  const char* text = strerrordesc_np(error);
  return std::string{text != nullptr ? text : "unknown error"} + " (" + (name != nullptr ? name : "?") + ")";
}

Error file_error(const std::string& path, const std::string& tried, int error) {
  return {ErrorCode::retry_later, Hop::trail, path, "cannot " + tried + ": " + errno_text(error),
          hint_for(error),        ""};
}

Result<std::vector<std::string>> names_in(const std::string& directory) {
  const std::unique_ptr<DIR, CloseDirectory> open{opendir(directory.c_str())};
  if (!open) {
    auto error = file_error(directory, "list the directory", errno);
    if (errno == ENOENT) error.code = ErrorCode::not_found;
    return error;
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(open.get())) {
    const std::string_view name{entry->d_name};
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> read_at(int fd, const std::string& path, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const auto got = pread(fd, bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path, "read", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

}  // namespace sallyport::trail
