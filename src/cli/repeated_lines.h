// Keeps one line that comes again and again from filling the log: the first ones are written, then they are counted,
// and the count is told when the period is over.
//
// Lines are the same if level and text are; numbers and event ids in their fields do not make them different.
#pragma once

#include "base/clock.h"
#include "base/log.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sallyport::cli {

class RepeatedLines {
 public:
  static constexpr std::uint64_t written_max = 10;
  static constexpr auto period = std::chrono::seconds{10};
  /// Different lines that are watched at once; more are written unwatched.
  static constexpr std::size_t lines_max = 512;

  struct Told {
    LogLevel level;
    std::string message;
    std::uint64_t times = 0;  ///< beyond those that were written
  };

  static std::string key_of(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

  /// Whether this line is to be written.
  bool admits(const std::string& key, LogLevel level, std::string_view message, MonotonicTime now);
  /// What was held back in periods that are over; `all`: also in those that are not.
  std::vector<Told> take_told(MonotonicTime now, bool all = false);

 private:
  struct Line {
    LogLevel level;
    std::string message;
    MonotonicTime since;
    std::uint64_t times = 0;
  };
  std::map<std::string, Line> lines_;
  MonotonicTime next_look_{};
};

}  // namespace sallyport::cli
