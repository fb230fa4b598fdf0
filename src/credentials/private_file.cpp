#include "credentials/private_file.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::credentials {

namespace {

/// mkdir for each missing part. Only what we make ourselves gets a mode from us.
bool make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (slash == std::string::npos) return true;
  }
}

}  // namespace

Error file_error(std::string_view where, std::string_view what, int error_number) {
  return {ErrorCode::internal,
          Hop::none,
          std::string(where),
          std::string(what) + ": " + std::generic_category().message(error_number),
          "",
          ""};
}

Result<UniqueFd> open_private_directory(const std::string& path) {
  if (path.empty() || path[0] != '/') {
    return Error{ErrorCode::bad_config,     Hop::config,           path,
                 "is not an absolute path", "Give the full path.", ""};
  }
  if (!make_directories(path)) return file_error(path, "the directory cannot be made", errno);
  UniqueFd directory{open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!directory.valid()) {
    Error error = file_error(path, "the directory cannot be opened", errno);
    error.code = ErrorCode::bad_config;
    return error;
  }
  struct stat facts {};
  if (fstat(directory.get(), &facts) != 0) return file_error(path, "cannot be examined", errno);
  if (facts.st_uid != geteuid()) {
    return Error{
        ErrorCode::bad_config,
        Hop::config,
        path,
        "belongs to uid " + std::to_string(facts.st_uid) + ", not to us (" + std::to_string(geteuid()) + ")",
        "Choose a directory of this user's.",
        ""};
  }
  if ((facts.st_mode & 0077) != 0) {
    return Error{ErrorCode::bad_config,   Hop::config, path, "is open to other users",
                 "Run: chmod 700 on it.", ""};
  }
  return directory;
}

bool try_lock(const UniqueFd& file) { return flock(file.get(), LOCK_EX | LOCK_NB) == 0; }

bool is_still_named(const UniqueFd& directory, const std::string& name, const UniqueFd& file) {
  struct stat named {
  }, opened{};
  return fstatat(directory.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(file.get(), &opened) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

bool is_private_file(const UniqueFd& file) {
  struct stat facts {};
  return fstat(file.get(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_uid == geteuid() &&
         (facts.st_mode & 0077) == 0 && facts.st_nlink == 1;
}

std::vector<std::string> names_ending_in(const UniqueFd& directory, std::string_view suffix,
                                         std::size_t count_max) {
  std::vector<std::string> names;
  // fdopendir takes the descriptor over, so it gets one of its own.
  const int own = openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream{fdopendir(own), &closedir};
  if (!stream) {
    close(own);
    return names;
  }
  while (const dirent* entry = readdir(stream.get())) {
    if (std::string_view{entry->d_name}.ends_with(suffix)) names.emplace_back(entry->d_name);
    if (names.size() >= count_max) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::uint8_t>> read_from_start(const UniqueFd& file, std::size_t bytes_max) {
  std::vector<std::uint8_t> bytes;
  constexpr std::size_t chunk_bytes = 65'536;
  while (bytes.size() < bytes_max) {
    const std::size_t have = bytes.size();
    bytes.resize(have + std::min(chunk_bytes, bytes_max - have));
    const ssize_t got = pread(file.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno != EINTR) return file_error("journal", "cannot be read", errno);
    bytes.resize(have + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) break;
  }
  return bytes;
}

Result<void> append(const UniqueFd& file, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_error(name, "cannot be written", written < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace sallyport::credentials
