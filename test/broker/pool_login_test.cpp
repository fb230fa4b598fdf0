// Which logins of a pool are under way at once: slow ones hold up nobody but who asked for them.
#include "test/broker/taker.h"

#include <gtest/gtest.h>

#include <utility>

namespace sallyport::pool_login_test {
namespace {

using broker::Pool;
using test::key_of;
using test::prove_credential;
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
  prove_credential(world);
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
    prove_credential(world);
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
  sessions.push_back(take(world, key_of(world, "other"), 15s, 1));  // the first to move
  world.loop.settle();
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
  prove_credential(world);
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
  prove_credential(world);
  for (int i = 0; i < 30; ++i) (void)storm(world, "slow" + std::to_string(i), 3);
  EXPECT_EQ(world.connector.held(), Pool::logins_in_all_max);
  auto mover = take(world, key_of(world, "other"), 15s, 1);
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), Pool::logins_in_all_max + 1);
  world.pool->discard(session->upstream());
  world.pool->stop();
}

// ---- a credential that nobody has logged in with yet ---------------------------------------------

Error wrong_password() {
  return {ErrorCode::denied, Hop::login, "db", "password authentication failed", {}, "28P01"};
}

/// One client each of ten identities.
std::vector<std::shared_ptr<Taker>> ten(World& world) {
  std::vector<std::shared_ptr<Taker>> all;
  for (int i = 0; i < 10; ++i) all.push_back(take(world, key_of(world, "id" + std::to_string(i))));
  world.loop.settle();
  return all;
}

void give_up(World& world, const std::vector<std::shared_ptr<Taker>>& takers) {
  for (const auto& one : takers) {
    if (one->served()) world.pool->discard(one->upstream());
  }
  world.pool->stop();
  world.loop.settle();
}

TEST(PoolTrial, OneLoginTriesACredentialAndThenAllUseIt) {
  World world{roomy()};
  world.connector.hold_logins = true;
  const auto all = ten(world);
  EXPECT_EQ(world.connector.held(), 1u);
  world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), 9u) << "as many as otherwise, at once";
  give_up(world, all);
}

TEST(PoolTrial, EachNewCredentialIsTriedByOne) {
  World world{roomy()};
  auto session = take(world);
  world.loop.settle();
  world.rotate();
  world.connector.hold_logins = true;
  auto all = ten(world);
  EXPECT_EQ(world.connector.held(), 1u);
  world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), 9u);
  all.push_back(session);
  give_up(world, all);
}

TEST(PoolTrial, AWrongPasswordIsHeardOnceForEachThatTheSourceGives) {
  World world{roomy()};
  for (int i = 0; i < 20; ++i) world.connector.failures.push_back(wrong_password());
  const auto all = ten(world);
  world.loop.advance(4s);
  EXPECT_EQ(world.connector.requests.size(), 2u);
  for (const auto& one : all) {
    ASSERT_TRUE(one->result && !*one->result);
    EXPECT_EQ(one->error().sqlstate, "28P01");
  }
  give_up(world, all);
}

TEST(PoolTrial, AFailureThatSaysNothingOfTheCredentialLetsTheNextTry) {
  World world{roomy()};
  world.connector.failures.push_back(
      Error{ErrorCode::denied, Hop::login, "db", "database does not exist", {}, "3D000"});
  const auto all = ten(world);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& one) { return one->served(); }), 9);
  EXPECT_EQ(world.connector.requests.size(), 10u);
  give_up(world, all);
}

TEST(PoolTrial, ALoginThatHangsHoldsItForAMomentAndAnotherIdentityIsNext) {
  World world{roomy()};
  const auto slow = storm(world, "slow");
  EXPECT_EQ(world.connector.held(), 1u);
  auto other = take(world, key_of(world, "other"));
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), 1u);
  world.loop.advance(1s);
  ASSERT_EQ(world.connector.held(), 2u);
  EXPECT_FALSE(other->result);
  world.connector.release_newest();
  world.loop.settle();
  EXPECT_TRUE(other->served()) << "not the other login of the one that hangs";
  EXPECT_EQ(world.connector.held(), Pool::logins_at_once_max) << "it has been tried";
  give_up(world, {other});
}

TEST(PoolTrial, WhoWaitsForItIsToldOfAStop) {
  World world{roomy(1)};
  world.connector.hold_logins = true;
  std::optional<Result<void>> warmed;
  const auto all = ten(world);
  world.pool->warm(key_of(world, "one"), [&](Result<void> outcome) { warmed = std::move(outcome); });
  world.loop.settle();
  EXPECT_FALSE(warmed);
  world.pool->stop();
  ASSERT_TRUE(warmed);
  EXPECT_FALSE(*warmed);
  EXPECT_EQ(world.pool->status().connecting, 1u) << "the one that is under way";
  world.connector.release_one();
  world.loop.advance(20s);
  EXPECT_EQ(world.connector.requests.size(), 1u);
  EXPECT_EQ(world.pool->status().connecting, 0u);
}

// What is asked behind the login is the first statement that the server hears.
TEST(PoolLogins, AServerThatEndsBehindEachLoginIsNotLoggedInToForAsLongAsAClientWaits) {
  auto settings = World::small();
  settings.mode = PoolMode::transaction;
  settings.verify_session_state = VerifySessionState::always;
  World world{settings};
  world.connector.prepare = [](test::FakeBackend& backend) {
    backend.manual = true;
    backend.wire->break_off();
  };
  auto waits = take(world);
  ASSERT_TRUE(world.loop.advance(1s));
  ASSERT_TRUE(waits->result.has_value()) << "it is told soon";
  ASSERT_FALSE(waits->served());
  EXPECT_EQ(waits->error().what, "the server ended the connection right behind the login");
  const auto tried = world.connector.backends.size();
  EXPECT_LE(tried, Pool::ended_behind_login_max);
  ASSERT_TRUE(world.loop.advance(1s));
  EXPECT_EQ(world.connector.backends.size(), tried);
}

// An administrator who ends a process hits one that has just logged in as well as any other.
TEST(PoolLogins, OneThatEndsBehindItsLoginIsAnAccidentThatNobodyHearsOf) {
  auto settings = World::small();
  settings.mode = PoolMode::transaction;
  settings.verify_session_state = VerifySessionState::always;
  World world{settings};
  for (int i = 0; i < 5; ++i) {
    bool first = true;
    world.connector.prepare = [&first](test::FakeBackend& backend) {
      if (!std::exchange(first, false)) return;
      backend.manual = true;
      backend.wire->break_off();
    };
    auto waits = take(world);
    ASSERT_TRUE(world.loop.advance(1s));
    ASSERT_TRUE(waits->served()) << i;
    world.pool->discard(waits->upstream());
    ASSERT_TRUE(world.loop.settle());
  }
  world.pool->stop();
}

}  // namespace
}  // namespace sallyport::pool_login_test
