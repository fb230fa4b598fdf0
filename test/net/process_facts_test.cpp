// What /proc says of ourselves and of a child, and of one that has ended.
#include "net/process_facts.h"

#include "net/process_tree.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sallyport::net::process_facts_test {
namespace {

TEST(ProcessFacts, OfOurselvesAreOurs) {
  const auto pidfd = open_pidfd(getpid());
  ASSERT_TRUE(pidfd.has_value());
  const auto facts = facts_of(getpid(), *pidfd, {true, true});
  ASSERT_TRUE(facts.has_value());
  EXPECT_FALSE(facts->namespaced);
  ASSERT_TRUE(facts->executable.has_value());
  struct stat own {};
  ASSERT_EQ(stat("/proc/self/exe", &own), 0);
  EXPECT_EQ(facts->executable->inode, own.st_ino);
  EXPECT_EQ(facts->executable->device, own.st_dev);
}

TEST(ProcessFacts, AreReadOnlyWhereTheyAreWanted) {
  const auto pidfd = open_pidfd(getpid());
  const auto facts = facts_of(getpid(), *pidfd, {});
  EXPECT_EQ(facts->cgroup, "");
  EXPECT_FALSE(facts->executable.has_value());
}

TEST(ProcessFacts, OfAProcessThatHasEndedAreNone) {
  const auto child = fork();
  if (child == 0) _exit(0);
  const auto pidfd = open_pidfd(child);
  ASSERT_TRUE(pidfd.has_value());
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  const auto facts = facts_of(child, *pidfd, {true, true});
  ASSERT_FALSE(facts.has_value());
  EXPECT_EQ(facts.error().code, ErrorCode::denied);
  waitpid(child, nullptr, 0);
}

TEST(ProcessFacts, TellAChildOfAnotherUserNamespace) {
  int ready[2];
  int go[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(go), 0);
  const auto child = fork();
  if (child == 0) {
    const char done = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    (void)!write(ready[1], &done, 1);
    char wait = 0;
    (void)!read(go[0], &wait, 1);
    _exit(0);
  }
  char made = 0;
  ASSERT_EQ(read(ready[0], &made, 1), 1);
  const auto pidfd = open_pidfd(child);
  const auto facts = facts_of(child, *pidfd, {});
  (void)!write(go[1], "g", 1);
  waitpid(child, nullptr, 0);
  for (const int fd : {ready[0], ready[1], go[0], go[1]}) close(fd);
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->namespaced, made == 'y');
}

}  // namespace
}  // namespace sallyport::net::process_facts_test
