#include "net/recent_facts.h"

#include "processes.h"

#include "net/process_tree.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::net::recent_facts_test {
namespace {

using std::chrono::milliseconds;

TEST(RecentFacts, ForgetsAfterASecond) {
  RecentFacts<std::string> memory;
  const MonotonicTime start{};
  memory.remember(7, "/usr/bin/psql", start);
  ASSERT_NE(memory.find(7, start + milliseconds{999}), nullptr);
  EXPECT_EQ(*memory.find(7, start + milliseconds{999}), "/usr/bin/psql");
  EXPECT_EQ(memory.find(7, start + milliseconds{1000}), nullptr);
  EXPECT_EQ(memory.find(8, start), nullptr);
}

TEST(RecentFacts, HasALimit) {
  RecentFacts<int> memory;
  for (std::uint64_t i = 0; i <= RecentFacts<int>::processes_max; ++i) memory.remember(i, 1, {});
  std::size_t known = 0;
  for (std::uint64_t i = 0; i <= RecentFacts<int>::processes_max; ++i) known += memory.find(i, {}) != nullptr;
  EXPECT_LE(known, RecentFacts<int>::processes_max);
  EXPECT_NE(memory.find(RecentFacts<int>::processes_max, {}), nullptr);
}

// A kernel before 6.9 gives all pidfds one inode; then there is no number, and nothing is remembered.
TEST(ProcessNumber, IsOneForAProcessAndAnotherForTheNext) {
  const auto waits = [](int channel) { (void)!read(channel, &channel, 1); };
  const test::Child first{waits}, second{waits};
  const auto number = process_number(*open_pidfd(first.pid()));
  if (!number) GTEST_SKIP() << "this kernel's pidfds have no inode of their own (Linux 6.9)";
  EXPECT_EQ(process_number(*open_pidfd(first.pid())), number);
  EXPECT_NE(process_number(*open_pidfd(second.pid())), number);
  EXPECT_EQ(process_number(UniqueFd{}), std::nullopt);
}

}  // namespace
}  // namespace sallyport::net::recent_facts_test
