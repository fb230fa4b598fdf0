#include "net/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace sallyport::net {

namespace {

constexpr int walks_max = 4;  // parents may change under a walk; then it starts again
constexpr std::size_t known_max = 256;

Error fault(ErrorCode code, std::string what, std::string hint = {}) {
  return {code, Hop::identity, "peer process", std::move(what), std::move(hint), {}};
}

/// Field `index` (0 is the state) of what follows the command name, which is in parentheses and may hold
/// anything, parentheses and newlines too: so the last ')' ends it.
std::optional<ProcessStat> parse_stat(std::string_view text) {
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string_view::npos || end_of_name + 2 >= text.size()) return {};
  ProcessStat stat;
  stat.state = text[end_of_name + 2];
  std::string_view rest = text.substr(end_of_name + 3);
  constexpr int parent_field = 1;
  constexpr int start_time_field = 19;
  for (int field = 1; field <= start_time_field; ++field) {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return {};
    rest.remove_prefix(begin);
    const auto size = std::min(rest.find(' '), rest.size());
    const auto* last = rest.data() + size;
    if (field == parent_field && std::from_chars(rest.data(), last, stat.parent).ec != std::errc{}) return {};
    if (field == start_time_field && std::from_chars(rest.data(), last, stat.start_ticks).ec != std::errc{})
      return {};
    rest.remove_prefix(size);
  }
  return stat;
}

struct DirectoryClose {
  void operator()(DIR* directory) const { closedir(directory); }
};

/// All processes that can be seen, by pid.
std::map<pid_t, ProcessStat> all_processes() {
  std::map<pid_t, ProcessStat> found;
  const std::unique_ptr<DIR, DirectoryClose> proc{opendir("/proc")};
  while (proc != nullptr && found.size() < ServedTree::tree_processes_max) {
    const dirent* entry = readdir(proc.get());
    if (entry == nullptr) break;
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto parsed = std::from_chars(entry->d_name, end, pid);
    if (parsed.ec != std::errc{} || parsed.ptr != end) continue;
    if (auto stat = read_process_stat(pid); stat.has_value()) found.emplace(pid, *stat);
  }
  return found;
}

/// Of all its threads, from the lists that the kernel keeps; empty where it was built without them.
std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  const std::unique_ptr<DIR, DirectoryClose> threads{opendir(tasks.c_str())};
  while (threads != nullptr) {
    const dirent* entry = readdir(threads.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] == '.') continue;
    std::ifstream list{tasks + "/" + entry->d_name + "/children"};
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

bool has_ended(const ProcessStat& stat) {
  return stat.state == 'Z' || stat.state == 'X' || stat.state == 'x';
}

}  // namespace

Result<ProcessStat> read_process_stat(pid_t pid) {
  if (pid <= 0) return fault(ErrorCode::denied, "the process is not visible here (another pid namespace)");
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const UniqueFd fd{open(path, O_RDONLY | O_CLOEXEC)};
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ESRCH) return fault(ErrorCode::not_found, "the process has ended");
    return fault(ErrorCode::denied, std::string{"/proc cannot be read: "} + std::strerror(errno),
                 "Mount /proc of this pid namespace, without hidepid for this user.");
  }
  char text[1024];  // the line has about 350 bytes, 52 fields of at most 20 digits
  const auto size = read(fd.get(), text, sizeof text);
  if (size <= 0) return fault(ErrorCode::not_found, "the process has ended");
  auto stat = parse_stat({text, static_cast<std::size_t>(size)});
  if (!stat)
    return fault(ErrorCode::denied, "/proc/PID/stat has an unknown form",
                 "This is a defect: report the kernel's version.");
  stat->pid = pid;
  return *stat;
}

std::vector<pid_t> living_children_of_self() {
  const auto self = getpid();
  std::vector<pid_t> living;
  if (std::ifstream{"/proc/thread-self/children"}.good()) {
    for (const auto pid : children_of(self)) {
      const auto stat = read_process_stat(pid);
      if (stat && !has_ended(*stat)) living.push_back(pid);
    }
    return living;
  }
  for (const auto& [pid, stat] : all_processes()) {
    if (stat.parent == self && !has_ended(stat)) living.push_back(pid);
  }
  return living;
}

std::string executable_of(pid_t pid) {
  char link[32];
  std::snprintf(link, sizeof link, "/proc/%d/exe", pid);
  char target[PATH_MAX];
  const auto size = readlink(link, target, sizeof target);
  return size <= 0 ? std::string{} : std::string{target, static_cast<std::size_t>(size)};
}

Result<UniqueFd> open_pidfd(pid_t pid) {
  if (pid <= 0) return fault(ErrorCode::denied, "the process is not visible here (another pid namespace)");
  UniqueFd pidfd{static_cast<int>(syscall(SYS_pidfd_open, pid, 0U))};  // close-on-exec by nature
  if (pidfd.valid()) return pidfd;
  if (errno == ESRCH || errno == EINVAL) return fault(ErrorCode::not_found, "the process has ended");
  if (errno == ENOSYS) {
    return fault(ErrorCode::denied, "this kernel has no pidfd_open", "Linux 5.3 or later is needed.");
  }
  return fault(ErrorCode::retry_later, std::string{"no pidfd: "} + std::strerror(errno));
}

