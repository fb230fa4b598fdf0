// Which processes are served: a child that we started and everything that descends from it.
//
// A pid alone proves nothing, because the kernel gives it to the next process. So a peer is judged with
// a pidfd held over the whole walk up its parents: if it is still alive afterwards, every /proc entry
// read under its pid was its own (threat 6). Start times catch a parent whose pid was given away.
#pragma once

#include "base/result.h"
#include "net/fd.h"

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace sallyport::net {

/// One read of /proc/PID/stat.
struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';
  std::uint64_t start_ticks = 0;  ///< since boot, 100 a second
};

/// Errors  not_found: no such process.  denied: /proc is not readable.
Result<ProcessStat> read_process_stat(pid_t pid);

/// For the trail; empty when the kernel will not say. Not proof of anything: a path can be forged.
std::string executable_of(pid_t pid);

/// Errors  not_found: the process is gone.
Result<UniqueFd> open_pidfd(pid_t pid);

/// False once the process has ended, reaped or not.
bool is_alive(const UniqueFd& pidfd);

/// Our own children that live now. Call with one thread.
std::vector<pid_t> living_children_of_self();

class ServedTree {
 public:
  /// `root` is our child; `start_ticks` tells it from a later owner of its pid. `excluded` are children of
  /// ours outside the tree (the helper): neither they nor what descends from them is served.
  ///
  /// We must be a subreaper (PR_SET_CHILD_SUBREAPER), so that orphans of the tree come to us and are known.
  ServedTree(pid_t root, std::uint64_t start_ticks, std::vector<pid_t> excluded = {});

  /// Whether the process behind `pidfd`, whose pid is `pid`, belongs to the tree. Thread-safe.
  ///
  /// Errors  denied, hop identity: it does not, it is dead, it is not visible here (pid 0), or /proc cannot
  ///         be read.
  Result<void> contains(pid_t pid, const UniqueFd& pidfd) const;

  /// The live processes of the tree now (a snapshot: each may be gone a moment later). Zombies and we ourselves
  /// are not among them. Limit  tree_processes_max.
  ///
  /// `thorough` reads all of /proc, about 10 µs for each process of the machine; `quick` asks the kernel for
  /// children only and may miss some while others end.
  enum class Effort { quick, thorough };
  [[nodiscard]] std::vector<ProcessStat> members(Effort effort = Effort::thorough) const;

  [[nodiscard]] pid_t root() const { return root_; }

  static constexpr std::size_t depth_max = 128;
  static constexpr std::size_t tree_processes_max = 65'536;

 private:
  struct Known {
    pid_t pid;
    std::uint64_t start_ticks;
  };

  enum class Walk { inside, outside, changed };
  Walk walk(ProcessStat at) const;
  [[nodiscard]] bool excluded(pid_t pid) const;
  [[nodiscard]] bool known(const ProcessStat& stat) const;
  void remember(const ProcessStat& stat) const;
  [[nodiscard]] std::vector<ProcessStat> members_by_children() const;

  pid_t root_;
  std::uint64_t root_start_ticks_;
  pid_t self_;
  std::vector<pid_t> excluded_;
  mutable std::mutex mutex_;
  mutable std::vector<Known> known_;  ///< once inside, always inside: parents change only towards us
  mutable std::size_t next_known_ = 0;
};

}  // namespace sallyport::net
