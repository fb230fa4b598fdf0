// When something is allowed: "Mon-Fri 07:00-20:00 Europe/Berlin", by that place's clocks.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "policy/time_zone.h"

#include <bitset>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::policy {

struct Hours {
  /// Minutes of a week, which begins on Monday at 00:00.
  static constexpr std::size_t week_minutes = 7 * 24 * 60;

  std::string text;       ///< as written
  std::string zone_name;  ///< "Europe/Berlin", "UTC"
  std::bitset<week_minutes> open;
  std::shared_ptr<const TimeZone> zone;  ///< null: UTC

  [[nodiscard]] bool contains(WallTime moment) const;
  /// Open whenever `other` is, as far as the texts tell: of two zones neither is known to cover the other.
  [[nodiscard]] bool covers(const Hours& other) const {
    return zone_name == other.zone_name && (other.open & ~open).none();
  }
  bool operator==(const Hours& other) const { return zone_name == other.zone_name && open == other.open; }
};

/// "[DAYS] HH:MM-HH:MM ZONE". DAYS: "Mon-Fri", "Sat,Sun", "Mon,Wed-Fri"; left out: every day. The end is not open any
/// more; 24:00 is the day's end; an end at or before the begin is on the next day. The zone is to be filled in by
/// who can read it, but for UTC.
///
/// Errors  bad_config: `what` names the part; the hint has an example.
Result<Hours> parse_hours(std::string_view text);

/// "Europe/Berlin": characters, no empty and no ".." parts.
bool is_zone_name(std::string_view name);

}  // namespace sallyport::policy
