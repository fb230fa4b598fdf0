#include "net/sandbox.h"

#include "net/syscall_filter.h"

#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sallyport::net {

namespace {

// ThreadSanitizer has a thread of its own, which does nothing of ours.
#if defined(__SANITIZE_THREAD__)
constexpr std::ptrdiff_t threads_at_start = 2;
#else
constexpr std::ptrdiff_t threads_at_start = 1;
#endif

/// -1: /proc does not say.
std::ptrdiff_t threads_of_self() {
  std::error_code failed;
  const std::filesystem::directory_iterator threads{"/proc/self/task", failed};
  return failed ? -1 : std::distance(begin(threads), end(threads));
}

void confine_files(const std::vector<FileRule>& rules, bool abstract_sockets, SandboxReport& report) {
  const auto version = landlock_version();
  auto scopes = scopes_of_landlock(version);
  scopes.abstract_sockets = scopes.abstract_sockets && abstract_sockets;
  if (version > 0) {
    if (auto entered = enter_landlock(version, rules, scopes); !entered) {
      report.why.push_back(describe(entered.error()));
      report.lacking = lacking_in_landlock(0);
      return;
    }
    report.in_force.emplace_back("files");
    if (scopes.signals) report.in_force.emplace_back("signals");
    if (scopes.abstract_sockets) report.in_force.emplace_back("abstract_sockets");
  }
  report.landlock = version;
  report.lacking = lacking_in_landlock(version);
}

}  // namespace

bool SandboxReport::confines_files() const {
  return std::find(in_force.begin(), in_force.end(), "files") != in_force.end();
}

Result<SandboxReport> enter_sandbox(const std::vector<FileRule>& rules, bool abstract_sockets) {
  if (threads_of_self() > threads_at_start) {
    return Error{ErrorCode::internal, Hop::none, "sandbox", "a second thread runs already", {}, {}};
  }
  SandboxReport report;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    report.why.push_back(std::string{"no_new_privs: "} + std::strerror(errno));
    report.lacking = {"landlock", "seccomp"};
    return report;
  }
  confine_files(rules, abstract_sockets, report);
  if (auto entered = forbid_system_calls()) {
    report.in_force.emplace_back("system_calls");
  } else {
    report.why.push_back(describe(entered.error()));
    report.lacking.emplace_back("seccomp");
  }
  return report;
}

}  // namespace sallyport::net
