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

std::unique_ptr<Logger> make_console_logger(const LogSettings& settings);

}  // namespace sallyport::cli
