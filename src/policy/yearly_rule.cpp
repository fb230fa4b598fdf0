// The rule at the end of a time zone file: "CET-1CEST,M3.5.0,M10.5.0/3".
#include "policy/time_zone.h"

#include <charconv>

namespace sallyport::policy {

namespace {

/// Reads from the front; errors are sticky.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }

  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void require(char c) {
    if (!take(c)) ok_ = false;
  }

  /// "CET" or "<+0330>": what it says does not matter.
  void name() {
    if (take('<')) {
      const auto end = rest_.find('>');
      if (end == std::string_view::npos) return fail();
      rest_.remove_prefix(end + 1);
      return;
    }
    std::size_t letters = 0;
    while (letters < rest_.size() && is_letter(rest_[letters])) ++letters;
    if (letters < 3) return fail();
    rest_.remove_prefix(letters);
  }

  int number(int least, int most) {
    int value = -1;
    const auto [end, wrong] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (wrong != std::errc{} || value < least || value > most || next_is('-')) {
      fail();
      return least;
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  /// "[+-]H[:M[:S]]" in seconds.
  std::int32_t time(int hours_max) {
    const bool negative = take('-');
    if (!negative) take('+');
    std::int32_t seconds = number(0, hours_max) * 3600;
    if (take(':')) seconds += number(0, 59) * 60;
    if (take(':')) seconds += number(0, 59);
    return negative ? -seconds : seconds;
  }

  YearlyChange change() {
    YearlyChange out;
    if (take('M')) {
      out.month = number(1, 12);
      require('.');
      out.week = number(1, 5);
      require('.');
      out.weekday = number(0, 6);
    } else if (take('J')) {
      out.form = YearlyChange::Form::julian_without_leap;
      out.day = number(1, 365);
    } else {
      out.form = YearlyChange::Form::day_of_year;
      out.day = number(0, 365);
    }
    if (take('/')) out.seconds = time(167);
    return out;
  }

 private:
  static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
  void fail() { ok_ = false; }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

Result<YearlyRule> parse_yearly_rule(std::string_view text) {
  RuleReader reader{text};
  YearlyRule rule;
  reader.name();
  rule.standard_offset = -reader.time(24);  // POSIX counts west of Greenwich
  if (reader.ok() && !reader.at_end()) {
    rule.has_summer = true;
    reader.name();
    rule.summer_offset = reader.next_is(',') ? rule.standard_offset + 3600 : -reader.time(24);
    reader.require(',');
    rule.summer_begins = reader.change();
    reader.require(',');
    rule.summer_ends = reader.change();
  }
  if (reader.ok() && reader.at_end()) return rule;
  return Error{ErrorCode::invalid_message,
               Hop::config,
               "time zone file",
               "its rule for later years is not of the form CET-1CEST,M3.5.0,M10.5.0/3",
               "Install the system's tzdata again",
               {}};
}

}  // namespace sallyport::policy
