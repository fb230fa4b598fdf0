// Which keys (identity, database, start-up parameters) a pool keeps connections ready for, and when it forgets one.
#include "test/broker/taker.h"

#include <gtest/gtest.h>

namespace sallyport::pool_keys_test {
namespace {

using broker::PoolKey;
using test::key_of;
using test::other_key;
using test::take;
using test::Taker;
using test::World;
using namespace std::chrono_literals;

PoolSettings roomy(std::size_t max = 50) {
  PoolSettings settings;
  settings.min_ready = 1;
  settings.max = max;
  return settings;
}

PoolSettings lending(std::size_t max = 50) {
  auto settings = roomy(max);
  settings.mode = PoolMode::transaction;
  return settings;
}

Error refusal(std::string sqlstate) {
  return Error{ErrorCode::denied, Hop::login, "db", "not you", {}, std::move(sqlstate)};
}

/// A client's turn: whether it was served.
bool use(World& world, const PoolKey& key) {
  auto taker = take(world, key);
  world.loop.settle();
  if (!taker->served()) return false;
  world.pool->settings().pool.mode == PoolMode::transaction ? world.pool->put_back(taker->upstream())
                                                            : world.pool->give_back(taker->upstream());
  world.loop.settle();
  return true;
}

TEST(PoolKeys, ConnectionsOfManyIdentitiesStayReady) {
  for (const auto& settings : {roomy(), lending()}) {
    World world{settings};
    std::size_t logins = 0;
    for (int second = 0; second < 20; ++second) {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(use(world, key_of(world, "user" + std::to_string(i))));
      world.loop.advance(1s);
      if (second == 1) logins = world.connector.requests.size();
    }
    EXPECT_EQ(world.connector.requests.size(), logins) << "nobody had to log in again";
    EXPECT_LE(logins, 40u);
    EXPECT_EQ(world.connector.open(), logins);
  }
}

TEST(PoolKeys, EachOfManyIdentitiesHasOneLoggedInAhead) {
  World world{roomy()};
  std::vector<std::shared_ptr<Taker>> takers;
  for (int i = 0; i < 20; ++i) takers.push_back(take(world, key_of(world, "user" + std::to_string(i))));
  world.loop.advance(1s);
  EXPECT_EQ(world.pool->status().in_use, 20u);
  EXPECT_EQ(world.pool->status().ready, 20u);
  for (const auto& taker : takers) world.pool->discard(taker->upstream());
}

TEST(PoolKeys, ManyDatabasesOfOneIdentityStayReadyToo) {
  World world{lending()};
  std::size_t logins = 0;
  for (int second = 0; second < 12; ++second) {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(use(world, other_key(world, "db" + std::to_string(i))));
    world.loop.advance(1s);
    if (second == 1) logins = world.connector.requests.size();
  }
  EXPECT_EQ(world.connector.requests.size(), logins);
}

TEST(PoolKeys, AStormOfStartUpOptionsCostsNobodyElseAConnection) {
  for (const std::size_t max : {5U, 50U}) {
    World world{roomy(max)};
    for (const auto* other : {"one", "two", "three"}) EXPECT_TRUE(use(world, key_of(world, other)));
    world.loop.advance(1s);
    ASSERT_GE(world.pool->status().ready, 3u);
    const auto logins = world.connector.requests.size();
    for (int i = 0; i < 300; ++i) {
      EXPECT_TRUE(use(world, key_of(world, "storm", std::to_string(i))));
      world.loop.advance(100ms);
    }
    EXPECT_LE(world.pool->keys_known(), limits::pool_profiles_max + 4);
    EXPECT_LE(world.pool->status().ready, 2 * limits::pool_profiles_max + 4);
    const auto of_the_storm = world.connector.requests.size() - logins;
    for (const auto* other : {"one", "two", "three"}) {
      auto taker = take(world, key_of(world, other));
      EXPECT_TRUE(taker->served()) << other << " finds its connection, with max " << max;
      if (taker->served()) world.pool->give_back(taker->upstream());
      world.loop.settle();
    }
    EXPECT_LE(of_the_storm, 450u) << "most are not logged in ahead for either";
  }
}

TEST(PoolKeys, WhatIsForgottenIsTakenLeaveOf) {
  World world{roomy()};
  for (unsigned i = 0; i < limits::pool_profiles_max + 6; ++i) {
    EXPECT_TRUE(use(world, key_of(world, "app", std::to_string(i))));
    world.loop.advance(1s);
  }
  world.loop.advance(6s);
  std::size_t closed = 0;
  for (const auto& backend : world.connector.backends) {
    if (!backend->wire->broker_gone()) continue;
    ++closed;
    EXPECT_TRUE(backend->terminated);
  }
  EXPECT_GE(closed, 6u);
}

TEST(PoolKeys, KeysThatNobodyCanLogInWithAreNotRemembered) {
  World world{roomy()};
  for (int i = 0; i < 2000; ++i) {
    world.connector.failures.push_back(refusal("3D000"));
    EXPECT_FALSE(use(world, other_key(world, "no_such_" + std::to_string(i))));
    world.loop.advance(10ms);
  }
  world.loop.advance(6s);
  EXPECT_EQ(world.pool->keys_known(), 0u);
}

TEST(PoolKeys, WhatHasNeverLetAnybodyInIsNotTriedAheadOfDemand) {
  for (const auto* sqlstate : {"3D000", "42704", "22023", "42501", "28000", "57P03", "28P01", ""}) {
    World world{roomy()};
    for (int i = 0; i < 100; ++i) world.connector.failures.push_back(refusal(sqlstate));
    EXPECT_FALSE(use(world, world.key()));
    world.loop.advance(5s);  // a credential that is refused is fetched again, and tried once more
    const auto logins = world.connector.requests.size();
    EXPECT_LE(logins, 2u);
    world.loop.advance(1min);
    EXPECT_EQ(world.connector.requests.size(), logins) << sqlstate;
  }
}

TEST(PoolKeys, ARefusalOfTheRequestItselfEndsTheTrialsUntilAClientIsLetIn) {
  for (const auto& settings : {roomy(), lending()}) {
    for (const auto* sqlstate : {"3D000", "42704", "22023", "42501", "55000"}) {
      World world{settings};
      EXPECT_TRUE(use(world, world.key()));
      world.loop.advance(1s);
      ASSERT_GE(world.pool->status().ready, 1u);
      auto logins = world.connector.requests.size();
      for (int i = 0; i < 100; ++i) world.connector.failures.push_back(refusal(sqlstate));
      for (const auto& backend : world.connector.backends)
        backend->wire->close_write();  // DROP … WITH (FORCE)
      world.loop.advance(1min);
      EXPECT_EQ(world.connector.requests.size(), logins + 1) << sqlstate << ": tried once more";
      EXPECT_FALSE(use(world, world.key()));
      world.loop.advance(1min);
      EXPECT_EQ(world.connector.requests.size(), logins + 2) << sqlstate << ": for the client alone";
      world.connector.failures.clear();
      EXPECT_TRUE(use(world, world.key()));
      world.loop.advance(5s);
      auto taker = take(world);
      world.loop.advance(5s);
      EXPECT_EQ(world.pool->status().ready, 1u) << "it is there again";
      world.pool->discard(taker->upstream());
    }
  }
}

TEST(PoolKeys, AServerThatIsAwayForAWhileIsTriedUntilItIsThere) {
  World world{roomy()};
  EXPECT_TRUE(use(world, world.key()));
  world.loop.advance(1s);
  for (const auto* sqlstate : {"57P03", "", "08006", "53300"})
    world.connector.failures.push_back(refusal(sqlstate));
  for (const auto& backend : world.connector.backends) backend->wire->close_write();
  world.loop.advance(30s);
  EXPECT_EQ(world.pool->status().ready, 1u);
}

TEST(PoolKeys, WhoIsExpectedAndRefusedIsNotExpectedAnyMore) {
  World world{roomy()};
  for (int i = 0; i < 100; ++i) world.connector.failures.push_back(refusal("3D000"));
  world.pool->keep_ready(world.key());
  world.loop.advance(1min);
  EXPECT_EQ(world.connector.requests.size(), 1u);
}

TEST(PoolKeys, ADatabaseThatPgHbaRefusesIsNotTriedAgain) {
  World world{roomy()};
  EXPECT_TRUE(use(world, world.key()));
  for (int i = 0; i < 100; ++i) world.connector.failures.push_back(refusal("28000"));
  world.pool->keep_ready(other_key(world, "not_for_us"));
  const auto logins = world.connector.requests.size();
  world.loop.advance(1min);
  EXPECT_LE(world.connector.requests.size(), logins + 1);
}

/// Ready connections to a database, as the server sees them.
std::size_t open_to(World& world, const std::string& database) {
  std::size_t open = 0;
  for (std::size_t i = 0; i < world.connector.backends.size(); ++i) {
    if (world.connector.requests[i].database == database && !world.connector.backends[i]->wire->broker_gone())
      ++open;
  }
  return open;
}

TEST(PoolKeys, ADatabaseThatSomebodyNeedsAloneIsLeftUntilAClientAsksForIt) {
  for (const auto& settings : {roomy(), lending()}) {
    World world{settings};
    for (const auto* identity : {"one", "two"}) {
      auto key = key_of(world, identity);
      EXPECT_TRUE(use(world, key));
      key.database = "t";
      EXPECT_TRUE(use(world, key));
    }
    world.loop.advance(1s);
    const auto elsewhere = open_to(world, "production");
    ASSERT_GE(open_to(world, "t"), 2u);
    world.pool->give_up("t", "one");
    world.loop.settle();
    EXPECT_EQ(open_to(world, "t"), 0u);
    EXPECT_EQ(open_to(world, "production"), elsewhere);
    world.loop.advance(1min);
    EXPECT_EQ(open_to(world, "t"), 0u) << "nobody has asked for it";
    auto key = key_of(world, "two");
    key.database = "t";
    EXPECT_TRUE(use(world, key));
    world.loop.advance(1s);
    EXPECT_GE(open_to(world, "t"), 1u);
  }
}

TEST(PoolKeys, AlsoWhatIsStillBeingResetOrLoggedInAheadOrInUse) {
  World world{roomy()};
  auto used = take(world), reset = take(world);
  world.loop.settle();
  world.connector.hold_logins = true;
  auto third = take(world);
  world.loop.settle();
  ASSERT_TRUE(third->served());
  ASSERT_EQ(world.connector.held(), 1u) << "another one is logged in ahead";
  world.pool->give_back(reset->upstream());
  world.pool->give_up(world.key().database, "somebody");
  world.connector.hold_logins = false;
  while (world.connector.held() > 0) world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready, 0u);
  EXPECT_EQ(world.connector.open(), 2u);
  world.pool->give_back(used->upstream());
  world.pool->give_back(third->upstream());
  world.loop.advance(10s);
  EXPECT_EQ(world.connector.open(), 0u);
}

TEST(PoolKeys, WhoNeedsDatabasesWithoutEndDoesNotKeepOthersFromTheirs) {
  World world{lending()};
  const auto key = key_of(world, "other");
  std::size_t logins = 0;
  for (int i = 0; i < 1000; ++i) {
    world.pool->give_up(key.database, "hostile");
    EXPECT_TRUE(use(world, key));
    world.loop.advance(10ms);
    logins = world.connector.requests.size();
  }
  EXPECT_LE(logins, 4u * broker::Pool::given_up_max);
  EXPECT_GT(logins, 2u) << "some of its statements were heeded";
  // Nor does it use up for ever what others need for theirs.
  world.loop.advance(broker::Pool::given_up_within + 1s);
  EXPECT_TRUE(use(world, key));
  ASSERT_GE(open_to(world, key.database), 1u);
  world.pool->give_up(key.database, "somebody");
  world.loop.settle();
  EXPECT_EQ(open_to(world, key.database), 0u);
}

}  // namespace
}  // namespace sallyport::pool_keys_test
