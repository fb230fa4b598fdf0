// What replies say about clocks.
#include "secrets/web.h"

#include "test/secrets/script.h"

#include <gtest/gtest.h>

namespace sallyport::web_test {
namespace {

using namespace std::chrono_literals;

secrets::WebReply dated(const HttpReply& http) { return {http.status, &http, std::nullopt, test_moment()}; }

TEST(Web, AServersClockCountsWhereItIsLessThanADayOff) {
  const struct {
    const char* date;
    std::optional<Duration> counted;
    std::optional<Duration> seen;
  } rows[] = {{"Fri, 15 Jan 2027 08:10:00 GMT", 10min, 10min},
              {"Sat, 16 Jan 2027 07:59:59 GMT", 24h - 1s, 24h - 1s},
              {"Thu, 14 Jan 2027 08:00:01 GMT", 1s - 24h, 1s - 24h},
              {"Sat, 16 Jan 2027 08:00:00 GMT", std::nullopt, 24h},
              {"Thu, 14 Jan 2027 08:00:00 GMT", std::nullopt, -24h},
              {"Thu, 01 Jan 1970 00:00:00 GMT", std::nullopt, -1'800'000'000s},
              {"tomorrow", std::nullopt, std::nullopt}};
  for (const auto& [date, counted, seen] : rows) {
    const HttpReply http{200, {{"date", date}}, {}};
    EXPECT_EQ(skew_of(dated(http)), counted) << date;
    EXPECT_EQ(clock_difference(dated(http)), seen) << date;
  }
  const HttpReply last{200, {{"date", "Fri, 31 Dec 9999 23:59:59 GMT"}}, {}};
  EXPECT_FALSE(skew_of(dated(last)));
  EXPECT_GT(clock_difference(dated(last)), 24h * 365 * 200);
}

}  // namespace
}  // namespace sallyport::web_test
