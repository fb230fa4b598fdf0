// How long a connection that nobody is using may live: each a little differently long, so that those of one burst do
// not come back as one burst of logins.
#include "test/broker/taker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace sallyport::pool_lifetime_test {
namespace {

using test::take;
using test::Taker;
using test::World;
using namespace std::chrono_literals;

constexpr std::size_t many = 40;
constexpr auto longest = 1h;

PoolSettings settings_with(Duration lifetime, std::size_t max = 4) {
  auto settings = World::small();
  settings.max = static_cast<unsigned>(max);
  settings.lifetime_max = lifetime;
  settings.idle_max = 24h;
  return settings;
}

/// That many connections, all of one moment, ready.
void fill(World& world, std::size_t count) {
  std::vector<std::shared_ptr<Taker>> takers;
  for (std::size_t i = 0; i < count; ++i) takers.push_back(take(world));
  world.loop.settle();
  for (const auto& taker : takers) {
    ASSERT_TRUE(taker->served());
    world.pool->give_back(taker->upstream());
  }
  world.loop.settle();
  ASSERT_EQ(world.pool->status().ready, count);
}

/// How old each was, to the second, when it was closed; those that live are left out.
std::vector<Duration> ages_at_their_ends(World& world, Duration until) {
  std::vector<Duration> ages;
  auto open = world.connector.open();
  for (Duration age = 0s; age < until && open > 0; age += 1s) {
    world.loop.advance(1s);
    for (const auto left = world.connector.open(); open > left; --open) ages.push_back(age + 1s);
  }
  return ages;
}

TEST(PoolLifetime, ConnectionsOfOneMomentDoNotEndInOne) {
  World world{settings_with(longest, many)};
  fill(world, many);
  const auto ages = ages_at_their_ends(world, 2 * longest);
  ASSERT_EQ(ages.size(), many);
  EXPECT_EQ(world.connector.requests.size(), many) << "nobody asked for another one";
  EXPECT_GE(ages.back() - ages.front(), longest / 10);
  std::map<std::chrono::minutes::rep, std::size_t> in_a_minute;
  for (const auto age : ages) ++in_a_minute[std::chrono::duration_cast<std::chrono::minutes>(age).count()];
  for (const auto& [minute, count] : in_a_minute) EXPECT_LE(count, many / 4) << "in minute " << minute;
}

TEST(PoolLifetime, NoConnectionThatIsReadyLivesMuchLongerThanItMayOrEndsLongBefore) {
  for (const Duration lifetime : {Duration{10min}, Duration{longest}}) {
    World world{settings_with(lifetime, many)};
    fill(world, many);
    const auto ages = ages_at_their_ends(world, 2 * lifetime);
    ASSERT_EQ(ages.size(), many);
    EXPECT_LE(ages.back(), lifetime * 105 / 100);
    EXPECT_GE(ages.front(), lifetime * 3 / 4);
    for (const auto& backend : world.connector.backends)
      EXPECT_TRUE(backend->terminated) << "with a farewell";
  }
}

TEST(PoolLifetime, AnOldConnectionIsNotCutUnderItsSessionAndGoesToNobodyAfterIt) {
  World world{settings_with(10min)};
  auto first = take(world);
  world.loop.settle();
  ASSERT_TRUE(first->served());
  world.loop.advance(20min);
  EXPECT_FALSE(world.connector.backends[0]->wire->broker_gone());
  world.pool->give_back(first->upstream());
  auto second = take(world);
  world.loop.advance(1s);
  ASSERT_TRUE(second->served());
  EXPECT_TRUE(world.connector.backends[0]->wire->broker_gone());
  EXPECT_EQ(world.connector.requests.size(), 2u);
  world.pool->discard(second->upstream());
}

}  // namespace
}  // namespace sallyport::pool_lifetime_test
