// A line that comes again and again is counted instead of written.
#include "cli/repeated_lines.h"

#include <gtest/gtest.h>

namespace sallyport::cli::repeated_lines_test {
namespace {

using namespace std::chrono_literals;

struct Log {
  RepeatedLines lines;
  MonotonicTime now{std::chrono::hours{1}};
  bool write(std::string_view message, std::string_view why = "x", std::string_view event = "1",
             std::int64_t count = 1) {
    const auto key =
        RepeatedLines::key_of(LogLevel::warning, message, {{"why", why}, {"event", event}, {"count", count}});
    return lines.admits(key, LogLevel::warning, message, now);
  }
};

TEST(RepeatedLines, TenAreWrittenAndTheRestIsToldOnce) {
  Log log;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(log.write("refused", "x", std::to_string(i), i));
  for (int i = 0; i < 25; ++i) EXPECT_FALSE(log.write("refused", "x", std::to_string(i), i));
  EXPECT_TRUE(log.write("refused", "another reason"));
  EXPECT_TRUE(log.write("another line"));
  log.now += 9s;
  EXPECT_TRUE(log.lines.take_told(log.now).empty());
  log.now += 2s;
  const auto told = log.lines.take_told(log.now);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().message, "refused");
  EXPECT_EQ(told.front().times, 25u);
  EXPECT_TRUE(log.write("refused")) << "a new period";
  log.now += 20s;
  EXPECT_TRUE(log.lines.take_told(log.now).empty());
}

TEST(RepeatedLines, AtTheEndAllIsTold) {
  Log log;
  for (int i = 0; i < 12; ++i) (void)log.write("refused");
  ASSERT_EQ(log.lines.take_told(log.now, true).size(), 1u);
}

TEST(RepeatedLines, TooManyDifferentOnesAreWrittenUnwatched) {
  Log log;
  for (std::size_t i = 0; i < 2 * RepeatedLines::lines_max; ++i) EXPECT_TRUE(log.write(std::to_string(i)));
}

}  // namespace
}  // namespace sallyport::cli::repeated_lines_test
