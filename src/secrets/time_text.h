// Times as clouds write them: HTTP dates, ISO 8601, SigV4's own. All UTC.
#pragma once

#include "base/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets {

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, the form that servers must send).
std::optional<WallTime> parse_http_date(std::string_view text);

/// "2026-01-02T03:04:05Z", with a fraction of any length, an offset ("+00:00", "-0700") or "UTC" instead of Z. Years
/// 1970 to 9999.
std::optional<WallTime> parse_iso_time(std::string_view text);

/// "20260102T030405Z".
std::string format_basic(WallTime time);

}  // namespace sallyport::secrets
