#include "cli/init_process.h"

#include "base/secret.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace sallyport::cli {

namespace {

bool is_for_the_broker(int number) {
  return number != SIGCHLD && number != SIGTTIN && number != SIGTTOU && number != SIGTSTP;
}

// What the broker was told is in our environment too, and in /proc/1/environ for whoever runs below us.
void forget_environment() {
  prctl(PR_SET_DUMPABLE, 0);
  for (char** entry = environ; *entry != nullptr; ++entry) wipe_memory(*entry, std::strlen(*entry));
}

}  // namespace

std::optional<int> stay_behind_as_init() {
  if (getpid() != 1) return std::nullopt;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &before);
  const auto broker = fork();
  if (broker <= 0) {  // the broker, or no fork: then we have to do both
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return std::nullopt;
  }
  forget_environment();
  while (true) {
    siginfo_t info{};
    const auto number = sigwaitinfo(&all, &info);
    // What a terminal sends reaches the broker by itself.
    if (number > 0 && is_for_the_broker(number) && info.si_code != SI_KERNEL) kill(broker, number);
    int status = 0;
    for (pid_t ended = 0; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == broker) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

}  // namespace sallyport::cli
