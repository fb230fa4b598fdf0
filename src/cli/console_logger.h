// The operator's log on standard error: text on a terminal, one JSON object a line else. Of a line
// that comes more than ten times in ten seconds the rest is counted (cli/repeated_lines.h).
#pragma once

#include "base/log.h"

#include <memory>

namespace sallyport::cli {

struct LogSettings {
  LogLevel least = LogLevel::info;
  bool json = false;  ///< false: text
  bool color = false;
};

class ConsoleLog : public Logger {
 public:
  /// What was only counted and whose time is over: without it that waits for the next line. Thread-safe.
  virtual void tell_repeated() = 0;
};

std::unique_ptr<ConsoleLog> make_console_logger(const LogSettings& settings);

}  // namespace sallyport::cli
