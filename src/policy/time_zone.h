// When a place's clocks show what: one file of the IANA time zone database, decoded.
//
// "Mon-Fri 07:00-20:00 Europe/Berlin" has to mean Berlin's clock on every day of the year. The C++20 library's own
// zones are not in GCC 12, and the C library knows one zone a process, through a variable. So the file is decoded
// here: its list of changes, and behind the last of them its rule for all later years.
//
// Pure; who reads the file is config/. Source  RFC 8536 (TZif), POSIX.1-2017 "TZ".
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sallyport::policy {

/// The largest file of tzdata has 3.5 kB.
inline constexpr std::size_t time_zone_bytes_max = 65'536;

/// One day of each year on which clocks change, and when on it: "M3.5.0/2".
struct YearlyChange {
  enum class Form : std::uint8_t { month_week_day, julian_without_leap, day_of_year };
  Form form = Form::month_week_day;
  int month = 1, week = 1, weekday = 0;  ///< month_week_day; week 5: the last; weekday 0: Sunday
  int day = 0;                           ///< the others
  std::int32_t seconds = 2 * 3600;       ///< local time of that day; may be negative or beyond the day
};

/// What holds behind the last listed change: "CET-1CEST,M3.5.0,M10.5.0/3".
struct YearlyRule {
  std::int32_t standard_offset = 0;  ///< seconds east of UTC
  bool has_summer = false;
  std::int32_t summer_offset = 0;
  YearlyChange summer_begins, summer_ends;
};

/// Errors  invalid_message.
Result<YearlyRule> parse_yearly_rule(std::string_view text);

class TimeZone {
 public:
  TimeZone() = default;  ///< UTC

  /// Seconds east of UTC at this moment.
  [[nodiscard]] std::int32_t offset_at(std::int64_t unix_seconds) const;

 private:
  friend Result<TimeZone> decode_time_zone(Bytes file);
  struct Change {
    std::int64_t at;
    std::int32_t offset;
  };
  std::int32_t first_offset_ = 0;
  std::vector<Change> changes_;  // in order
  std::optional<YearlyRule> later_;
};

/// A TZif file of version 2 or later.
/// Errors  invalid_message: another kind of file, cut, inconsistent, or one that counts leap seconds ("right/…").
Result<TimeZone> decode_time_zone(Bytes file);

}  // namespace sallyport::policy
