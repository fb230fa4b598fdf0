#include "net/attendant.h"

#include "base/secret.h"
#include "net/process_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;  // NOLINT(readability-redundant-declaration): unistd.h has it under _GNU_SOURCE only

namespace sallyport::net {

namespace {

constexpr int end_within_ms = 2000;

/// The block that execve made is this process's own copy: what it holds is gone from here on.
void wipe_environment() {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    wipe_memory(*entry, std::strlen(*entry));
  environ = nullptr;
}

}  // namespace

Result<Attendant> fork_attendant(const char* what,
                                 const std::function<void(UniqueFd socket, pid_t parent)>& life) {
  const auto failed = [&](const char* step) {
    return Error{
        ErrorCode::internal, Hop::none, what, std::string{step} + ": " + std::strerror(errno), {}, {}};
  };
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return failed("socketpair");
  UniqueFd ours{ends[0]};
  UniqueFd theirs{ends[1]};
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return failed("fork");
  if (pid == 0) {
    ours.reset();
    life(std::move(theirs), parent);
    _exit(0);
  }
  auto process = open_pidfd(pid);
  if (process.has_error()) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return process.error();
  }
  return Attendant{pid, std::move(*process), std::move(ours)};
}

void end_attendant(Attendant& attendant) {
  attendant.socket.reset();
  if (!attendant.process.valid()) return;  // it is no child of ours
  pollfd ended{attendant.process.get(), POLLIN, 0};
  const bool late = poll(&ended, 1, end_within_ms) == 0;
  // From inside the sandbox nobody outside can be killed. It ends when it next looks at its socket.
  if (late && syscall(SYS_pidfd_send_signal, attendant.process.get(), SIGKILL, nullptr, 0) != 0) return;
  waitid(P_PIDFD, static_cast<id_t>(attendant.process.get()), nullptr, WEXITED);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

void leave_the_brokers_world(UniqueFd socket, pid_t parent, const char* name) {
  wipe_environment();
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it died before the line above
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, name);
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  reset_signals();
  // A service manager signals all processes of a unit; the broker drains and may still need us.
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) std::signal(number, SIG_IGN);
  umask(077);
  if (chdir("/") != 0) _exit(0);
  const int nothing = open("/dev/null", O_RDWR);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, standard);
  if (socket.get() != attendant_socket) {
    dup3(socket.get(), attendant_socket, O_CLOEXEC);
  } else {
    [[maybe_unused]] const int same = socket.release();
  }
  close_range(attendant_socket + 1, ~0U, 0);
}

}  // namespace sallyport::net