bool is_alive(const UniqueFd& pidfd) {
  pollfd ended{pidfd.get(), POLLIN, 0};
  return pidfd.valid() && poll(&ended, 1, 0) == 0;
}

ServedTree::ServedTree(pid_t root, std::uint64_t start_ticks, std::vector<pid_t> excluded)
    : root_(root), root_start_ticks_(start_ticks), self_(getpid()), excluded_(std::move(excluded)) {}

bool ServedTree::excluded(pid_t pid) const { return std::ranges::find(excluded_, pid) != excluded_.end(); }

/// One walk from `at` to its ancestors. `changed`: a parent ended or its pid was given away meanwhile, so
/// that the walk says nothing and is repeated.
ServedTree::Walk ServedTree::walk(ProcessStat at) const {
  for (std::size_t depth = 0; depth < depth_max; ++depth) {
    if (excluded(at.pid) || at.pid == self_) return Walk::outside;
    if (at.pid == root_ && at.start_ticks == root_start_ticks_) return Walk::inside;
    if (at.parent == self_) return Walk::inside;  // an orphan of the tree: we are its subreaper
    if (at.parent <= 1) return Walk::outside;
    const auto parent = read_process_stat(at.parent);
    if (parent.has_error())
      return parent.error().code == ErrorCode::not_found ? Walk::changed : Walk::outside;
    // A parent is never younger than its child: then it is a stranger under the parent's old pid.
    if (parent->start_ticks > at.start_ticks) return Walk::changed;
    if (parent->start_ticks == at.start_ticks) {
      // Within one tick the times prove nothing; that the child still names this parent does.
      const auto again = read_process_stat(at.pid);
      if (again.has_error() || again->parent != at.parent || again->start_ticks != at.start_ticks)
        return Walk::changed;
    }
    at = *parent;
  }
  return Walk::outside;
}

bool ServedTree::known(const ProcessStat& stat) const {
  const std::lock_guard lock{mutex_};
  return std::ranges::any_of(known_, [&](const Known& entry) {
    return entry.pid == stat.pid && entry.start_ticks == stat.start_ticks;
  });
}

void ServedTree::remember(const ProcessStat& stat) const {
  const std::lock_guard lock{mutex_};
  const Known entry{stat.pid, stat.start_ticks};
  if (known_.size() < known_max) {
    known_.push_back(entry);
  } else {
    known_[next_known_++ % known_max] = entry;
  }
}

Result<void> ServedTree::contains(pid_t pid, const UniqueFd& pidfd) const {
  const Error outside = fault(ErrorCode::denied, "is not the command that is served, nor started by it",
                              "Only the command given to exec, and what it starts, may use this connection.");
  for (int attempt = 0; attempt < walks_max; ++attempt) {
    const auto stat = read_process_stat(pid);
    if (stat.has_error())
      return Error{ErrorCode::denied, Hop::identity,     stat.error().where,
                   stat.error().what, stat.error().hint, {}};
    const auto verdict = known(*stat) ? Walk::inside : walk(*stat);
    // Alive now means alive throughout, so what was read under this pid was about this process.
    if (!is_alive(pidfd)) return fault(ErrorCode::denied, "the process has ended");
    if (verdict == Walk::outside) return outside;
    if (verdict == Walk::inside) {
      remember(*stat);
      return {};
    }
  }
  return outside;
}

std::vector<ProcessStat> ServedTree::members_by_children() const {
  std::vector<ProcessStat> found;
  std::vector<pid_t> left{root_};
  std::ranges::copy(children_of(self_), std::back_inserter(left));
  std::set<pid_t> seen;
  while (!left.empty() && found.size() < tree_processes_max) {
    const pid_t pid = left.back();
    left.pop_back();
    if (pid == self_ || excluded(pid) || !seen.insert(pid).second) continue;
    const auto stat = read_process_stat(pid);
    if (stat.has_error() || has_ended(*stat)) continue;
    if (pid == root_ && stat->start_ticks != root_start_ticks_) continue;
    found.push_back(*stat);
    std::ranges::copy(children_of(pid), std::back_inserter(left));
  }
  return found;
}

std::vector<ProcessStat> ServedTree::members(Effort effort) const {
  if (effort == Effort::quick) return members_by_children();
  const auto processes = all_processes();
  std::map<pid_t, bool> inside;  // memo; also breaks circles that a changing /proc may show
  const auto belongs = [&](const auto& self, const ProcessStat& at, std::size_t depth) -> bool {
    if (excluded(at.pid) || at.pid == self_ || depth > depth_max) return false;
    if (at.pid == root_ && at.start_ticks == root_start_ticks_) return true;
    if (at.parent == self_) return true;
    if (const auto memo = inside.find(at.pid); memo != inside.end()) return memo->second;
    inside[at.pid] = false;
    const auto parent = processes.find(at.parent);
    const bool verdict = parent != processes.end() && parent->second.start_ticks <= at.start_ticks &&
                         self(self, parent->second, depth + 1);
    return inside[at.pid] = verdict;
  };
  std::vector<ProcessStat> found;
  for (const auto& [pid, stat] : processes) {
    if (has_ended(stat) || !belongs(belongs, stat, 0)) continue;
    found.push_back(stat);
  }
  return found;
}

}  // namespace sallyport::net
