#include "net/process_facts.h"

#include "net/process_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace sallyport::net {

namespace {

constexpr std::size_t file_bytes_max = 16'384;

std::string path_of(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

/// Empty: it cannot be read.
std::string content_of(const std::string& path) {
  const UniqueFd file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string content(file_bytes_max, '\0');
  std::size_t size = 0;
  while (file.valid() && size < content.size()) {
    const auto count = read(file.get(), content.data() + size, content.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  content.resize(size);
  return content;
}

std::string link_of(const std::string& path) {
  std::array<char, 128> target{};
  const auto size = readlink(path.c_str(), target.data(), target.size());
  return size > 0 ? std::string{target.data(), static_cast<std::size_t>(size)} : std::string{};
}

/// Of user ids; we never enter another one.
struct OwnNamespace {
  std::string link = link_of("/proc/self/ns/user");
  std::string map = content_of("/proc/self/uid_map");
};

// The link names the namespace, but shows only with the right to trace the process. Without that the map of its users
// tells: one like ours, in another namespace, can be made by nobody but root here.
bool is_namespaced(pid_t pid) {
  // Asked at every connection, and read once; again if it could not be read, as without a free descriptor.
  thread_local OwnNamespace own;
  if (own.map.empty()) own = OwnNamespace{};
  const auto its = link_of(path_of(pid, "ns/user"));
  if (!own.link.empty() && !its.empty()) return own.link != its;
  const auto map = content_of(path_of(pid, "uid_map"));
  return map.empty() || map != own.map;
}

std::optional<policy::ExecutableId> executable_file_of(pid_t pid) {
  struct statx status {};
  constexpr unsigned wanted = STATX_INO | STATX_SIZE | STATX_CTIME;
  // Through the link to the file that runs, wherever paths lead by now. As the kernel knows it: the file system may be
  // the peer's own (FUSE), and answer when it likes.
  if (statx(AT_FDCWD, path_of(pid, "exe").c_str(), AT_STATX_DONT_SYNC, wanted, &status) != 0) return {};
  if ((status.stx_mask & wanted) != wanted) return {};
  return policy::ExecutableId{
      makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino, status.stx_size,
      std::int64_t{status.stx_ctime.tv_sec} * 1'000'000'000 + status.stx_ctime.tv_nsec};
}

}  // namespace

Result<ProcessFacts> facts_of(pid_t pid, const UniqueFd& pidfd, WantedFacts wanted) {
  ProcessFacts facts;
  if (wanted.user_namespace) facts.namespaced = is_namespaced(pid);
  if (wanted.cgroup) facts.cgroup = policy::parse_cgroup(content_of(path_of(pid, "cgroup")));
  if (wanted.executable) facts.executable = executable_file_of(pid);
  if (is_alive(pidfd)) return facts;
  return Error{
      ErrorCode::denied, Hop::identity, "peer process", "the process that connected has ended", {}, {}};
}

}  // namespace sallyport::net
