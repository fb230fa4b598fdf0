#include "cli/console_logger.h"

#include "base/clock.h"
#include "cli/repeated_lines.h"
#include "trail/text.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include <mutex>

namespace sallyport::cli {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

class ConsoleLogger final : public ConsoleLog {
 public:
  explicit ConsoleLogger(const LogSettings& settings) : json_(settings.json) {
    spdlog::sink_ptr sink;
    if (settings.color) {
      sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    log_ = std::make_unique<spdlog::logger>("sallyport", std::move(sink));
    log_->set_level(level_of(settings.least));
    log_->set_pattern(json_ ? "%v" : "sallyport: %^%l%$: %v");
  }

  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    if (!log_->should_log(level_of(level))) return;
    const auto now = std::chrono::steady_clock::now();
    const auto key = RepeatedLines::key_of(level, message, fields);
    const std::lock_guard lock{mutex_};
    tell_repeated(now, false);
    if (repeated_.admits(key, level, message, now)) print(level, message, fields);
  }

  void tell_repeated() override {
    const std::lock_guard lock{mutex_};
    tell_repeated(std::chrono::steady_clock::now(), false);
  }

  ~ConsoleLogger() override { tell_repeated(std::chrono::steady_clock::now(), true); }

 private:
  void print(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    const auto line = json_ ? as_json(level, message, fields) : as_text(message, fields);
    log_->log(level_of(level), "{}", line);
  }

  void tell_repeated(MonotonicTime now, bool all) {
    for (const auto& told : repeated_.take_told(now, all)) {
      print(told.level, told.message, {{"repeated", static_cast<std::int64_t>(told.times)}});
    }
  }

  // Outside text must not draw on a terminal or break a line.
  static std::string as_text(std::string_view message, std::initializer_list<LogField> fields) {
    std::string line = trail::printable(message);
    if (fields.size() != 0 && line.ends_with('.')) line.pop_back();  // a colon comes
    const char* separator = ": ";
    for (const auto& field : fields) {
      line += separator + std::string{field.name} + "=" + std::visit(TextOf{}, field.value);
      separator = " ";
    }
    return line;
  }

  static std::string as_json(LogLevel level, std::string_view message,
                             std::initializer_list<LogField> fields) {
    nlohmann::ordered_json object;
    object["time"] = format_utc(std::chrono::system_clock::now());
    object["level"] = spdlog::level::to_string_view(level_of(level)).data();
    object["message"] = message;
    for (const auto& field : fields) {
      std::visit([&](const auto& value) { object[std::string{field.name}] = value; }, field.value);
    }
    return object.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  }

  struct TextOf {
    std::string operator()(std::string_view text) const {
      const auto clean = trail::printable(text);
      return clean.find(' ') == std::string::npos && !clean.empty() ? clean : "\"" + clean + "\"";
    }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return std::to_string(number); }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  };

  bool json_;
  std::unique_ptr<spdlog::logger> log_;
  std::mutex mutex_;
  RepeatedLines repeated_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<ConsoleLog> make_console_logger(const LogSettings& settings) {
  return std::make_unique<ConsoleLogger>(settings);
}

}  // namespace sallyport::cli
