// Moments that nobody's clock has, as others send them.
#include "base/clock.h"

#include <gtest/gtest.h>

namespace sallyport::clock_test {
namespace {

using namespace std::chrono_literals;

TEST(Clock, WhatIsMovedStopsAtTheEndsOfTime) {
  const WallTime now{1'800'000'000s};
  EXPECT_EQ(later(now, 1h), now + 1h);
  EXPECT_EQ(later(now, -1h), now - 1h);
  EXPECT_EQ(later(WallTime::max() - 1h, 1h), WallTime::max());
  EXPECT_EQ(later(WallTime::max() - 1h, 2h), WallTime::max());
  EXPECT_EQ(later(now, Duration::max()), WallTime::max());
  EXPECT_EQ(later(WallTime::min() + 1h, -2h), WallTime::min());
  EXPECT_EQ(later(WallTime{-1s}, Duration::min()), WallTime::min());
  EXPECT_EQ(later(WallTime::max(), Duration::min()), WallTime{-1ns});
}

}  // namespace
}  // namespace sallyport::clock_test
