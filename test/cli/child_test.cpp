// The application as our child. Each case runs in a process of its own, because signals and reaping are
// process-wide.
#include "cli/child.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sallyport::child_test {
namespace {

using namespace std::chrono_literals;

/// Exit status of a process that runs `body`; 128 + signal when it was killed.
int in_process(const std::function<int()>& body) {
  const auto pid = fork();
  if (pid == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/// 200 + what start_child refused with, else the child's exit code. `meanwhile` runs once the child has started.
int run(const std::vector<std::string>& command, const std::function<void(pid_t)>& meanwhile = {},
        const std::function<void()>& before = {}) {
  return in_process([&] {
    for (const int number : {SIGHUP, SIGINT, SIGPIPE, SIGCHLD})
      signal(number, SIG_DFL);  // the tests may run under nohup
    if (before) before();
    cli::remember_start();
    cli::block_child_signals();
    cli::Environment environment;
    auto child = cli::start_child(command, environment, [](const cli::Child&) {});
    if (!child) return child.error().code == ErrorCode::not_found ? 227 : 226;
    if (meanwhile) meanwhile(child->pid);
    return cli::wait_for_child(*child, {}).exit_code;
  });
}

TEST(Child, ItsExitCodeIsHandedOn) {
  EXPECT_EQ(run({"sh", "-c", "exit 0"}), 0);
  EXPECT_EQ(run({"sh", "-c", "exit 7"}), 7);
}

TEST(Child, DeathByASignalIs128AndItsNumber) { EXPECT_EQ(run({"sh", "-c", "kill -9 $$"}), 128 + SIGKILL); }

TEST(Child, NotFoundAndNotExecutableAreToldApart) {
  EXPECT_EQ(run({"no-such-program-anywhere"}), 227);
  EXPECT_EQ(run({"/no/such/path"}), 227);
  EXPECT_EQ(run({"/etc/passwd"}), 226);
  EXPECT_EQ(run({"/etc"}), 226);
}

TEST(Child, WithoutAPathTheWorkingDirectoryIsNotSearched) {
  const auto directory = std::filesystem::temp_directory_path() / ("child-" + std::to_string(getpid()));
  std::filesystem::create_directory(directory);
  const auto trap = directory / "trap-program";
  std::ofstream{trap} << "#!/bin/sh\nexit 3\n";
  chmod(trap.c_str(), 0700);
  EXPECT_EQ(run({"trap-program"}, {}, [&] { std::filesystem::current_path(directory); }), 227);
  std::filesystem::remove_all(directory);
}

TEST(Child, SignalsByKillAreForwarded) {
  for (const int number : {SIGTERM, SIGHUP, SIGUSR1, SIGINT}) {
    EXPECT_EQ(run({"sleep", "10"}, [number](pid_t) { kill(getpid(), number); }), 128 + number) << number;
  }
}

TEST(Child, EndsAlsoWhenSigchldWasIgnoredByWhoStartedUs) {
  EXPECT_EQ(run({"sh", "-c", "exit 5"}, {}, [] { signal(SIGCHLD, SIG_IGN); }), 5);
}

TEST(Child, SignalsIgnoredAtStartStayIgnoredAndOthersAreDefault) {
  // With SIGHUP ignored the child survives its own.
  EXPECT_EQ(run({"sh", "-c", "kill -HUP $$; exit 4"}, {}, [] { signal(SIGHUP, SIG_IGN); }), 4);
  EXPECT_EQ(run({"sh", "-c", "kill -HUP $$; exit 4"}), 128 + SIGHUP);
  EXPECT_EQ(run({"sh", "-c", "kill -PIPE $$; exit 4"}), 128 + SIGPIPE) << "we ignore it, the child does not";
}

TEST(Child, OrphansThatComeToUsDoNotEndTheWait) {
  EXPECT_EQ(run({"sh", "-c", "(sleep 0.1 &) ; (exit 9) ; sleep 0.3; exit 6"}), 6);
}

TEST(Child, DoesNotRunBeforeTheBrokerKnowsIt) {
  const auto file = std::filesystem::temp_directory_path() / ("ran-" + std::to_string(getpid()));
  const auto code = in_process([&] {
    cli::remember_start();
    cli::block_child_signals();
    cli::Environment environment;
    bool ran_before = false;
    auto child = cli::start_child({"/bin/touch", file.string()}, environment, [&](const cli::Child& started) {
      usleep(100'000);
      ran_before = started.pid <= 0 || std::filesystem::exists(file);
    });
    if (!child || ran_before) return 1;
    return cli::wait_for_child(*child, {}).exit_code;
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(std::filesystem::remove(file));
}

TEST(Child, IsNotLeftBehindWhenWeDieBeforeItRuns) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  EXPECT_EQ(in_process([&] {
              close(pipe_ends[0]);
              cli::remember_start();
              cli::block_child_signals();
              cli::Environment environment;
              (void)cli::start_child({"sleep", "5"}, environment, [](const cli::Child&) { _exit(0); });
              return 1;
            }),
            0);
  close(pipe_ends[1]);
  // The pipe ends with the last process that holds it.
  char byte = 0;
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(read(pipe_ends[0], &byte, 1), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 4s);
  close(pipe_ends[0]);
}

}  // namespace
}  // namespace sallyport::child_test
