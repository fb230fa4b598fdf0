#include "credentials/schedule.h"

#include <gtest/gtest.h>

namespace sallyport::credentials::schedule_test {
namespace {

TEST(Schedule, GraceIsTenToTwentyPercent) {
  for (std::uint64_t random : {0ull, 1ull, 12345678901234ull, ~0ull}) {
    EXPECT_GE(grace_of(1h, random), 6min);
    EXPECT_LT(grace_of(1h, random), 12min);
  }
  EXPECT_EQ(grace_of(Duration::zero(), 7), Duration::zero());
  EXPECT_EQ(grace_of(-5s, 7), Duration::zero());
}

TEST(Schedule, RenewsAfterTwoThirdsAndAThirdOfTheGrace) {
  EXPECT_EQ(renewal_delay(3h, 18min), 2h + 6min);
  EXPECT_EQ(renewal_delay(-1s, Duration::zero()), Duration::zero());
}

TEST(Schedule, RenewalComesBeforeTheGraceWhateverTheDice) {
  for (std::uint64_t random = 0; random < 10'000; random += 7) {
    const Duration grace = grace_of(10s, random * 1'000'003);
    EXPECT_LT(renewal_delay(10s, grace), 10s - grace);
  }
}

TEST(Schedule, HostileDurationsDoNotOverflow) {
  EXPECT_EQ(clamp_lifetime(Duration::max()), lifetime_max);
  EXPECT_GT(renewal_delay(Duration::max(), grace_of(Duration::max(), ~0ull)), Duration::zero());
  EXPECT_GT(replacement_delay(Duration::max()), Duration::zero());
}

TEST(Schedule, AShorterGrantIsNoticedAndRoundingIsNot) {
  EXPECT_FALSE(has_shrunk(1h, 1h));
  EXPECT_FALSE(has_shrunk(1h, 1h - 1s));
  EXPECT_TRUE(has_shrunk(1h, 1h - 2s));
  EXPECT_FALSE(has_shrunk(3s, 2900ms));
  EXPECT_TRUE(has_shrunk(3s, 2s));
  EXPECT_FALSE(has_shrunk(3s, 4s));
}

TEST(Schedule, BackOffDoublesUpToItsCapWithAnEighthOfJitter) {
  for (std::uint64_t random : {0ull, 99ull, ~0ull}) {
    for (unsigned failures = 1; failures < 80; ++failures) {
      const Duration exact =
          failures > 10 ? Duration{5min} : std::min<Duration>(10s * (1 << (failures - 1)), 5min);
      EXPECT_GE(backoff_delay(failures, 10s, 5min, random), exact * 7 / 8);
      EXPECT_LE(backoff_delay(failures, 10s, 5min, random), exact * 9 / 8);
    }
  }
}

TEST(Schedule, WhatIsLeftIsTakenFromTheClockThatEndsFirst) {
  const Moment now{WallTime{} + 100s, MonotonicTime{} + 100s};
  const Moment end = plus(now, 60s);
  EXPECT_EQ(left_until(end, now), 60s);
  EXPECT_EQ(left_until(end, {now.wall + 50s, now.mono}), 10s) << "suspended: the wall clock ran on";
  EXPECT_EQ(left_until(end, {now.wall - 1000s, now.mono + 50s}), 10s) << "the wall clock was set back";
}

}  // namespace
}  // namespace sallyport::credentials::schedule_test
