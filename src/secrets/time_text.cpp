#include "secrets/time_text.h"

#include <array>
#include <charconv>

namespace sallyport::secrets {

namespace {

using namespace std::chrono;

/// Exactly `digits` digits at the front of `text`, taken off.
std::optional<int> number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool skip(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

std::optional<WallTime> moment(int year_number, int month_number, int day_number, int hour, int minute,
                               int second, minutes offset = minutes{0}) {
  const year_month_day date{year{year_number}, month{static_cast<unsigned>(month_number)},
                            day{static_cast<unsigned>(day_number)}};
  if (!date.ok() || year_number < 1970 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  // Whole seconds first: a time far off does not fit into nanoseconds.
  const auto whole = sys_days{date} + hours{hour} + minutes{minute} + seconds{second} - offset;
  const auto latest = floor<seconds>(WallTime::max());
  return whole >= latest ? WallTime{latest} : WallTime{whole};
}

struct DayTime {
  int hour = 0, minute = 0, second = 0;
};

std::optional<DayTime> day_time(std::string_view& text) {
  const auto hour = number(text, 2);
  if (!hour || !skip(text, ":")) return std::nullopt;
  const auto minute = number(text, 2);
  if (!minute || !skip(text, ":")) return std::nullopt;
  const auto second = number(text, 2);
  if (!second) return std::nullopt;
  return DayTime{*hour, *minute, *second};
}

/// What is behind the seconds: east of Greenwich is positive.
std::optional<minutes> offset_of(std::string_view text) {
  if (text == "Z" || text == "z" || text == "UTC") return minutes{0};
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const bool west = text.front() == '-';
  text.remove_prefix(1);
  const auto hour = number(text, 2);
  skip(text, ":");
  const auto minute = number(text, 2);
  if (!hour || !minute || *hour > 23 || *minute > 59 || !text.empty()) return std::nullopt;
  const auto offset = hours{*hour} + minutes{*minute};
  return west ? -offset : offset;
}

}  // namespace

std::optional<WallTime> parse_http_date(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto comma = text.find(", ");
  if (comma != 3) return std::nullopt;
  text.remove_prefix(5);
  const auto day = number(text, 2);
  if (!day || !skip(text, " ") || text.size() < 3) return std::nullopt;
  const auto* const found = std::find(months.begin(), months.end(), text.substr(0, 3));
  text.remove_prefix(3);
  if (found == months.end() || !skip(text, " ")) return std::nullopt;
  const auto year = number(text, 4);
  if (!year || !skip(text, " ")) return std::nullopt;
  const auto time = day_time(text);
  if (!time || text != " GMT") return std::nullopt;
  return moment(*year, static_cast<int>(found - months.begin()) + 1, *day, time->hour, time->minute,
                time->second);
}

std::optional<WallTime> parse_iso_time(std::string_view text) {
  const auto year = number(text, 4);
  if (!year || !skip(text, "-")) return std::nullopt;
  const auto month = number(text, 2);
  if (!month || !skip(text, "-")) return std::nullopt;
  const auto day = number(text, 2);
  if (!day || (!skip(text, "T") && !skip(text, " "))) return std::nullopt;
  const auto time = day_time(text);
  if (!time) return std::nullopt;
  if (skip(text, ".")) {
    if (!number(text, 1)) return std::nullopt;
    while (number(text, 1)) {}
  }
  const auto offset = offset_of(text);
  if (!offset) return std::nullopt;
  return moment(*year, *month, *day, time->hour, time->minute, time->second, *offset);
}

std::string format_basic(WallTime time) {
  std::string out;
  for (const char c : format_utc(floor<seconds>(time)).substr(0, 19)) {
    if (c != '-' && c != ':') out.push_back(c);
  }
  return out + "Z";
}

}  // namespace sallyport::secrets
