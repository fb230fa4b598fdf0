#include "cli/program_file.h"

#include "base/trusted_file.h"
#include "config/program.h"
#include "net/process_facts.h"

#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace sallyport::cli {

namespace {

/// A scout that is busy says nothing.
constexpr int asked_at_most = 5;

std::optional<policy::ExecutableId> program_of(const net::UnixPeer& peer, net::Scout* scout) {
  if (scout == nullptr) {
    auto facts = net::facts_of(peer.pid, peer.pidfd, {.cgroup = false, .executable = true});
    return facts ? facts->executable : std::nullopt;
  }
  for (int asked = 0; asked < asked_at_most; ++asked) {
    if (auto seen = scout->executable_of(peer.pid, peer.pidfd, peer.uid); seen.id) return seen.id;
  }
  return std::nullopt;
}

}  // namespace

ProgramFile ProgramFile::of_this_process() {
  // As it was called, if that is a whole path: a link to a version's own directory leads to the next one after an
  // upgrade.
  const auto* called = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  struct stat named {};
  struct stat runs {};
  if (called != nullptr && *called == '/' && stat(called, &named) == 0 &&
      stat("/proc/self/exe", &runs) == 0 && named.st_dev == runs.st_dev && named.st_ino == runs.st_ino) {
    return ProgramFile{called};
  }
  std::array<char, PATH_MAX> path{};
  const auto size = readlink("/proc/self/exe", path.data(), path.size());
  return ProgramFile{size > 0 ? std::string{path.data(), static_cast<std::size_t>(size)} : std::string{}};
}

Result<void> ProgramFile::is_run_by(const net::UnixPeer& peer, net::Scout* scout) const {
  const auto denied = [&](std::string what) {
    return Error{ErrorCode::denied,
                 Hop::identity,
                 path_,
                 std::move(what),
                 "Start the program that stands there, or restart Sallyport.",
                 {}};
  };
  if (auto trusted = check_trusted_file(path_); !trusted) return trusted.error();
  struct stat file {};
  if (stat(path_.c_str(), &file) != 0)
    return denied(std::string{"cannot be looked at: "} + std::strerror(errno));
  const auto runs = program_of(peer, scout);
  if (!runs) return denied("which program the process runs that would take over cannot be seen");
  if (*runs != config::id_of(file)) return denied("the process that would take over runs another program");
  return {};
}

}  // namespace sallyport::cli
