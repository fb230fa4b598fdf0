#include "cli/audit_time.h"

#include <charconv>
#include <optional>

namespace sallyport::cli {
namespace {

using namespace std::chrono;

constexpr std::int64_t ago_max =
    1'000'000'000;  // of any unit: far before the first trail, and no overflow in days

std::optional<WallTime> parse_ago(std::string_view text, WallTime now) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count < 0 || count > ago_max || end + 1 != text.data() + text.size())
    return std::nullopt;
  std::chrono::seconds unit{0};
  switch (*end) {
    case 's': unit = std::chrono::seconds{1}; break;
    case 'm': unit = minutes{1}; break;
    case 'h': unit = hours{1}; break;
    case 'd': unit = days{1}; break;
    case 'w': unit = weeks{1}; break;
    default: return std::nullopt;
  }
  const auto back = unit * count;
  const auto since_epoch = duration_cast<std::chrono::seconds>(now.time_since_epoch());
  return back > since_epoch ? WallTime{} : now - back;
}

/// Takes fields from the front of a text; the first mismatch makes it fail for good.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  int digits(std::size_t count, int least, int most) {
    int value = 0;
    if (rest_.size() < count) return fail();
    for (const char c : rest_.substr(0, count)) {
      if (c < '0' || c > '9') return fail();
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(count);
    return value < least || value > most ? fail() : value;
  }

  bool one_of(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    taken_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!one_of({&c, 1})) fail();
  }

  int fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

  [[nodiscard]] char taken() const { return taken_; }
  [[nodiscard]] bool whole() const { return !failed_ && rest_.empty(); }
  [[nodiscard]] char front() const { return rest_.empty() ? '\0' : rest_.front(); }

 private:
  std::string_view rest_;
  char taken_ = '\0';
  bool failed_ = false;
};

microseconds scan_fraction(Scanner& scanner) {
  std::int64_t micros = 0;
  std::int64_t unit = 100'000;
  if (scanner.front() < '0' || scanner.front() > '9') scanner.fail();
  for (; scanner.front() >= '0' && scanner.front() <= '9'; unit /= 10)
    micros += unit * scanner.digits(1, 0, 9);
  return microseconds{micros};
}

std::optional<WallTime> parse_iso(std::string_view text) {
  Scanner scanner{text};
  const int year_number = scanner.digits(4, 1970, 2261);
  scanner.expect('-');
  const auto month_number = static_cast<unsigned>(scanner.digits(2, 1, 12));
  scanner.expect('-');
  const auto day_number = static_cast<unsigned>(scanner.digits(2, 1, 31));
  const year_month_day date{year{year_number}, month{month_number}, day{day_number}};
  WallTime time{};
  if (date.ok()) time = sys_days{date};
  if (scanner.one_of("Tt ")) {
    time += hours{scanner.digits(2, 0, 23)};
    scanner.expect(':');
    time += minutes{scanner.digits(2, 0, 59)};
    if (scanner.one_of(":")) time += std::chrono::seconds{scanner.digits(2, 0, 60)};
    if (scanner.one_of(".")) time += scan_fraction(scanner);
    if (!scanner.one_of("Zz") && scanner.one_of("+-")) {
      const int sign = scanner.taken() == '+' ? -1 : 1;
      time += sign * hours{scanner.digits(2, 0, 23)};
      (void)scanner.one_of(":");
      time += sign * minutes{scanner.digits(2, 0, 59)};
    }
  }
  return scanner.whole() && date.ok() ? std::optional{time} : std::nullopt;
}

}  // namespace

Result<WallTime> parse_time(std::string_view text, WallTime now) {
  if (const auto ago = parse_ago(text, now)) return *ago;
  if (const auto time = parse_iso(text)) return *time;
  return Error{ErrorCode::bad_config,
               Hop::none,
               "time",
               "\"" + std::string{text.substr(0, 64)} + "\" is no time",
               "Write how long ago (90s, 15m, 1h, 2d, 1w) or a time (2026-11-25, 2026-11-25T10:09:23Z).",
               ""};
}

}  // namespace sallyport::cli
