#include "broker/turnstile.h"

#include <gtest/gtest.h>

namespace sallyport::broker::turnstile_test {
namespace {

using namespace std::chrono_literals;

constexpr MonotonicTime start{1h};

void charge(Turnstile& turnstile, std::uint32_t uid, unsigned times, MonotonicTime at) {
  for (unsigned i = 0; i < times; ++i) turnstile.charge(uid, at);
}

/// How many that arrive in one turn are let in.
unsigned let_in(Turnstile& turnstile, std::uint32_t uid, MonotonicTime turn) {
  unsigned count = 0;
  for (int i = 0; i < 100; ++i) count += turnstile.lets_in(uid, turn) ? 1 : 0;
  return count;
}

TEST(Turnstile, BeyondAThousandRefusalsInASecondFewAreHeardAtOnce) {
  Turnstile turnstile;
  charge(turnstile, 65534, Turnstile::refusals_per_second - 1, start);
  EXPECT_EQ(let_in(turnstile, 65534, start + 998ms), 100u);
  turnstile.charge(65534, start + 999ms);
  EXPECT_EQ(let_in(turnstile, 65534, start + 999ms), Turnstile::arrivals_per_turn);
  EXPECT_EQ(let_in(turnstile, 65534, start + 1s), 100u) << "a new second";
}

TEST(Turnstile, OneAfterAnotherIsAlwaysHeard) {
  Turnstile turnstile;
  for (int i = 0; i < 20'000; ++i) {
    const auto turn = start + i * 50us;
    EXPECT_TRUE(turnstile.lets_in(1000, turn)) << "a client with a wrong setting";
    turnstile.charge(1000, turn);
    EXPECT_TRUE(turnstile.lets_in(1000, turn)) << "and its neighbour";
  }
}

TEST(Turnstile, AnotherUidIsNotTurnedAway) {
  Turnstile turnstile;
  charge(turnstile, 65534, 100'000, start);
  EXPECT_EQ(let_in(turnstile, 65534, start), Turnstile::arrivals_per_turn);
  EXPECT_EQ(let_in(turnstile, 0, start), 100u);
}

TEST(Turnstile, MoreUidsThanItKeepsAreAllLetIn) {
  Turnstile turnstile;
  charge(turnstile, 7, 2000, start);
  for (std::uint32_t uid = 1000; uid < 1000 + Turnstile::origins_max; ++uid) turnstile.charge(uid, start);
  EXPECT_EQ(let_in(turnstile, 7, start), 100u);
}

}  // namespace
}  // namespace sallyport::broker::turnstile_test
