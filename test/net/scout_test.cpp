#include "net/scout.h"

#include "net/process_tree.h"
#include "net/sandbox.h"
#include "test/net/processes.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>

namespace sallyport::net::scout_test {
namespace {

using sallyport::test::Child;
using sallyport::test::receive_value;
using sallyport::test::send_value;

/// A child that runs /bin/sleep.
class Sleeper {
 public:
  Sleeper() {
    pid_ = fork();
    if (pid_ == 0) {
      execl("/bin/sleep", "sleep", "60", nullptr);
      _exit(1);
    }
    pidfd_ = open_pidfd(pid_).value();
    while (!executable_of(pid_).ends_with("sleep")) usleep(1000);
  }
  ~Sleeper() { end(); }
  void end() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

TEST(Scout, SaysWhatAProcessRuns) {
  const Sleeper sleeper;
  const auto scout = Scout::fork_now().value();
  const auto executable = scout->executable_of(sleeper.pid_, sleeper.pidfd_, geteuid());
  EXPECT_EQ(executable.path, executable_of(sleeper.pid_));
  struct stat status {};
  ASSERT_EQ(stat(executable.path.c_str(), &status), 0);
  ASSERT_TRUE(executable.id.has_value());
  EXPECT_EQ(executable.id->inode, status.st_ino);
  EXPECT_EQ(executable.id->device, status.st_dev);
  EXPECT_EQ(scout->path_of(sleeper.pid_, sleeper.pidfd_, geteuid(), process_number(sleeper.pidfd_)),
            executable.path);
}

TEST(Scout, SaysNothingOfAProcessThatHasEnded) {
  Sleeper sleeper;
  const auto scout = Scout::fork_now().value();
  const auto pid = sleeper.pid_;
  sleeper.end();
  EXPECT_EQ(scout->executable_of(pid, sleeper.pidfd_, geteuid()).path, "");
  // The pid may be another's by now: the pidfd says that it is not the one that was meant.
  EXPECT_EQ(scout->executable_of(getpid(), sleeper.pidfd_, geteuid()).path, "");
  EXPECT_FALSE(scout->executable_of(getpid(), sleeper.pidfd_, geteuid()).id.has_value());
}

TEST(Scout, IsAskedFromInsideTheSandbox) {
  if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const Sleeper sleeper;
  const Child child{[&](int channel) {
    const auto scout = Scout::fork_now().value();
    if (!enter_sandbox({{"/proc", FileUse::read}}, true)) _exit(1);
    send_value(channel, executable_of(sleeper.pid_).empty());
    send_value(channel,
               scout->executable_of(sleeper.pid_, sleeper.pidfd_, geteuid()).path.ends_with("sleep"));
  }};
  EXPECT_TRUE(receive_value<bool>(child.channel())) << "we may not look ourselves";
  EXPECT_TRUE(receive_value<bool>(child.channel()));
}

// Each question holds up the loop that asks for 200 ms.
TEST(Scout, IsAskedNoMoreForAWhileWhenItDoesNotAnswer) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd silent{ends[1]};
  Scout scout{Attendant{-1, {}, UniqueFd{ends[0]}}};
  unsigned told = 0;
  scout.on_silence([&] { ++told; });
  const auto self = open_pidfd(getpid()).value();
  for (unsigned i = 0; i < 20; ++i)
    EXPECT_FALSE(scout.executable_of(getpid(), self, geteuid()).id.has_value());
  EXPECT_EQ(told, 1U);
  unsigned questions = 0;
  char packet[64];
  while (recv(silent.get(), packet, sizeof packet, MSG_DONTWAIT) > 0) ++questions;
  EXPECT_EQ(questions, Scout::silent_after);
}

TEST(Scout, ThatAnswersNowAndThenIsAskedOn) {
  const Sleeper sleeper;
  const auto scout = Scout::fork_now().value();
  unsigned told = 0;
  scout->on_silence([&] { ++told; });
  for (unsigned i = 0; i < 3; ++i) {
    kill(scout->pid(), SIGSTOP);
    for (unsigned n = 1; n < Scout::silent_after; ++n)
      EXPECT_FALSE(scout->executable_of(sleeper.pid_, sleeper.pidfd_, geteuid()).id.has_value());
    kill(scout->pid(), SIGCONT);
    while (!scout->executable_of(sleeper.pid_, sleeper.pidfd_, geteuid()).id.has_value() && told == 0)
      usleep(1000);
  }
  EXPECT_EQ(told, 0U);
}

TEST(Scout, EndsWithWhoeverAskedIt) {
  const Child child{[&](int channel) {
    const auto scout = Scout::fork_now().value();
    if (!enter_sandbox({{"/proc", FileUse::read}}, true)) _exit(1);
    send_value(channel, scout->pid());
    test::wait_for_end_of(channel);
  }};
  const auto scout = receive_value<pid_t>(child.channel());
  const auto pidfd = open_pidfd(scout).value();
  kill(child.pid(), SIGKILL);
  pollfd ended{pidfd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, 10'000), 1) << "it is outside, where our death's signal may not reach";
}

}  // namespace
}  // namespace sallyport::net::scout_test
