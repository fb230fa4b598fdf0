// Secrets that could not be locked are told, once, with the limit and the fix (threat 13).
#include "cli/memory_watch.h"

#include "base/secret.h"
#include "net/epoll_loop.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace sallyport::cli::memory_watch_test {
namespace {

class Warnings final : public Logger {
 public:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    if (level != LogLevel::warning) return;
    std::string line{message};
    for (const auto& field : fields) {
      if (const auto* text = std::get_if<std::string_view>(&field.value)) line += " " + std::string{*text};
    }
    lines.push_back(line);
  }
  std::vector<std::string> lines;
};

[[noreturn]] void watch_where_nothing_can_be_locked() {
  const rlimit none{0, 0};
  // Root may lock whatever the limit says.
  if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0)) _exit(2);
  SystemClock clock;
  net::EpollLoop loop{clock};
  Warnings warnings;
  MemoryWatch watch{loop, warnings};
  watch.look();
  if (!warnings.lines.empty()) _exit(3);
  const auto secret = Secret::copy_of("hunter2");
  watch.look();
  watch.look();
  if (warnings.lines.size() != 1) _exit(4);
  const auto& line = warnings.lines[0];
  if (line.find("could not be locked") == std::string::npos) _exit(5);
  if (line.find("LimitMEMLOCK") == std::string::npos || line.find("0 KiB") == std::string::npos) _exit(6);
  _exit(0);
}

/// The sanitizers answer mlock(2) themselves, always with success.
constexpr bool mlock_is_the_kernels() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#elif defined(__has_feature)
  return !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
  return true;
#endif
}

// A process of its own: the count of failures is the process's.
TEST(MemoryWatchDeathTest, SecretsThatAreNotLockedAreToldOnce) {
  if (!mlock_is_the_kernels()) GTEST_SKIP() << "under a sanitizer mlock never fails";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(watch_where_nothing_can_be_locked(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sallyport::cli::memory_watch_test
