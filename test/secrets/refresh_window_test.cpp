// When what expires is asked for again, with all the chance that there may be.
#include "secrets/refresh_window.h"

#include "secrets/inquiry.h"
#include "test/secrets/cloud_world.h"

namespace sallyport::refresh_window_test {
namespace {

using namespace std::chrono_literals;

constexpr secrets::RefreshRule rule{15min, 3, 10min, 5, 5s, 60s};

/// A window that began at test_moment() with a credential of that life; random bytes are all `fill`.
secrets::RefreshWindow window_of(Duration life, std::uint8_t fill, bool failed_once = false,
                                 Duration skew = {}) {
  secrets::RefreshWindow window{rule};
  secrets::InquiryFetch fetch{
      {[&](secrets::Inquiry& ask, secrets::Fetched&) -> Result<secrets::Then> {
        window.begin(ask, test_moment().wall + std::chrono::duration_cast<WallTime::duration>(life + skew),
                     skew);
        if (failed_once) window.failed(ask);
        return secrets::Then::next_step;
      }},
      "test:x"};
  EXPECT_TRUE(fetch.resume({test_moment(), started(fill)}));
  return window;
}

WallTime at(std::chrono::seconds passed) { return test_moment(passed).wall; }

TEST(RefreshWindow, BeginsEarlierByChanceAndNeverLater) {
  for (const std::uint8_t fill : {0x00, 0x80, 0xFF}) {
    const auto window = window_of(1h, fill);
    EXPECT_FALSE(window.due(at(1h - 15min - 76s))) << int{fill};
    EXPECT_TRUE(window.due(at(1h - 15min + 1s))) << int{fill};
  }
  EXPECT_FALSE(window_of(1h, 0x00).due(at(1h - 15min - 1s)));
  EXPECT_TRUE(window_of(1h, 0xFF).due(at(1h - 15min - 74s)));
}

TEST(RefreshWindow, AFailureIsFollowedByAPauseUntilTheMandatoryWindow) {
  const auto window = window_of(12min, 0x00, true);  // windows of 4 min and 144 s
  EXPECT_TRUE(window.due(at(9min)));
  const auto short_lived = window_of(30s, 0x00, true);  // of 10 s and 6 s; the pause lasts 60 s
  EXPECT_FALSE(short_lived.due(at(21s)));
  EXPECT_TRUE(short_lived.due(at(24s)));
}

TEST(RefreshWindow, WhatHasExpiredServesNoMore) {
  const auto window = window_of(1h, 0x80);
  EXPECT_TRUE(window.valid(at(1h - 6s)));
  EXPECT_FALSE(window.valid(at(1h - 5s)));
  EXPECT_TRUE(window.due(at(1h)));
}

TEST(RefreshWindow, ExpiryIsOnTheClockOfWhoGaveIt) {
  const auto window = window_of(1h, 0x80, false, 10min);
  EXPECT_TRUE(window.valid(at(59min), 10min));
  EXPECT_FALSE(window.valid(at(61min), 10min));
}

TEST(RefreshWindow, NoClockMakesWhatHasExpiredServeAgain) {
  for (const Duration skew : {Duration::max(), Duration::max() - 1s, Duration{235 * 365 * 24h}}) {
    const auto window = window_of(1h, 0x80);
    EXPECT_FALSE(window.valid(at(2h), skew)) << skew.count();
    EXPECT_TRUE(window.due(at(2h), skew)) << skew.count();
  }
}

TEST(RefreshWindow, AnEndedOneIsDue) {
  auto window = window_of(1h, 0x80);
  window.end();
  EXPECT_FALSE(window.valid(at(0s)));
  EXPECT_TRUE(window.due(at(0s)));
}

}  // namespace
}  // namespace sallyport::refresh_window_test
