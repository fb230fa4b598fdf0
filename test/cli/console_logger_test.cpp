// The log itself, on a standard error that the test reads.
#include "cli/console_logger.h"

#include <gtest/gtest.h>

#include <thread>

namespace sallyport::cli::console_logger_test {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ConsoleLogger, AFloodBeforeASilenceIsToldWhenItsTimeIsOver) {
  testing::internal::CaptureStderr();
  const auto log = make_console_logger({LogLevel::info, true, false});
  for (int i = 0; i < 40; ++i) log->write(LogLevel::warning, "again");
  log->tell_repeated();
  std::this_thread::sleep_for(std::chrono::seconds{11});
  log->tell_repeated();
  log->tell_repeated();
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(text, "\"message\":\"again\""), 11u) << text;
  EXPECT_EQ(count_of(text, "\"repeated\":30"), 1u) << text;
}

TEST(ConsoleLogger, ASentenceWithFieldsEndsInAColon) {
  testing::internal::CaptureStderr();
  const auto log = make_console_logger({LogLevel::info, false, false});
  log->write(LogLevel::warning, "It is wrong. Mend it.", {{"role", "app"}});
  log->write(LogLevel::warning, "It is wrong. Mend it.");
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_of(text, "Mend it: role="), 1u) << text;
  EXPECT_EQ(count_of(text, "Mend it.\n"), 1u) << text;
}

TEST(ConsoleLogger, OutsideTextDrawsNothingOnATerminal) {
  testing::internal::CaptureStderr();
  const auto log = make_console_logger({LogLevel::info, false, false});
  log->write(LogLevel::warning, "it says \x1b[2J\u202E\u009b", {{"role", std::string_view{"a\nb"}}});
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text, "sallyport: warning: it says \\x1b[2J\\u{202e}\\u{009b}: role=a\\nb\n");
}

}  // namespace
}  // namespace sallyport::cli::console_logger_test
