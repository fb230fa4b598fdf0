#include "cli/repeated_lines.h"

namespace sallyport::cli {

std::string RepeatedLines::key_of(LogLevel level, std::string_view message,
                                  std::initializer_list<LogField> fields) {
  std::string key = std::to_string(static_cast<int>(level));
  key.append(" ").append(message);
  for (const auto& field : fields) {
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (text == nullptr || field.name == "event") continue;
    key.append("\n").append(field.name).append("=").append(*text);
  }
  return key;
}

bool RepeatedLines::admits(const std::string& key, LogLevel level, std::string_view message,
                           MonotonicTime now) {
  const auto found = lines_.find(key);
  if (found != lines_.end()) return ++found->second.times <= written_max;
  if (lines_.size() < lines_max) lines_.emplace(key, Line{level, std::string{message}, now, 1});
  return true;
}

std::vector<RepeatedLines::Told> RepeatedLines::take_told(MonotonicTime now, bool all) {
  std::vector<Told> told;
  // Looked through once a second at most: it is called for each line.
  if (now < next_look_ && !all) return told;
  next_look_ = now + std::chrono::seconds{1};
  for (auto at = lines_.begin(); at != lines_.end();) {
    if (!all && now - at->second.since < period) {
      ++at;
      continue;
    }
    auto& line = at->second;
    if (line.times > written_max)
      told.push_back({line.level, std::move(line.message), line.times - written_max});
    at = lines_.erase(at);
  }
  return told;
}

}  // namespace sallyport::cli
