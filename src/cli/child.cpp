#include "cli/child.h"

#include "net/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace sallyport::cli {

namespace {

// What we were started with, for the child: process-wide by nature, set once in main's thread.
struct Inherited {
  rlimit core{RLIM_INFINITY, RLIM_INFINITY};
  std::optional<rlimit> files{};  // set once ours was raised
  sigset_t mask{};
  std::array<bool, NSIG> ignored{};  // nohup's SIGHUP, say: the child must not die of it either
};
Inherited inherited;

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGCONT, SIGCHLD, SIGWINCH}) {
    sigaddset(&set, number);
  }
  return set;
}

// Finds the program as execvp would, before forking: the child may only make async-signal-safe calls.
Result<std::string> find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) return name;
  bool seen = false;
  std::size_t at = 0;
  while (at <= path.size()) {
    const auto colon = std::min(path.find(':', at), path.size());
    const auto directory = path.substr(at, colon - at);
    const auto candidate = (directory.empty() ? "." : directory) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    seen = seen || access(candidate.c_str(), F_OK) == 0;
    at = colon + 1;
  }
  if (seen) return Error{ErrorCode::denied, Hop::child, name, "is not executable", "chmod +x it", {}};
  return Error{ErrorCode::not_found,          Hop::child, name, "no such program in PATH",
               "Check the command behind --", {}};
}

[[noreturn]] void become_program(const char* program, char* const* argv, char* const* environment,
                                 int error_pipe) {
  setrlimit(RLIMIT_CORE, &inherited.core);
  if (inherited.files) setrlimit(RLIMIT_NOFILE, &*inherited.files);
  struct sigaction action {};
  for (int number = 1; number < NSIG; ++number) {
    action.sa_handler = inherited.ignored[static_cast<std::size_t>(number)] ? SIG_IGN : SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &inherited.mask, nullptr);
  execve(program, argv, environment);
  const int error = errno;
  (void)!write(error_pipe, &error, sizeof error);
  _exit(127);
}

// From the terminal the whole foreground process group gets it, the child too.
bool from_terminal(const siginfo_t& info) { return info.si_code == SI_KERNEL; }

}  // namespace

void remember_start() {
  getrlimit(RLIMIT_CORE, &inherited.core);
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    inherited.ignored[static_cast<std::size_t>(number)] =
        sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  }
}

void block_child_signals() {
  const auto set = our_signals();
  sigprocmask(SIG_BLOCK, &set, &inherited.mask);
  signal(SIGPIPE, SIG_IGN);
  // Started by somebody who ignores it, we would never hear that the child has ended.
  signal(SIGCHLD, SIG_DFL);
}

std::size_t raise_descriptor_limit() {
  rlimit now{};
  if (getrlimit(RLIMIT_NOFILE, &now) != 0) return 1024;
  const auto before = now;
  now.rlim_cur = now.rlim_max;
  if (before.rlim_cur != now.rlim_max && setrlimit(RLIMIT_NOFILE, &now) == 0) {
    inherited.files = before;
    return now.rlim_cur;
  }
  return before.rlim_cur;
}

std::optional<int> take_end_signal() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  const timespec at_once{0, 0};
  const auto number = sigtimedwait(&set, nullptr, &at_once);
  if (number <= 0) return std::nullopt;
  return number;
}

Result<Child> start_child(const std::vector<std::string>& command, const Environment& environment,
                          const std::function<void(const Child&)>& before_exec) {
  // Without PATH as execvp has it, and never the working directory.
  auto program = find_program(
      command.front(), environment.has("PATH") ? environment.plain("PATH") : std::string{"/bin:/usr/bin"});
  if (!program) return program.error();
  const auto block = environment.block();
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);

  int errors[2], go[2];
  if (pipe2(errors, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) {
    return Error{ErrorCode::internal, Hop::child, command.front(), std::strerror(errno), {}, {}};
  }
  net::UniqueFd error_in{errors[0]}, error_out{errors[1]}, go_in{go[0]}, go_out{go[1]};
  const auto child = fork();
  if (child < 0)
    return Error{ErrorCode::retry_later, Hop::child, command.front(), std::strerror(errno), {}, {}};
  if (child == 0) {
    // Not before the broker knows whom it serves; never if we have died meanwhile.
    go_out.reset();
    std::uint8_t byte = 0;
    if (read(go_in.get(), &byte, 1) != 1) _exit(127);
    become_program(program->c_str(), argv.data(), block.pointers.data(), error_out.get());
  }
  error_out.reset();
  Child started{child, 0};
  if (const auto stat = net::read_process_stat(child)) started.start_ticks = stat->start_ticks;
  before_exec(started);
  (void)!write(go_out.get(), "g", 1);
  int error = 0;
  if (read(error_in.get(), &error, sizeof error) == sizeof error) {
    waitpid(child, nullptr, 0);
    const auto missing = error == ENOENT || error == ENOTDIR;
    return Error{missing ? ErrorCode::not_found : ErrorCode::denied,
                 Hop::child,
                 command.front(),
                 missing ? "no such program" : std::string{"cannot be executed: "} + std::strerror(error),
                 missing ? "Check the command behind --" : "Check its mode and its first line (#!)",
                 {}};
  }
  return started;
}

ChildEnd wait_for_child(const Child& child, const ChildCallbacks& callbacks) {
  const auto set = our_signals();
  while (true) {
    siginfo_t info{};
    const timespec second{1, 0};
    const auto number = sigtimedwait(&set, &info, &second);
    if (number < 0) {
      if (callbacks.on_tick) callbacks.on_tick();
      continue;
    }
    if (number == SIGCHLD) {
      int status = 0;
      for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (ended != child.pid) continue;  // an orphan of the child's that came to us
        return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
      }
      continue;
    }
    if (!from_terminal(info)) kill(child.pid, number);
    if (number == SIGTSTP) raise(SIGSTOP);  // so that the shell gets its terminal back
    if (number == SIGCONT && callbacks.on_continued) callbacks.on_continued();
  }
}

void wait_for_tree(const net::ServedTree& tree) {
  const auto set = our_signals();
  while (true) {
    const auto members = tree.members();
    if (members.empty()) return;
    siginfo_t info{};
    const timespec pause{0, 200'000'000};
    const auto number = sigtimedwait(&set, &info, &pause);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
    if (number <= 0 || number == SIGCHLD || from_terminal(info)) continue;
    for (const auto& member : members) kill(member.pid, number);
  }
}

}  // namespace sallyport::cli
