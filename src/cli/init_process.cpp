#include "cli/init_process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sallyport::cli {

namespace {

bool is_for_the_broker(int number) {
  return number != SIGCHLD && number != SIGTTIN && number != SIGTTOU && number != SIGTSTP;
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
