#include "policy/time_zone.h"

#include <algorithm>
#include <chrono>

namespace sallyport::policy {

namespace {

/// UTC offsets lie within 26 hours either way (RFC 8536: -25:59:59 to +26:59:59).
constexpr std::int32_t offset_max = 27 * 3600;

Error bad(std::string_view what) {
  return {ErrorCode::invalid_message,          Hop::config, "time zone file", std::string{what},
          "Install the system's tzdata again", {}};
}

/// The six counts of a header.
struct Counts {
  std::uint32_t utc_flags = 0, standard_flags = 0, leaps = 0, changes = 0, types = 0, letters = 0;

  [[nodiscard]] std::size_t body_bytes(std::size_t time_bytes) const {
    return std::size_t{changes} * (time_bytes + 1) + std::size_t{types} * 6 + letters +
           std::size_t{leaps} * (time_bytes + 4) + standard_flags + utc_flags;
  }
};

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t number = 0;
  for (const auto byte : bytes) number = number << 8 | byte;
  return number;
}

/// Takes a header off the front.
Result<Counts> take_header(Bytes& rest) {
  constexpr std::size_t header_bytes = 44;
  if (rest.size() < header_bytes || as_text(rest.first(4)) != "TZif") return bad("does not begin as TZif");
  if (rest[4] < '2') return bad("is of version 1, expected 2 or later");
  Counts counts;
  std::size_t at = 20;
  for (auto* count : {&counts.utc_flags, &counts.standard_flags, &counts.leaps, &counts.changes,
                      &counts.types, &counts.letters}) {
    *count = static_cast<std::uint32_t>(big_endian(rest.subspan(at, 4)));
    if (*count > time_zone_bytes_max) return bad("counts more than fits into it");
    at += 4;
  }
  rest = rest.subspan(header_bytes);
  return counts;
}

constexpr std::int64_t day_seconds = 86'400;

/// Days from the epoch to the day of this year on which the change lies.
std::int64_t day_of(const YearlyChange& change, std::chrono::year year) {
  using namespace std::chrono;
  const sys_days first{year / January / 1};
  switch (change.form) {
    case YearlyChange::Form::julian_without_leap: {
      const bool shifted = year.is_leap() && change.day >= 60;  // behind the day that is not counted
      return first.time_since_epoch().count() + change.day - 1 + (shifted ? 1 : 0);
    }
    case YearlyChange::Form::day_of_year: return first.time_since_epoch().count() + change.day;
    case YearlyChange::Form::month_week_day: break;
  }
  const weekday wanted{static_cast<unsigned>(change.weekday)};
  const auto month_of = year / month{static_cast<unsigned>(change.month)};
  const sys_days day = change.week == 5 ? sys_days{month_of / wanted[last]}
                                        : sys_days{month_of / wanted[static_cast<unsigned>(change.week)]};
  return day.time_since_epoch().count();
}

std::int32_t offset_by(const YearlyRule& rule, std::int64_t unix_seconds) {
  if (!rule.has_summer) return rule.standard_offset;
  using namespace std::chrono;
  const auto days = floor<std::chrono::days>(sys_seconds{seconds{unix_seconds}});
  const auto this_year = static_cast<int>(year_month_day{days}.year());
  // Changes may lie beyond their year's ends: the latest of three years that has come decides.
  std::int64_t latest = 0;
  auto offset = rule.standard_offset;
  bool found = false;
  for (int number = this_year - 1; number <= this_year + 1; ++number) {
    const year one{number};
    const auto ends =
        day_of(rule.summer_ends, one) * day_seconds + rule.summer_ends.seconds - rule.summer_offset;
    const auto begins =
        day_of(rule.summer_begins, one) * day_seconds + rule.summer_begins.seconds - rule.standard_offset;
    // Of two at one moment summer's begin counts: so a summer without end is written.
    if (ends <= unix_seconds && (!found || ends > latest)) {
      latest = ends;
      offset = rule.standard_offset;
      found = true;
    }
    if (begins <= unix_seconds && (!found || begins >= latest)) {
      latest = begins;
      offset = rule.summer_offset;
      found = true;
    }
  }
  return offset;
}

}  // namespace

std::int32_t TimeZone::offset_at(std::int64_t unix_seconds) const {
  const auto next = std::upper_bound(changes_.begin(), changes_.end(), unix_seconds,
                                     [](std::int64_t at, const Change& change) { return at < change.at; });
  if (next == changes_.end() && later_) return offset_by(*later_, unix_seconds);
  return next == changes_.begin() ? first_offset_ : std::prev(next)->offset;
}

Result<TimeZone> decode_time_zone(Bytes file) {
  if (file.size() > time_zone_bytes_max) return bad("is larger than any");
  auto rest = file;
  const auto old = take_header(rest);  // the same in 32 bits, for old programs
  if (!old) return old.error();
  if (rest.size() < old->body_bytes(4)) return bad("is cut");
  rest = rest.subspan(old->body_bytes(4));
  const auto counts = take_header(rest);
  if (!counts) return counts.error();
  if (rest.size() < counts->body_bytes(8)) return bad("is cut");
  if (counts->leaps != 0) return bad("counts leap seconds");
  if (counts->types == 0) return bad("has no offset at all");
  const auto times = rest.first(std::size_t{counts->changes} * 8);
  const auto kinds = rest.subspan(times.size(), counts->changes);
  const auto types = rest.subspan(times.size() + kinds.size(), std::size_t{counts->types} * 6);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < counts->types; ++i) {
    offsets.push_back(static_cast<std::int32_t>(big_endian(types.subspan(i * 6, 4))));
    if (offsets.back() < -offset_max || offsets.back() > offset_max) return bad("has an impossible offset");
  }
  TimeZone zone;
  zone.first_offset_ = offsets.front();
  for (std::size_t i = 0; i < counts->changes; ++i) {
    const auto at = static_cast<std::int64_t>(big_endian(times.subspan(i * 8, 8)));
    const bool in_order = zone.changes_.empty() || zone.changes_.back().at < at;
    if (kinds[i] >= offsets.size() || !in_order) return bad("has changes out of order, or without an offset");
    zone.changes_.push_back({at, offsets[kinds[i]]});
  }
  auto footer = as_text(rest.subspan(counts->body_bytes(8)));
  if (footer.size() < 2 || footer.front() != '\n' || footer.back() != '\n') return bad("is cut");
  footer = footer.substr(1, footer.size() - 2);
  if (footer.empty()) return zone;
  auto rule = parse_yearly_rule(footer);
  if (!rule) return rule.error();
  zone.later_ = *rule;
  return zone;
}

}  // namespace sallyport::policy
