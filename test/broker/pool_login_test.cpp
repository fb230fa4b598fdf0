// Which logins of a pool are under way at once: slow ones hold up nobody but who asked for them.
#include "test/broker/taker.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

using broker::Pool;
using test::key_of;
using test::take;
using test::Taker;
using test::World;
using namespace std::chrono_literals;

PoolSettings roomy(std::size_t min_ready = 0) {
  PoolSettings settings;
  settings.min_ready = min_ready;
  settings.max = 100;
  return settings;
}

/// Clients of one identity, each with start-up options of its own; their logins take long.
std::vector<std::shared_ptr<Taker>> storm(World& world, const std::string& identity, int clients = 10) {
  world.connector.hold_logins = true;
  std::vector<std::shared_ptr<Taker>> all;
  for (int i = 0; i < clients; ++i) all.push_back(take(world, key_of(world, identity, std::to_string(i))));
  world.loop.settle();
  return all;
}

TEST(PoolLogins, SlowOnesOfOneIdentityDoNotHoldUpAnother) {
  World world{roomy()};
  const auto slow = storm(world, "slow");
  EXPECT_EQ(world.connector.held(), Pool::logins_at_once_max);
  auto other = take(world, key_of(world, "other"));
  world.loop.settle();
  ASSERT_EQ(world.connector.held(), Pool::logins_at_once_max + 1);
  world.connector.release_newest();
  world.loop.settle();
  ASSERT_TRUE(other->served());
  world.pool->discard(other->upstream());
  world.pool->stop();
}

TEST(PoolLogins, AlsoWhenTheOtherHoldsMore) {
  World world{roomy()};
  std::vector<std::shared_ptr<Taker>> held;
  for (int i = 0; i < 5; ++i) held.push_back(take(world, key_of(world, "other")));
  world.loop.settle();
  const auto slow = storm(world, "slow");
  auto sixth = take(world, key_of(world, "other"));
  world.loop.settle();
  world.connector.release_newest();
  world.loop.settle();
  ASSERT_TRUE(sixth->served());
  held.push_back(sixth);
  for (auto& one : held) world.pool->discard(one->upstream());
  world.pool->stop();
}

TEST(PoolLogins, SlowOnesDoNotHoldUpASessionThatMoves) {
  for (const std::string identity : {"slow", "other"}) {
    World world{roomy()};
    auto session = take(world, key_of(world, identity));
    world.loop.settle();
    world.rotate();
    const auto slow = storm(world, "slow");
    auto mover = take(world, key_of(world, identity), 15s, 1);
    world.loop.settle();
    EXPECT_EQ(world.connector.held(), Pool::logins_at_once_max + 1) << identity;
    world.pool->discard(session->upstream());
    world.pool->stop();
  }
}

TEST(PoolLogins, SlowMovesDoNotHoldUpAnothersInAFullPool) {
  auto settings = roomy();
  settings.max = 5;
  World world{settings};
  std::vector<std::shared_ptr<Taker>> sessions;
  for (const auto* identity : {"slow", "slow", "slow", "other", "third"}) {
    sessions.push_back(take(world, key_of(world, identity)));
  }
  world.loop.settle();
  world.rotate();
  world.connector.hold_logins = true;
  std::vector<std::shared_ptr<Taker>> movers;
  for (const auto* identity : {"slow", "slow", "slow", "other", "third"}) {
    movers.push_back(take(world, key_of(world, identity), 15s, 1));
  }
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), Pool::logins_at_once_max + 2);
  EXPECT_LE(world.connector.held(), Pool::logins_beyond_max);
  for (auto& one : sessions) world.pool->discard(one->upstream());
  world.pool->stop();
}

TEST(PoolLogins, ThoseAheadOfDemandHoldUpNobody) {
  World world{roomy(1)};
  world.connector.hold_logins = true;
  for (int i = 0; i < 3; ++i) world.pool->warm(key_of(world, "one", std::to_string(i)), {});
  world.loop.settle();
  const auto ahead = world.connector.held();
  auto same = take(world, key_of(world, "one", "new"));
  auto other = take(world, key_of(world, "other"));
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), ahead + 2);
  world.pool->stop();
}

TEST(PoolLogins, AnIdentityKeepsAsManyReadyWhileAnothersAreSlow) {
  World world{roomy(1)};
  auto other = take(world, key_of(world, "other"));
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready, 1u);
  const auto slow = storm(world, "slow", 5);
  const auto before = world.connector.held();
  auto second = take(world, key_of(world, "other"));
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), before + 1) << "one more is logged in ahead";
  world.pool->discard(other->upstream());
  world.pool->discard(second->upstream());
  world.pool->stop();
}

TEST(PoolLogins, ManyIdentitiesTogetherAreBoundedAndMovesComeThrough) {
  World world{roomy()};
  auto session = take(world, key_of(world, "other"));
  world.loop.settle();
  world.rotate();
  for (int i = 0; i < 30; ++i) (void)storm(world, "slow" + std::to_string(i), 3);
  EXPECT_EQ(world.connector.held(), Pool::logins_in_all_max);
  auto mover = take(world, key_of(world, "other"), 15s, 1);
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), Pool::logins_in_all_max + 1);
  world.pool->discard(session->upstream());
  world.pool->stop();
}

}  // namespace
}  // namespace sallyport
