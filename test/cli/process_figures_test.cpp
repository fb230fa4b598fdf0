// What /proc says of us is what we know of us.
#include "cli/process_figures.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <vector>

namespace sallyport::cli::process_figures_test {
namespace {

TEST(ProcessFigures, AreThisProcesss) {
  const auto before = read_process_figures();
  ASSERT_TRUE(before.resident_bytes && before.open_descriptors && before.descriptors_max && before.cpu);
  EXPECT_GT(*before.resident_bytes, 1U << 20);
  EXPECT_GT(*before.cpu, Duration::zero());
  EXPECT_GE(*before.descriptors_max, *before.open_descriptors);
  std::vector<int> opened;
  for (int i = 0; i < 5; ++i) opened.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(*read_process_figures().open_descriptors, *before.open_descriptors + 5);
  for (const int fd : opened) close(fd);
}

}  // namespace
}  // namespace sallyport::cli::process_figures_test
