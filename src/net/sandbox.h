// Everything that a process gives up before its first thread: files (Landlock), signals and abstract sockets of others
// (Landlock), system calls (seccomp), new privileges. Step by step, as far as the kernel goes; what it lacks is named.
#pragma once

#include "net/landlock.h"

namespace sallyport::net {

struct SandboxReport {
  int landlock = 0;                   ///< version of the kernel's; 0: none
  std::vector<std::string> in_force;  ///< `files`, `signals`, `abstract_sockets`, `system_calls`
  std::vector<std::string> lacking;   ///< as lacking_in_landlock(), and `seccomp`
  std::vector<std::string> why;       ///< the kernel's words for what it refused

  [[nodiscard]] bool confines_files() const;
};

/// For ever. `abstract_sockets`: those of other processes are given up, too.
///
/// Errors  internal: there is a second thread, which would stay free.
Result<SandboxReport> enter_sandbox(const std::vector<FileRule>& rules, bool abstract_sockets);

}  // namespace sallyport::net
