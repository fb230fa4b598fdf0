#include "policy/hours.h"

#include "base/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::policy {

namespace {

constexpr std::size_t text_bytes_max = 128;
constexpr unsigned day_minutes = 24 * 60;
constexpr std::array<std::string_view, 7> day_names{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

Error bad(std::string what) {
  return {ErrorCode::bad_config,
          Hop::config,
          {},
          std::move(what),
          "Example: `Mon-Fri 07:00-20:00 Europe/Berlin`.",
          {}};
}

std::vector<std::string_view> split(std::string_view text, char separator, bool keep_empty) {
  std::vector<std::string_view> out;
  while (true) {
    const auto at = text.find(separator);
    const auto part = text.substr(0, at);
    if (keep_empty || !part.empty()) out.push_back(part);
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

std::optional<unsigned> day_of(std::string_view name) {
  const auto found = std::find(day_names.begin(), day_names.end(), to_lower(name));
  if (found == day_names.end()) return {};
  return static_cast<unsigned>(found - day_names.begin());
}

/// "Mon-Fri,Sun" as a set.
std::optional<std::bitset<7>> days_of(std::string_view text) {
  std::bitset<7> days;
  for (const auto part : split(text, ',', true)) {
    const auto dash = part.find('-');
    const auto first = day_of(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
    if (!first || !last) return {};
    for (auto day = *first;; day = (day + 1) % 7) {
      days.set(day);
      if (day == *last) break;
    }
  }
  return days;
}

/// "07:00" in minutes; "24:00" is the latest.
std::optional<unsigned> minute_of(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return {};
  unsigned hour = 0;
  unsigned minute = 0;
  const auto read = [](std::string_view digits, unsigned& into) {
    const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return wrong == std::errc{} && end == digits.data() + digits.size();
  };
  if (!read(text.substr(0, 2), hour) || !read(text.substr(3), minute) || minute > 59) return {};
  const auto all = hour * 60 + minute;
  return all <= day_minutes ? std::optional{all} : std::nullopt;
}

}  // namespace

bool is_zone_name(std::string_view name) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '/';
  };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), fine)) return false;
  const auto parts = split(name, '/', true);
  return std::none_of(parts.begin(), parts.end(), [](auto part) { return part.empty(); });
}

bool Hours::contains(WallTime moment) const {
  using namespace std::chrono;
  const auto unix_seconds = floor<seconds>(moment.time_since_epoch()).count();
  const auto local = unix_seconds + (zone ? zone->offset_at(unix_seconds) : 0);
  // The epoch was a Thursday: three days behind a Monday.
  constexpr std::int64_t week = std::int64_t{week_minutes} * 60;
  const auto into = ((local + std::int64_t{3} * 86'400) % week + week) % week;
  return open.test(static_cast<std::size_t>(into / 60));
}

Result<Hours> parse_hours(std::string_view text) {
  if (text.size() > text_bytes_max) return bad("longer than 128 bytes");
  auto parts = split(text, ' ', false);
  Hours hours;
  hours.text = std::string{text};
  auto days = std::optional{std::bitset<7>{}.set()};
  if (!parts.empty() && parts.front().find(':') == std::string_view::npos) {
    days = days_of(parts.front());
    if (!days) return bad("its days are not of the form `Mon-Fri` or `Sat,Sun`");
    parts.erase(parts.begin());
  }
  const auto span = parts.empty() ? std::string_view{} : parts.front();
  const auto dash = span.find('-');
  const auto from = minute_of(span.substr(0, dash));
  const auto to = dash == std::string_view::npos ? std::nullopt : minute_of(span.substr(dash + 1));
  if (!from || !to || *from == day_minutes) return bad("its times are not of the form `07:00-20:00`");
  if (*from == *to) return bad("it begins when it ends: write `00:00-24:00` for a whole day");
  if (parts.size() == 1) return bad("it names no time zone");
  if (parts.size() != 2 || !is_zone_name(parts[1]))
    return bad("its time zone is no name such as `Europe/Berlin`");
  hours.zone_name = std::string{parts[1]};
  const auto length = *to > *from ? *to - *from : *to + day_minutes - *from;
  for (unsigned day = 0; day < 7; ++day) {
    if (!days->test(day)) continue;
    for (unsigned i = 0; i < length; ++i)
      hours.open.set((day * day_minutes + *from + i) % Hours::week_minutes);
  }
  return hours;
}

}  // namespace sallyport::policy
