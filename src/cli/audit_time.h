// Times as people write them in --since and --until.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string_view>

namespace sallyport::cli {

/// "90s", "15m", "1h", "2d", "1w": that long before `now`. Or a date or time in ISO 8601: "2026-11-25",
/// "2026-11-25T10:09", "2026-11-25 10:09:23.5", with "Z" or "+01:00"; without a zone it is UTC, as printed.
///
/// Errors  bad_config: neither.
Result<WallTime> parse_time(std::string_view text, WallTime now);

}  // namespace sallyport::cli
