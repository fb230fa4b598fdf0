#include "base/secret.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace sallyport::secret_test {
namespace {

TEST(Secret, RevealsWhatWasPutIn) {
  auto secret = Secret::copy_of("hunter2");
  EXPECT_EQ(secret.reveal(), "hunter2");
  EXPECT_EQ(secret.size(), 7U);
}

TEST(Secret, MoveLeavesNothingBehind) {
  auto first = Secret::copy_of("hunter2");
  const auto second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.reveal(), "hunter2");
}

TEST(Secret, ComparesByContent) {
  const auto secret = Secret::copy_of("hunter2");
  EXPECT_TRUE(secret.equals("hunter2"));
  EXPECT_FALSE(secret.equals("hunter3"));
  EXPECT_FALSE(secret.equals("hunter"));
}

TEST(Secret, ShrinkWipesTheTail) {
  auto secret = Secret::copy_of("hunter2");
  const char* tail = secret.reveal().data() + 3;
  secret.shrink(3);
  EXPECT_EQ(secret.reveal(), "hun");
  EXPECT_EQ(std::string_view(tail, 4), std::string_view("\0\0\0\0", 4));
}

TEST(Secret, IsWipedInAForkedChild) {
  const auto secret = Secret::copy_of("hunter2");
  const auto child = fork();
  if (child == 0) _exit(secret.reveal() == std::string_view("\0\0\0\0\0\0\0", 7) ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Secret, PagesAreLeftOutOfCoreDumps) {
  const auto secret = Secret::copy_of("hunter2");
  std::ostringstream address;
  address << std::hex << reinterpret_cast<std::uintptr_t>(secret.reveal().data());
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  std::string flags;
  for (std::string line; std::getline(maps, line);) {
    const auto dash = line.find('-');
    if (dash != std::string::npos && line.find(' ') > dash) {
      std::uintptr_t from = 0, to = 0;
      if (std::sscanf(line.c_str(), "%lx-%lx", &from, &to) == 2) {
        const auto at = reinterpret_cast<std::uintptr_t>(secret.reveal().data());
        inside = from <= at && at < to;
      }
    }
    if (inside && line.rfind("VmFlags:", 0) == 0) flags = line + " ";
  }
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
  EXPECT_NE(flags.find(" wf "), std::string::npos) << flags;
}

}  // namespace
}  // namespace sallyport::secret_test
