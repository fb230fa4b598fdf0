// What /proc says of a process that we hold by a pidfd, beside its user: program, control group, user namespace.
//
// /proc goes by pid, and pids are given away. Each fact is read between two looks at the pidfd: if the process lives
// after the reading, what was read was its own (threat 6).
#pragma once

#include "base/result.h"
#include "net/fd.h"
#include "policy/process_identity.h"

#include <sys/types.h>

#include <optional>
#include <string>

namespace sallyport::net {

struct ProcessFacts {
  /// Of another user namespace than ours, where it may be whoever it likes; also when that cannot be seen.
  bool namespaced = true;
  std::string cgroup;                              ///< empty: not read, or not to be seen
  std::optional<policy::ExecutableId> executable;  ///< none: likewise
};

struct WantedFacts {
  bool cgroup = false, executable = false;
  bool user_namespace = true;  ///< false: known already, `namespaced` says nothing

  [[nodiscard]] bool any() const { return cgroup || executable || user_namespace; }
};

/// Errors  denied, hop identity: it has ended.
Result<ProcessFacts> facts_of(pid_t pid, const UniqueFd& pidfd, WantedFacts wanted);

}  // namespace sallyport::net
