// "Mon-Fri 07:00-20:00 Europe/Berlin": which moments it means.
#include "policy/hours.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sallyport::policy::hours_test {
namespace {

Hours hours(const std::string& text) {
  auto parsed = parse_hours(text);
  EXPECT_TRUE(parsed.has_value()) << text << ": " << parsed.error().what;
  if (!parsed) return {};
  if (parsed->zone_name != "UTC") {
    std::ifstream file{"/usr/share/zoneinfo/" + parsed->zone_name, std::ios::binary};
    std::ostringstream content;
    content << file.rdbuf();
    auto zone = decode_time_zone(as_bytes(content.str()));
    EXPECT_TRUE(zone.has_value());
    parsed->zone = std::make_shared<const TimeZone>(*zone);
  }
  return *parsed;
}

/// UTC; 2026-07-06 is a Monday.
WallTime at(int day, int hour, int minute, unsigned month = 7) {
  using namespace std::chrono;
  return sys_days{year{2026} / month / day} + std::chrono::hours{hour} + minutes{minute};
}

TEST(PolicyHours, AreThoseOfTheDaysAndTheirEndIsNotOpen) {
  const auto office = hours("Mon-Fri 07:00-20:00 UTC");
  EXPECT_FALSE(office.contains(at(6, 6, 59)));
  EXPECT_TRUE(office.contains(at(6, 7, 0)));
  EXPECT_TRUE(office.contains(at(10, 19, 59)));
  EXPECT_FALSE(office.contains(at(10, 20, 0)));
  EXPECT_FALSE(office.contains(at(11, 12, 0)));
  EXPECT_FALSE(office.contains(at(12, 12, 0)));
}

TEST(PolicyHours, FollowTheClocksOfTheirPlace) {
  const auto berlin = hours("Mon-Fri 07:00-20:00 Europe/Berlin");
  EXPECT_TRUE(berlin.contains(at(6, 5, 0)));    // summer: 07:00 there
  EXPECT_FALSE(berlin.contains(at(6, 18, 0)));  // 20:00
  EXPECT_FALSE(berlin.contains(at(7, 5, 59, 1)));
  EXPECT_TRUE(berlin.contains(at(7, 6, 0, 1)));  // winter
  EXPECT_TRUE(berlin.contains(at(7, 18, 59, 1)));
}

TEST(PolicyHours, ThatEndBeforeTheyBeginEndOnTheNextDay) {
  const auto night = hours("Fri,Sun 22:00-06:00 UTC");
  EXPECT_TRUE(night.contains(at(10, 22, 0)));
  EXPECT_TRUE(night.contains(at(11, 5, 59)));
  EXPECT_FALSE(night.contains(at(11, 6, 0)));
  EXPECT_FALSE(night.contains(at(11, 23, 0)));
  EXPECT_TRUE(night.contains(at(6, 3, 0))) << "the night from Sunday to Monday is in two weeks";
}

TEST(PolicyHours, WithoutDaysAreEveryDays) {
  const auto daily = hours("00:00-24:00 UTC");
  EXPECT_TRUE(daily.open.all());
  EXPECT_TRUE(hours("sat-MON 10:00-11:00 UTC").contains(at(6, 10, 30)));
  EXPECT_FALSE(hours("Sat-Mon 10:00-11:00 UTC").contains(at(7, 10, 30)));
}

TEST(PolicyHours, BeforeTheEpochAreThoseOfTheWeekToo) {
  using namespace std::chrono;
  const WallTime sunday = sys_days{year{1969} / 12 / 28} + 12h;
  EXPECT_TRUE(hours("Sun 11:00-13:00 UTC").contains(sunday));
  EXPECT_FALSE(hours("Mon 11:00-13:00 UTC").contains(sunday));
}

TEST(PolicyHours, CoverOthersOfTheSameZoneOnly) {
  EXPECT_TRUE(hours("Mon-Sat 06:00-22:00 UTC").covers(hours("Tue 07:00-20:00 UTC")));
  EXPECT_FALSE(hours("Tue 07:00-20:00 UTC").covers(hours("Mon-Sat 06:00-22:00 UTC")));
  EXPECT_FALSE(hours("00:00-24:00 UTC").covers(hours("Tue 07:00-20:00 Europe/Berlin")));
}

TEST(PolicyHours, SayWhatIsWrong) {
  const auto what = [](const std::string& text) { return parse_hours(text).error().what; };
  EXPECT_EQ(what("Mo-Fr 07:00-20:00 UTC"), "its days are not of the form `Mon-Fri` or `Sat,Sun`");
  EXPECT_EQ(what("Mon-Fri 7-20 UTC"), "its times are not of the form `07:00-20:00`");
  EXPECT_EQ(what("Mon-Fri 07:00-25:00 UTC"), "its times are not of the form `07:00-20:00`");
  EXPECT_EQ(what("Mon-Fri 07:00-20:60 UTC"), "its times are not of the form `07:00-20:00`");
  EXPECT_EQ(what("Mon-Fri"), "its times are not of the form `07:00-20:00`");
  EXPECT_EQ(what("24:00-20:00 UTC"), "its times are not of the form `07:00-20:00`");
  EXPECT_EQ(what("07:00-07:00 UTC"), "it begins when it ends: write `00:00-24:00` for a whole day");
  EXPECT_EQ(what("Mon-Fri 07:00-20:00"), "it names no time zone");
  for (const std::string zone :
       {"../x", "/etc", "Europe//Berlin", "Europe/..", "Berlin!", "Europe/Berlin x"}) {
    EXPECT_EQ(what("07:00-20:00 " + zone), "its time zone is no name such as `Europe/Berlin`") << zone;
  }
  EXPECT_EQ(what(std::string(200, 'x')), "longer than 128 bytes");
  EXPECT_FALSE(parse_hours("").has_value());
}

}  // namespace
}  // namespace sallyport::policy::hours_test
