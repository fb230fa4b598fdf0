#include "broker/turnstile.h"

#include <gtest/gtest.h>

namespace sallyport::broker {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime start{1h};

void charge(Turnstile& turnstile, std::uint32_t uid, unsigned times, MonotonicTime at) {
  for (unsigned i = 0; i < times; ++i) turnstile.charge(uid, at);
}

/// How many refused connections of `uid` it takes until the next one is turned away.
unsigned allowed(Turnstile& turnstile, std::uint32_t uid, MonotonicTime at) {
  unsigned count = 0;
  while (turnstile.lets_in(uid, at) && count < 5000) {
    turnstile.charge(uid, at);
    ++count;
  }
  return count;
}

TEST(Turnstile, ThousandRefusalsInASecondAndThenNone) {
  Turnstile turnstile;
  charge(turnstile, 65534, Turnstile::refusals_max - 1, start);
  EXPECT_TRUE(turnstile.lets_in(65534, start + 999ms));
  turnstile.charge(65534, start + 999ms);
  EXPECT_FALSE(turnstile.lets_in(65534, start + 999ms));
  EXPECT_TRUE(turnstile.lets_in(65534, start + 1s));
}

TEST(Turnstile, AnotherUidIsNotTurnedAway) {
  Turnstile turnstile;
  charge(turnstile, 65534, 100'000, start);
  EXPECT_FALSE(turnstile.lets_in(65534, start));
  EXPECT_TRUE(turnstile.lets_in(0, start));
}

TEST(Turnstile, WhoGoesOnIsLeftAQuarterEachSecond) {
  Turnstile turnstile;
  EXPECT_EQ(allowed(turnstile, 7, start), 1000u);
  EXPECT_EQ(allowed(turnstile, 7, start + 1s), 250u);
  EXPECT_EQ(allowed(turnstile, 7, start + 2s), 62u);
  EXPECT_EQ(allowed(turnstile, 7, start + 3s), 15u);
  EXPECT_EQ(allowed(turnstile, 7, start + 4s), Turnstile::refusals_min);
  EXPECT_EQ(allowed(turnstile, 7, start + 5s), Turnstile::refusals_min);
}

TEST(Turnstile, ASecondWithoutBeingTurnedAwayGivesAllBack) {
  Turnstile turnstile;
  (void)allowed(turnstile, 7, start);
  EXPECT_TRUE(turnstile.lets_in(7, start + 1s));
  turnstile.charge(7, start + 1s);
  EXPECT_EQ(allowed(turnstile, 7, start + 2s), 1000u);
  EXPECT_EQ(allowed(turnstile, 7, start + 10s), 1000u) << "after a rest, too";
}

TEST(Turnstile, MoreUidsThanItKeepsAreAllLetIn) {
  Turnstile turnstile;
  charge(turnstile, 7, 2000, start);
  for (std::uint32_t uid = 1000; uid < 1000 + Turnstile::uids_max; ++uid) turnstile.charge(uid, start);
  EXPECT_TRUE(turnstile.lets_in(7, start));
}

}  // namespace
}  // namespace sallyport::broker
