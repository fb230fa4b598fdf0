// The decoder against the C library, which reads the same files; then files that are none.
#include "policy/time_zone.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>

namespace sallyport::policy::time_zone_test {
namespace {

std::string zone_file(const std::string& name) {
  std::ifstream file{"/usr/share/zoneinfo/" + name, std::ios::binary};
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

TimeZone zone(const std::string& name) {
  auto decoded = decode_time_zone(as_bytes(zone_file(name)));
  EXPECT_TRUE(decoded.has_value()) << name;
  return decoded ? *decoded : TimeZone{};
}

/// By the C library, which knows one zone at a time.
class CLibrary {
 public:
  explicit CLibrary(const std::string& name) {
    setenv("TZ", name.c_str(), 1);
    tzset();
  }
  ~CLibrary() {
    unsetenv("TZ");
    tzset();
  }
  CLibrary(const CLibrary&) = delete;
  CLibrary& operator=(const CLibrary&) = delete;
  static long offset_at(std::int64_t at) {
    const auto time = static_cast<std::time_t>(at);
    std::tm local{};
    localtime_r(&time, &local);
    return local.tm_gmtoff;
  }
};

TEST(TimeZone, AgreesWithTheCLibraryFrom1880To2200) {
  for (const std::string name :
       {"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca",
        "America/Nuuk", "Asia/Tehran", "Europe/Dublin", "Pacific/Apia", "America/Santiago", "Asia/Gaza",
        "Antarctica/Troll", "Etc/UTC", "Etc/GMT+12", "EST5EDT"}) {
    const auto decoded = zone(name);
    const CLibrary library{name};
    constexpr std::int64_t first = -2'840'140'800;  // 1880
    constexpr std::int64_t last = 7'258'118'400;    // 2200
    std::size_t different = 0;
    for (auto at = first; at < last; at += 98'765) {
      if (decoded.offset_at(at) != library.offset_at(at) && ++different == 1) {
        ADD_FAILURE() << name << " at " << at << ": " << decoded.offset_at(at) << ", the C library says "
                      << library.offset_at(at);
      }
    }
    EXPECT_EQ(different, 0u) << name;
  }
}

TEST(TimeZone, ChangesAtTheVerySecond) {
  const auto berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.offset_at(1'774'745'999), 3600);  // 2026-03-29 00:59:59 UTC
  EXPECT_EQ(berlin.offset_at(1'774'746'000), 7200);
  EXPECT_EQ(berlin.offset_at(4'109'878'800 - 1), 3600);  // 2100-03-28 01:00 UTC, by the rule
  EXPECT_EQ(berlin.offset_at(4'109'878'800), 7200);
}

TEST(TimeZone, WithoutAFileIsUtc) { EXPECT_EQ(TimeZone{}.offset_at(1'774'746'000), 0); }

TEST(TimeZone, ReadsEveryFormOfTheYearlyRule) {
  const auto plain = parse_yearly_rule("<+0330>-3:30");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->standard_offset, 12'600);
  EXPECT_FALSE(plain->has_summer);
  const auto odd = parse_yearly_rule("<-02>2<-01>,J60/-1,300/167:59:59");
  ASSERT_TRUE(odd.has_value());
  EXPECT_EQ(odd->summer_offset, -3600);
  EXPECT_EQ(odd->summer_begins.form, YearlyChange::Form::julian_without_leap);
  EXPECT_EQ(odd->summer_begins.seconds, -3600);
  EXPECT_EQ(odd->summer_ends.day, 300);
  EXPECT_EQ(odd->summer_ends.seconds, 167 * 3600 + 59 * 60 + 59);
}

TEST(TimeZone, RefusesRulesThatAreNone) {
  for (const std::string text :
       {"", "CE-1", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0x", "CET-25",
        "<CET-1", "CET--1", "CET-1CEST,J0,J365", "CET-1CEST,366,1", "CET-1CEST,M3.5.0/168,M10.5.0"}) {
    EXPECT_FALSE(parse_yearly_rule(text).has_value()) << text;
  }
}

TEST(TimeZone, RefusesACutFileAtEveryByte) {
  const auto whole = zone_file("Europe/Berlin");
  ASSERT_FALSE(whole.empty());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_time_zone(as_bytes(whole.substr(0, size))).has_value()) << size;
  }
  EXPECT_FALSE(decode_time_zone(as_bytes(std::string(time_zone_bytes_max + 1, 'x'))).has_value());
}

TEST(TimeZone, RefusesOtherKindsOfFiles) {
  auto text = zone_file("Europe/Berlin");
  text[0] = 'X';
  EXPECT_FALSE(decode_time_zone(as_bytes(text)).has_value());
  text = zone_file("Europe/Berlin");
  text[4] = '\0';
  const auto old = decode_time_zone(as_bytes(text));
  ASSERT_FALSE(old.has_value());
  EXPECT_EQ(old.error().what, "is of version 1, expected 2 or later");
  const auto leaps = zone_file("right/Europe/Berlin");
  if (leaps.empty()) return;  // not every system has them
  EXPECT_EQ(decode_time_zone(as_bytes(leaps)).error().what, "counts leap seconds");
}

}  // namespace
}  // namespace sallyport::policy::time_zone_test
