#include "net/process_tree.h"

#include "test/net/processes.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sallyport::net::process_tree_test {
namespace {

using namespace sallyport::test;

std::string verdict(const ServedTree& tree, pid_t pid) {
  const auto pidfd = open_pidfd(pid);
  if (pidfd.has_error()) return "no such process";
  const auto result = tree.contains(pid, *pidfd);
  return result.has_error() ? result.error().what : "inside";
}

constexpr const char* outside = "is not the command that is served, nor started by it";

ServedTree tree_of(const Child& root, std::vector<pid_t> excluded = {}) {
  return {root.pid(), read_process_stat(root.pid()).value().start_ticks, std::move(excluded)};
}

/// Forks and stays; the new pid goes to `channel`. `levels` generations below each other.
void fork_line(int channel, int levels) {
  for (int i = 0; i < levels; ++i) {
    const pid_t pid = fork();
    if (pid > 0) {
      wait_for_end_of(channel);
      _exit(0);
    }
    send_value(channel, getpid());
  }
  wait_for_end_of(channel);
}

class Tree : public testing::Test {
 protected:
  Tree() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~Tree() override {
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
  }
};

TEST_F(Tree, HoldsTheChildAndItsDescendants) {
  const Child root{[](int channel) { fork_line(channel, 3); }};
  const auto tree = tree_of(root);
  EXPECT_EQ(verdict(tree, root.pid()), "inside");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(verdict(tree, receive_value<pid_t>(root.channel())), "inside") << i;
}

TEST_F(Tree, LeavesOutOurselvesOurParentAndInit) {
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  const auto tree = tree_of(root);
  EXPECT_EQ(verdict(tree, getpid()), outside);
  EXPECT_EQ(verdict(tree, getppid()), outside);
  EXPECT_EQ(verdict(tree, 1), outside);
}

TEST_F(Tree, LeavesOutASiblingOutside) {
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  // A process of the same user that is no descendant of ours: its line leads to a child that is excluded.
  const Child other{[](int channel) { fork_line(channel, 1); }};
  const auto tree = tree_of(root, {other.pid()});
  EXPECT_EQ(verdict(tree, other.pid()), outside);
  EXPECT_EQ(verdict(tree, receive_value<pid_t>(other.channel())), outside);
}

TEST_F(Tree, ServedInAnotherProcessLeavesOutItsSiblings) {
  // The broker is a child here, so that its siblings (and we) are outside by ancestry alone.
  const Child sibling{[](int channel) { wait_for_end_of(channel); }};
  const Child broker{[&](int channel) {
    const Child root{[](int inner) { wait_for_end_of(inner); }};
    const auto tree = tree_of(root);
    send_value(channel,
               std::array{verdict(tree, sibling.pid()) == outside, verdict(tree, getppid()) == outside,
                          verdict(tree, root.pid()) == "inside"});
  }};
  const auto verdicts = receive_value<std::array<bool, 3>>(broker.channel());
  EXPECT_TRUE(verdicts[0] && verdicts[1] && verdicts[2]);
}

TEST_F(Tree, KeepsOrphansThatComeToTheSubreaper) {
  const Child root{[](int channel) {
    if (fork() == 0) {
      if (fork() == 0) {
        for (const pid_t middle = getppid(); getppid() == middle;) usleep(1000);
        send_value(channel, getpid());
        wait_for_end_of(channel);
      }
      usleep(20'000);
      _exit(0);
    }
    wait(nullptr);
    wait_for_end_of(channel);
  }};
  const auto tree = tree_of(root);
  const auto orphan = receive_value<pid_t>(root.channel());
  ASSERT_EQ(read_process_stat(orphan).value().parent, getpid());
  EXPECT_EQ(verdict(tree, orphan), "inside");
  kill(orphan, SIGKILL);
}

TEST_F(Tree, RefusesAProcessThatHasEnded) {
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  const auto tree = tree_of(root);
  Child gone{[](int channel) { wait_for_end_of(channel); }};
  const auto pid = gone.pid();
  const auto pidfd = open_pidfd(pid).value();
  EXPECT_TRUE(is_alive(pidfd));
  kill(pid, SIGKILL);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(is_alive(pidfd)) << "a zombie is not alive";
  EXPECT_EQ(tree.contains(pid, pidfd).error().what, "the process has ended");
  gone.end();
  EXPECT_TRUE(tree.contains(pid, pidfd).has_error());
}

TEST_F(Tree, ReusedPidDoesNotInheritMembership) {
  auto root = std::make_unique<Child>([](int channel) { fork_line(channel, 1); });
  const auto tree = tree_of(*root);
  const auto member = receive_value<pid_t>(root->channel());
  const auto pidfd_of_first = open_pidfd(member).value();
  ASSERT_TRUE(tree.contains(member, pidfd_of_first).has_value());  // now it is in the cache too
  kill(member, SIGKILL);
  const auto root_pid = root->pid();
  root->end();
  while (waitpid(member, nullptr, 0) > 0) {}
  // We are its parent, so by ancestry alone a reused pid would pass: it must be excluded to play the stranger.
  const pid_t reused = fork_with_pid(member);
  if (reused < 0) GTEST_SKIP() << "pids cannot be chosen here";
  ASSERT_EQ(reused, member);
  const auto strict = ServedTree{root_pid, read_process_stat(getpid()).value().start_ticks, {reused}};
  EXPECT_TRUE(tree.contains(member, pidfd_of_first).has_error()) << "the pidfd is of the first";
  EXPECT_EQ(verdict(strict, member), outside);
  kill(reused, SIGKILL);
  waitpid(reused, nullptr, 0);
}

TEST_F(Tree, ReusedPidOfTheRootIsNotTheRoot) {
  // In a broker of its own, so that the stranger is nobody's child of ours.
  auto root = std::make_unique<Child>([](int channel) { wait_for_end_of(channel); });
  const auto root_pid = root->pid();
  const auto start = read_process_stat(root_pid).value().start_ticks;
  root->end();
  usleep(30'000);  // more than one tick, as a real reuse would take
  const Child stranger_parent{[&](int channel) {
    send_value(channel, fork_with_pid(root_pid));
    wait_for_end_of(channel);
  }};
  const auto reused = receive_value<pid_t>(stranger_parent.channel());
  if (reused < 0) GTEST_SKIP() << "pids cannot be chosen here";
  const ServedTree tree{root_pid, start, {stranger_parent.pid()}};
  EXPECT_EQ(verdict(tree, reused), outside);
  for (const auto effort : {ServedTree::Effort::quick, ServedTree::Effort::thorough}) {
    EXPECT_TRUE(tree.members(effort).empty());
  }
  kill(reused, SIGKILL);
}

TEST_F(Tree, InvisibleProcessIsRefused) {
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  const auto tree = tree_of(root);
  const auto self = open_pidfd(getpid()).value();
  EXPECT_NE(tree.contains(0, self).error().what.find("another pid namespace"), std::string::npos);
  EXPECT_EQ(open_pidfd(0).error().code, ErrorCode::denied);
  EXPECT_TRUE(tree.contains(root.pid(), UniqueFd{}).has_error()) << "no pidfd, no proof";
}

TEST_F(Tree, MembersAreTheWholeTreeBothWays) {
  const Child helper{[](int channel) { wait_for_end_of(channel); }};
  const Child root{[](int channel) { fork_line(channel, 2); }};
  std::vector<pid_t> expected{root.pid()};
  for (int i = 0; i < 2; ++i) expected.push_back(receive_value<pid_t>(root.channel()));
  std::ranges::sort(expected);
  const auto tree = tree_of(root, {helper.pid()});
  for (const auto effort : {ServedTree::Effort::quick, ServedTree::Effort::thorough}) {
    std::vector<pid_t> found;
    for (const auto& member : tree.members(effort)) found.push_back(member.pid);
    std::ranges::sort(found);
    EXPECT_EQ(found, expected);
  }
}

TEST_F(Tree, CommandNameCannotForgeTheParent) {
  // The name stands before the parent's pid in /proc/PID/stat and may hold anything.
  const Child root{[](int channel) { wait_for_end_of(channel); }};
  const Child forger{[](int channel) {
    prctl(PR_SET_NAME, ") S 1 1 (x\n");
    send_value(channel, getpid());
    wait_for_end_of(channel);
  }};
  const auto pid = receive_value<pid_t>(forger.channel());
  EXPECT_EQ(read_process_stat(pid).value().parent, getpid());
}

TEST_F(Tree, ExecutableIsNamed) {
  EXPECT_NE(executable_of(getpid()).find("test_net"), std::string::npos);
  EXPECT_EQ(executable_of(0x3fffffff), "");
}

TEST_F(Tree, CachedCheckCostsTensOfMicroseconds) {
  const Child root{[](int channel) { fork_line(channel, 4); }};
  pid_t last = 0;
  for (int i = 0; i < 4; ++i) last = receive_value<pid_t>(root.channel());
  const auto tree = tree_of(root);
  const auto pidfd = open_pidfd(last).value();
  // Not an assertion on time: the figure is printed, and the loop finds leaks of descriptors.
  const auto fresh_from = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(tree_of(root).contains(last, pidfd).has_value());
  const auto cached_from = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(tree.contains(last, pidfd).has_value());
  const auto end = std::chrono::steady_clock::now();
  using Micros = std::chrono::duration<double, std::micro>;
  RecordProperty("walk_us", std::to_string(Micros{cached_from - fresh_from}.count() / 1000));
  std::printf("           walk of five: %.1f us, cached: %.1f us\n",
              Micros{cached_from - fresh_from}.count() / 1000, Micros{end - cached_from}.count() / 1000);
}

}  // namespace
}  // namespace sallyport::net::process_tree_test
