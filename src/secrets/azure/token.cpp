#include "secrets/azure/token.h"

#include "base/ascii.h"
#include "secrets/time_text.h"

#include <algorithm>
#include <charconv>

namespace sallyport::secrets::azure {

namespace {

using std::chrono::seconds;

constexpr std::int64_t epoch_max = 1LL << 33;
constexpr auto life_max = std::chrono::hours{24 * 7};
constexpr auto skew_min = seconds{5};

Error malformed(std::string what) {
  return {ErrorCode::invalid_message, Hop::secret_source, {}, std::move(what), {}, {}};
}

std::string fields_of(JsonView object) {
  std::string out;
  for (const auto key : object.keys()) {
    if (out.size() < 200) out += (out.empty() ? "" : ", ") + shown_code(key);
  }
  return out.empty() ? "no fields" : out;
}

std::optional<WallTime> from_epoch(std::int64_t value) {
  if (value <= 0 || value >= epoch_max) return std::nullopt;
  return WallTime{seconds{value}};
}

/// The next number of at most four digits, and whether `separator` follows it; both are taken off.
std::optional<int> part(std::string_view& text, char separator) {
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<std::size_t>(stop - text.data());
  if (error != std::errc{} || digits == 0 || digits > 4 || text.front() == '-') return std::nullopt;
  text.remove_prefix(digits);
  if (text.empty() || text.front() != separator) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

std::string digits(int value, std::size_t width) {
  auto out = std::to_string(value);
  return out.size() < width ? std::string(width - out.size(), '0') + out : out;
}

/// App Service's old form, as .NET prints dates for Americans.
std::optional<WallTime> parse_american(std::string_view text) {
  const auto month = part(text, '/');
  const auto day = part(text, '/');
  const auto year = part(text, ' ');
  auto hour = part(text, ':');
  const auto minute = part(text, ':');
  const auto second = part(text, ' ');
  if (!month || !day || !year || !hour || !minute || !second) return std::nullopt;
  const bool afternoon = text.starts_with("PM ");
  if (afternoon || text.starts_with("AM ")) {
    text.remove_prefix(3);
    if (*hour < 1 || *hour > 12) return std::nullopt;
    *hour = *hour % 12 + (afternoon ? 12 : 0);
  }
  return parse_iso_time(digits(*year, 4) + "-" + digits(*month, 2) + "-" + digits(*day, 2) + "T" +
                        digits(*hour, 2) + ":" + digits(*minute, 2) + ":" + digits(*second, 2) +
                        std::string{text});
}

std::optional<WallTime> relative_end(JsonView field, Moment now) {
  const auto value = field.integer();
  if (!value || *value <= 0 || *value > seconds{life_max}.count()) return std::nullopt;
  return later(now.wall, seconds{*value});
}

std::optional<WallTime> absolute_end(JsonView field, Duration skew) {
  const auto value = parse_expiry(field);
  return value ? std::optional{later(*value, -skew)} : std::nullopt;
}

/// A header holds it, and a password message: no spaces, no control characters.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= token_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

std::optional<WallTime> parse_expiry(JsonView field) {
  if (const auto value = field.integer()) return from_epoch(*value);
  const auto text = field.text();
  if (text.size() > 64) return std::nullopt;
  if (const auto iso = parse_iso_time(text)) return iso;
  return parse_american(text);
}

Duration counted_skew(const WebReply& reply) {
  const auto skew = skew_of(reply).value_or(Duration::zero());
  return skew > Duration{skew_min} || skew < -Duration{skew_min} ? skew : Duration::zero();
}

Result<Token> token_of(JsonView object, std::string_view name, ExpiryFrom first, Moment now, Duration skew) {
  if (!object.is_object()) return malformed("the answer is no JSON object");
  const auto value = object[name].text();
  if (!is_token(value))
    return malformed("the answer has no " + std::string{name} + "; it has " + fields_of(object));
  const auto type = object["token_type"].text();
  if (!type.empty() && to_lower(type) != "bearer") return malformed("the answer's token is no bearer token");
  Token out;
  out.value = Secret::copy_of(value);
  out.received = now.wall;
  const auto relative = relative_end(object["expires_in"], now);
  const auto absolute = absolute_end(object["expires_on"], skew);
  auto end =
      first == ExpiryFrom::relative ? (relative ? relative : absolute) : (absolute ? absolute : relative);
  if (!end) {
    const auto claimed = claims_of(out.value).expires;
    if (claimed) end = later(*claimed, -skew);
  }
  if (!end) {
    return malformed("the answer does not say when its token expires (expires_on, expires_in); it has " +
                     fields_of(object));
  }
  out.expires = std::min(*end, later(now.wall, life_max));
  if (out.expires <= now.wall) {
    return Error{ErrorCode::denied,
                 Hop::secret_source,
                 {},
                 "the token in the answer expired at " + format_utc(out.expires),
                 "Correct this machine's clock if the token is new",
                 {}};
  }
  if (const auto refresh = relative_end(object["refresh_in"], now); refresh && *refresh < out.expires)
    out.refresh_at = refresh;
  return out;
}

}  // namespace sallyport::secrets::azure
