// What the operator is told while we run: an event name, typed fields, never raw messages or SQL.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace sallyport {

enum class LogLevel { debug, info, warning, error };

struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

class Logger {
 public:
  virtual ~Logger() = default;
  /// `message` is a fixed short sentence; what varies goes into `fields`. Thread-safe.
  virtual void write(LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields = {}) = 0;
};

}  // namespace sallyport
