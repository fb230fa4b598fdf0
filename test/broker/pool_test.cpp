// Pools: who gets which connection, when one is opened, reset, closed, and what waiters are told.
#include "test/broker/taker.h"

#include <gtest/gtest.h>

namespace sallyport::pool_test {
namespace {

using broker::Pool;
using broker::PoolKey;
using broker::UpstreamPtr;
using test::key_of;
using test::other_key;
using test::take;
using test::Taker;
using test::World;
using namespace std::chrono_literals;

Error refused() { return Error{ErrorCode::denied, Hop::login, "db", "password refused", {}, "28P01"}; }

TEST(Pool, LogsInWithTheCredentialTheProfileAndTheRole) {
  World world{World::small(), "owner"};
  auto key = world.key();
  key.profile = {{"search_path", "a"}};
  auto taker = take(world, key);
  world.loop.settle();
  ASSERT_TRUE(taker->served());
  const auto& request = world.connector.requests.at(0);
  EXPECT_EQ(request.user, "user");
  EXPECT_EQ(request.database, "production");
  EXPECT_EQ(request.parameters, (postgres::Parameters{{"search_path", "a"}, {"role", "owner"}}));
  world.pool->discard(taker->upstream());
}

TEST(Pool, AConnectionGivenBackIsResetAndGoesToTheNext) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries, std::vector<std::string>{"DISCARD ALL"});
  EXPECT_EQ(world.pool->status().ready, 1u);
  auto second = take(world);
  EXPECT_TRUE(second->served()) << "from within the call";
  EXPECT_EQ(world.connector.requests.size(), 1u);
  world.pool->discard(second->upstream());
}

TEST(Pool, WhereDiscardAllLosesTheRoleItIsResetBehindIt) {
  for (const auto& [version, loses] : {std::pair{"15.8 (Debian 15.8-1)", true}, std::pair{"15.9", false},
                                       std::pair{"17.0", true}, std::pair{"18beta1", false}}) {
    World world;
    world.connector.prepare = [version = version](test::FakeBackend& backend) {
      backend.wire->push(test::parameter("server_version", version));
    };
    auto first = take(world);
    world.loop.settle();
    world.pool->give_back(first->upstream());
    world.loop.settle();
    std::vector<std::string> expected{"DISCARD ALL"};
    if (loses) expected.emplace_back("RESET ROLE");
    EXPECT_EQ(world.connector.newest().queries, expected) << version;
  }
}

TEST(Pool, MovesPressEarlierTheMoreSessionsThereAre) {
  auto settings = World::small();
  settings.max = 64;
  World world{settings};
  std::vector<std::shared_ptr<Taker>> takers;
  for (int i = 0; i < 64; ++i) takers.push_back(take(world));
  world.loop.settle();
  EXPECT_EQ(world.pool->press_ahead(), 64 * 40ms);
  for (const auto& taker : takers) world.pool->discard(taker->upstream());
  EXPECT_EQ(world.pool->press_ahead(), 1500ms);
}

TEST(Pool, AReadyConnectionThatTheServerEndsIsNotReplacedWhileItsUserMayBeAboutToBeDropped) {
  auto settings = World::small();
  settings.min_ready = 1;
  World world{settings};
  world.pool->warm(world.key(), {});
  world.loop.settle();
  ASSERT_EQ(world.pool->status().ready, 1u);
  const auto logins = world.connector.requests.size();
  world.connector.newest().wire->close_write();
  ASSERT_TRUE(world.loop.advance(1s));
  EXPECT_EQ(world.connector.requests.size(), logins);
  auto asks = take(world);
  world.loop.settle();
  EXPECT_TRUE(asks->served()) << "who asks does not wait for that";
  world.pool->discard(asks->upstream());
  ASSERT_TRUE(world.loop.advance(2s));
  EXPECT_EQ(world.pool->status().ready, 1u);
}

TEST(Pool, AfterALossNothingReadyIsHandedOutForAMoment) {
  World world;
  auto first = take(world);
  auto second = take(world);
  world.loop.settle();
  ASSERT_TRUE(first->served() && second->served());
  auto ended = first->upstream();
  world.pool->give_back(second->upstream());
  world.loop.settle();
  world.pool->discard(std::move(ended));
  world.pool->note_loss(world.key().identity);
  const auto logins = world.connector.requests.size();
  auto asks = take(world);
  ASSERT_TRUE(world.loop.advance(50ms));
  EXPECT_FALSE(asks->served());
  ASSERT_TRUE(world.loop.advance(51ms));
  ASSERT_TRUE(asks->served()) << "the one that lived on";
  EXPECT_EQ(world.connector.requests.size(), logins);
  world.pool->give_back(asks->upstream());
  world.loop.settle();
  // Whoever ends connections without end stops nobody else.
  world.pool->note_loss(world.key().identity);
  auto next = take(world);
  EXPECT_TRUE(next->served());
  world.pool->discard(next->upstream());
}

TEST(Pool, WithARoleTheResetEndsWithResetRole) {
  World world{World::small(), "owner"};
  auto first = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.loop.settle();
  EXPECT_EQ(world.connector.newest().queries, (std::vector<std::string>{"DISCARD ALL", "RESET ROLE"}));
  EXPECT_EQ(world.pool->status().ready, 1u);
}

TEST(Pool, NobodyGetsAConnectionBeforeItsResetIsAnswered) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.connector.newest().manual = true;
  world.pool->give_back(first->upstream());
  world.loop.settle();
  EXPECT_EQ(world.pool->status().resetting, 1u);
  auto second = take(world);
  EXPECT_FALSE(second->result);
  for (const auto byte :
       test::parameter("search_path", "x") + test::complete("DISCARD ALL") + test::ready()) {
    EXPECT_FALSE(second->result);
    world.connector.backends[0]->wire->push(std::string(1, byte));
    world.loop.settle();
  }
  ASSERT_TRUE(second->served());
  auto upstream = second->upstream();
  EXPECT_EQ(upstream->parameters.map().at("search_path"), "x");
  EXPECT_EQ(upstream->pid, 100);
  world.pool->discard(std::move(upstream));
}

TEST(Pool, AResetThatFailsInAnyWayClosesTheConnection) {
  const std::string answers[] = {
      test::error("55000") + test::ready(),
      test::complete("DISCARD ALL") + test::ready('T'),
      test::complete("DISCARD ALL") + test::ready() + test::ready(),
      test::frame('D', "x"),
      std::string("Z\0\0\0\1", 5),
      test::complete("DISCARD ALL") + test::frame('Z', "IX"),
  };
  for (const auto& answer : answers) {
    World world;
    auto first = take(world);
    world.loop.settle();
    world.connector.newest().manual = true;
    world.pool->give_back(first->upstream());
    world.loop.settle();
    world.connector.newest().wire->push(answer);
    world.loop.settle();
    EXPECT_TRUE(world.connector.newest().wire->broker_gone()) << test::types_of(answer);
    EXPECT_EQ(world.pool->status().ready, 0u);
    EXPECT_EQ(world.pool->status().resets_failed, 1u);
  }
}

TEST(Pool, AResetThatIsNotAnsweredIsGivenUp) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.connector.newest().silent = true;
  world.pool->give_back(first->upstream());
  world.loop.advance(11s);
  EXPECT_TRUE(world.connector.newest().wire->broker_gone());
  EXPECT_EQ(world.pool->status().resetting, 0u);
}

TEST(Pool, AFloodInsteadOfAnAnswerIsGivenUp) {
  World world;
  auto first = take(world);
  world.loop.settle();
  auto& server = world.connector.newest();
  server.manual = true;
  world.pool->give_back(first->upstream());
  world.loop.settle();
  std::string flood;
  while (flood.size() < std::size_t{4} << 20) flood += test::frame('N', std::string(1000, 'n'));
  server.wire->push(flood);
  world.loop.settle();
  EXPECT_TRUE(server.wire->broker_gone());
}

TEST(Pool, AReadyConnectionThatEndsOrSaysSomethingStrangeIsDropped) {
  const std::string sayings[] = {"", test::error("57P01"), test::frame('A', "x"), test::ready()};
  for (const auto& saying : sayings) {
    World world;
    auto first = take(world);
    world.loop.settle();
    world.pool->give_back(first->upstream());
    world.loop.settle();
    if (!saying.empty()) world.connector.newest().wire->push(saying);
    world.connector.newest().wire->close_write();
    world.loop.settle();
    EXPECT_EQ(world.pool->status().ready, 0u);
    EXPECT_EQ(world.pool->status().resets_failed, 0u) << "its reset had succeeded";
  }
}

TEST(Pool, AReadyConnectionTakesNoteOfReloadedSettings) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.loop.settle();
  world.connector.newest().wire->push(test::frame('N', "notice") + test::parameter("TimeZone", "UTC"));
  world.loop.settle();
  auto second = take(world);
  ASSERT_TRUE(second->served());
  auto upstream = second->upstream();
  EXPECT_EQ(upstream->parameters.map().at("TimeZone"), "UTC");
  world.pool->discard(std::move(upstream));
}

TEST(Pool, AConnectionWithHalfAMessageReadWaitsForTheRest) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.loop.settle();
  const auto message = test::parameter("TimeZone", "UTC");
  world.connector.newest().wire->push(message.substr(0, 7));
  world.loop.settle();
  world.connector.hold_logins = true;
  auto second = take(world);
  world.loop.settle();
  EXPECT_FALSE(second->result);
  world.connector.newest().wire->push(message.substr(7));
  world.loop.settle();
  ASSERT_TRUE(second->served());
  world.pool->discard(second->upstream());
}

TEST(Pool, WaitersOfOneKeyAreServedInOrder) {
  auto settings = World::small();
  settings.max = 1;
  World world{settings};
  auto first = take(world);
  world.loop.settle();
  std::vector<std::shared_ptr<Taker>> waiters;
  for (int i = 0; i < 3; ++i) waiters.push_back(take(world));
  world.loop.settle();
  auto held = first->upstream();
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    world.pool->give_back(std::move(held));
    world.loop.settle();
    for (std::size_t k = 0; k < waiters.size(); ++k) EXPECT_EQ(waiters[k]->served(), k <= i);
    held = waiters[i]->upstream();
  }
  EXPECT_EQ(world.connector.requests.size(), 1u);
  world.pool->discard(std::move(held));
}

TEST(Pool, MaxHoldsOverAllKeysAndAReadyConnectionOfAnotherMakesRoom) {
  auto settings = World::small();
  settings.max = 2;
  World world{settings};
  auto first = take(world, other_key(world, "a"));
  auto second = take(world, other_key(world, "b"));
  auto third = take(world, other_key(world, "c"));
  world.loop.settle();
  EXPECT_TRUE(first->served());
  EXPECT_TRUE(second->served());
  EXPECT_FALSE(third->result);
  EXPECT_EQ(world.connector.open(), 2u);
  world.pool->give_back(first->upstream());
  world.loop.settle();
  EXPECT_TRUE(third->served());
  EXPECT_EQ(world.connector.open(), 2u) << "the ready one of another database was closed";
  EXPECT_TRUE(world.connector.backends[0]->terminated);
  world.pool->discard(second->upstream());
  world.pool->discard(third->upstream());
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Pool, ABurstBecomesNoBurstOfLogins) {
  World world;
  test::prove_credential(world);
  world.connector.hold_logins = true;
  std::vector<std::shared_ptr<Taker>> takers;
  for (int i = 0; i < 10; ++i) takers.push_back(take(world));
  world.loop.settle();
  EXPECT_EQ(world.connector.held(), Pool::logins_at_once_max);
}

TEST(Pool, AResetWaitsForTheCancelsThatAreUnderWay) {
  World world;
  auto first = take(world);
  world.loop.settle();
  auto upstream = first->upstream();
  const auto number = upstream->number;
  upstream->cancels_in_flight = 1;
  auto& server = world.connector.newest();
  world.pool->give_back(std::move(upstream));
  world.loop.settle();
  EXPECT_TRUE(server.queries.empty()) << "it would hit DISCARD ALL";
  world.pool->on_cancel_done(number);
  world.loop.settle();
  EXPECT_EQ(server.queries, std::vector<std::string>{"DISCARD ALL"});
  EXPECT_EQ(world.pool->status().in_use, 0u);
}

TEST(Pool, ADeadlineSaysWhoHasWhat) {
  auto settings = World::small();
  settings.max = 1;
  World world{settings};
  auto first = take(world);
  world.loop.settle();
  auto second = take(world, 5s);
  auto third = take(world, 50s);
  world.loop.advance(6s);
  ASSERT_TRUE(second->result);
  EXPECT_EQ(second->error().code, ErrorCode::timed_out);
  EXPECT_EQ(second->error().sqlstate, "53300");
  EXPECT_NE(second->error().what.find("within 5 s"), std::string::npos) << second->error().what;
  EXPECT_NE(second->error().what.find("1 of 1 are in use"), std::string::npos);
  EXPECT_NE(second->error().what.find("1 other clients wait"), std::string::npos);
  EXPECT_EQ(world.pool->status().waits_timed_out, 1u);
  EXPECT_FALSE(third->result);
  world.pool->discard(first->upstream());
  world.loop.settle();
  ASSERT_TRUE(third->served());
  world.pool->discard(third->upstream());
}

TEST(Pool, ACancelledWaiterIsNotCalled) {
  World world;
  world.connector.hold_logins = true;
  auto taker = take(world);
  world.loop.settle();
  world.pool->cancel(taker->id);
  world.connector.release_one();
  world.loop.advance(1min);
  EXPECT_FALSE(taker->result);
  EXPECT_EQ(world.pool->status().waiting, 0u);
}

TEST(Pool, ALoginFailureFailsAllWhoWaitForThatKeyAndNoOthers) {
  World world;
  world.connector.hold_logins = true;
  auto a = take(world, other_key(world, "a")), a2 = take(world, other_key(world, "a")),
       b = take(world, other_key(world, "b"));
  world.loop.settle();
  world.connector.failures.push_back(
      Error{ErrorCode::not_found, Hop::login, "db", "no database", {}, "3D000"});
  world.connector.release_one();
  world.loop.settle();
  ASSERT_TRUE(a->result && a2->result);
  EXPECT_EQ(a->error().sqlstate, "3D000");
  EXPECT_EQ(a2->error().sqlstate, "3D000");
  EXPECT_FALSE(b->result);
  world.connector.hold_logins = false;
  while (world.connector.held() > 0) world.connector.release_one();
  world.loop.settle();
  ASSERT_TRUE(b->served()) << "its place in the queue of logins came free";
  world.pool->discard(b->upstream());
}

TEST(Pool, ARefusedPasswordIsFetchedAgainAndTriedOnceMore) {
  World world;
  world.connector.failures.push_back(refused());
  auto taker = take(world);
  world.loop.advance(2s);
  ASSERT_TRUE(taker->served());
  EXPECT_EQ(world.script.fetches, 2u);
  EXPECT_EQ(world.connector.requests.size(), 2u);
  EXPECT_NE(world.connector.requests[0].generation->number, world.connector.requests[1].generation->number);
  world.pool->discard(taker->upstream());
}

TEST(Pool, APasswordRefusedTwiceIsToldAndNotTriedAThirdTime) {
  World world;
  world.connector.failures = {refused(), refused(), refused(), refused()};
  auto taker = take(world);
  world.loop.advance(2s);
  ASSERT_TRUE(taker->result && !*taker->result);
  EXPECT_EQ(taker->error().sqlstate, "28P01");
  EXPECT_EQ(world.connector.requests.size(), 2u);
  EXPECT_EQ(world.pool->status().connecting, 0u);
}

TEST(Pool, AFullServerLetsTheQueueWaitForOurOwn) {
  World world;
  auto first = take(world);
  world.loop.settle();
  for (int i = 0; i < 50; ++i) {
    world.connector.failures.push_back(
        Error{ErrorCode::retry_later, Hop::login, "db", "too many", {}, "53300"});
  }
  auto second = take(world);
  world.loop.advance(5s);
  EXPECT_FALSE(second->result);
  EXPECT_LT(world.connector.requests.size(), 6u) << "a full server is not stormed";
  world.pool->give_back(first->upstream());
  world.loop.settle();
  ASSERT_TRUE(second->served());
  world.pool->discard(second->upstream());
}

TEST(Pool, OnAFullServerWhatStandsIdleForOthersGivesItsPlaceToWhoeverWaits) {
  auto settings = World::small();
  settings.min_ready = 1;
  World world{settings};
  world.pool->warm(other_key(world, "idle"), {});
  world.loop.settle();
  ASSERT_EQ(world.pool->status().ready, 1u);
  world.connector.failures.push_back(
      Error{ErrorCode::retry_later, Hop::login, "db", "too many", {}, "53300"});
  auto taker = take(world);
  world.loop.settle();
  EXPECT_FALSE(taker->result) << "and is not refused meanwhile";
  EXPECT_TRUE(world.connector.backends[0]->terminated);
  ASSERT_TRUE(world.loop.advance(500ms));
  ASSERT_TRUE(taker->served());
  EXPECT_EQ(world.connector.requests.size(), 3u) << "nothing is logged in ahead that would take the place";
  world.pool->discard(taker->upstream());
}

TEST(Pool, WhoWaitsInVainForACredentialIsToldSo) {
  World world;
  world.script.failure = Error{ErrorCode::retry_later, Hop::secret_source, "vault", "no answer", {}, {}};
  auto taker = take(world, 2s);
  ASSERT_TRUE(world.loop.advance(3s));
  ASSERT_TRUE(taker->result && !*taker->result);
  EXPECT_NE(taker->error().what.find("no credential to log in with"), std::string::npos)
      << taker->error().what;
  EXPECT_EQ(taker->error().hint.find("pool.max"), std::string::npos);
}

TEST(Pool, AFullServerWithNothingOfOursIsToldAtOnce) {
  World world;
  world.connector.failures.push_back(
      Error{ErrorCode::retry_later, Hop::login, "db", "too many", {}, "53300"});
  auto taker = take(world);
  world.loop.settle();
  ASSERT_TRUE(taker->result);
  EXPECT_EQ(taker->error().sqlstate, "53300");
}

TEST(Pool, WarmLogsInAheadAndKeepsMinReady) {
  auto settings = World::small();
  settings.min_ready = 2;
  World world{settings};
  std::optional<Result<void>> warmed;
  world.pool->warm(world.key(), [&](const Result<void>& result) { warmed = result; });
  world.loop.settle();
  ASSERT_TRUE(warmed && *warmed);
  EXPECT_EQ(world.pool->status().ready, 2u);
  auto taker = take(world);
  EXPECT_TRUE(taker->served());
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready, 2u) << "another one was logged in";
  world.pool->discard(taker->upstream());
}

TEST(Pool, ANewGenerationReplacesReadyConnectionsAndThoseGivenBack) {
  World world;
  auto first = take(world), second = take(world);
  world.loop.settle();
  auto kept = first->upstream();
  EXPECT_EQ(kept->generation, 1u);
  world.pool->give_back(second->upstream());
  world.loop.settle();
  world.rotate();
  EXPECT_EQ(world.pool->status().ready, 0u);
  world.pool->give_back(std::move(kept));
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready, 0u);
  EXPECT_EQ(world.pool->status().resetting, 0u);
  auto third = take(world);
  world.loop.settle();
  ASSERT_TRUE(third->served());
  auto fresh = third->upstream();
  EXPECT_EQ(fresh->generation, 2u);
  world.pool->discard(std::move(fresh));
}

TEST(Pool, NewerThanTakesOnlyALaterGeneration) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.loop.settle();
  auto mover = take(world, world.key(), 15s, 1);
  EXPECT_FALSE(mover->result) << "a ready one of generation 1 is of no use";
  world.rotate();
  world.loop.settle();
  ASSERT_TRUE(mover->served());
  auto upstream = mover->upstream();
  EXPECT_EQ(upstream->generation, 2u);
  world.pool->discard(std::move(upstream));
}

TEST(Pool, AConnectionWithACancelUnderWayGoesToNobody) {
  World world;
  auto first = take(world);
  world.loop.settle();
  auto upstream = first->upstream();
  upstream->cancels_in_flight = 1;
  const auto number = upstream->number;
  world.pool->give_back(std::move(upstream));
  world.loop.settle();
  world.connector.hold_logins = true;
  auto second = take(world);
  world.loop.settle();
  EXPECT_FALSE(second->result);
  world.pool->on_cancel_done(number);
  world.loop.settle();
  ASSERT_TRUE(second->served());
  world.pool->discard(second->upstream());
}

TEST(Pool, AConnectionWhoseCancelMayComeLateGoesToNobody) {
  for (const auto mode : {PoolMode::session, PoolMode::transaction}) {
    for (const bool between_transactions : {false, true}) {
      for (const bool known_first : {false, true}) {
        auto settings = World::small();
        settings.mode = mode;
        settings.max = 1;
        World world{settings};
        auto first = take(world);
        world.loop.settle();
        auto upstream = first->upstream();
        const auto number = upstream->number;
        auto& server = world.connector.newest();
        upstream->cancels_in_flight = known_first ? 0 : 1;
        upstream->cancel_at_large = known_first;
        auto second = take(world);
        between_transactions ? world.pool->put_back(std::move(upstream))
                             : world.pool->give_back(std::move(upstream));
        world.loop.settle();
        if (!known_first) {
          EXPECT_FALSE(second->result) << "it is not known yet";
          world.pool->on_cancel_done(number, true);
          world.loop.settle();
        }
        EXPECT_TRUE(server.queries.empty());
        EXPECT_TRUE(server.wire->broker_gone());
        ASSERT_TRUE(second->served()) << "its place is free";
        EXPECT_EQ(world.connector.backends.size(), 2u);
        world.pool->discard(second->upstream());
      }
    }
  }
}

TEST(Pool, ACancelIsOverForItsConnectionAndNotForAnothersOfTheSamePid) {
  World world;
  world.connector.pid = 100;  // two hosts, each with a server process of that number
  auto first = take(world);
  world.loop.settle();
  auto second = take(world);
  world.loop.settle();
  auto one = first->upstream(), other = second->upstream();
  one->cancels_in_flight = other->cancels_in_flight = 1;
  const auto number = other->number;
  auto& its_server = world.connector.newest();
  world.pool->give_back(std::move(one));
  world.pool->give_back(std::move(other));
  world.loop.settle();
  world.pool->on_cancel_done(number);
  world.loop.settle();
  EXPECT_EQ(its_server.queries, std::vector<std::string>{"DISCARD ALL"});
  EXPECT_TRUE(world.connector.backends.front()->queries.empty()) << "its cancel is under way";
  world.pool->stop();
}

TEST(Pool, IdleConnectionsAreClosed) {
  auto settings = World::small();
  settings.idle_max = 1min;
  World world{settings};
  auto first = take(world), second = take(world);
  world.loop.settle();
  world.pool->give_back(first->upstream());
  world.pool->give_back(second->upstream());
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready, 2u);
  world.loop.advance(70s);
  EXPECT_EQ(world.pool->status().ready, 0u);
  EXPECT_TRUE(world.connector.backends[0]->terminated) << "with a farewell";
}

TEST(Pool, AQuietConnectionIsAskedForASignOfLifeAndReplacedWithoutOne) {
  auto settings = World::small();
  settings.min_ready = 1;
  settings.idle_max = 24h;
  World world{settings};
  world.pool->warm(world.key(), {});
  world.loop.settle();
  ASSERT_EQ(world.pool->status().ready, 1u);
  world.loop.advance(2min);
  EXPECT_EQ(world.connector.requests.size(), 1u) << "it answers";
  EXPECT_EQ(world.pool->status().ready, 1u);
  world.connector.newest().silent = true;  // the way to it is gone, and nobody says so
  world.loop.advance(1min);
  EXPECT_EQ(world.connector.requests.size(), 2u);
  auto taker = take(world);
  ASSERT_TRUE(taker->served());
  EXPECT_EQ(world.pool->status().resets_failed, 0u);
  world.pool->discard(taker->upstream());
}

TEST(Pool, ALearntProfileBeyondTheLimitIsForgotten) {
  World world;
  for (unsigned i = 0; i < limits::pool_profiles_max + 3; ++i) {
    auto taker = take(world, other_key(world, "db" + std::to_string(i)));
    world.loop.advance(1s);
    ASSERT_TRUE(taker->served());
    world.pool->give_back(taker->upstream());
    world.loop.advance(1s);
  }
  EXPECT_LE(world.pool->status().ready, limits::pool_profiles_max + 1);
}

TEST(Pool, AStormOfStartUpOptionsKeepsNoOtherIdentityOut) {
  auto settings = World::small();
  settings.max = 4;
  World world{settings};
  world.connector.hold_logins = true;
  std::vector<std::shared_ptr<Taker>> storm;
  for (int i = 0; i < 10'000; ++i) storm.push_back(take(world, key_of(world, "storm", std::to_string(i))));
  world.loop.settle();
  const auto refused_at_once =
      std::count_if(storm.begin(), storm.end(), [](const auto& t) { return !!t->result; });
  EXPECT_EQ(refused_at_once, 10'000 - static_cast<int>(Pool::waiters_of_identity_max));
  auto other = take(world, key_of(world, "other"));
  for (int logins = 0; !other->result && logins < 4; ++logins) {
    world.connector.release_one();
    world.loop.settle();
  }
  EXPECT_TRUE(other->served()) << "the next login but those under way is its";
  world.pool->stop();
}

TEST(Pool, InAFullPoolAPlaceThatComesFreeGoesToTheIdentityThatHoldsFewest) {
  auto settings = World::small();
  settings.max = 3;
  World world{settings};
  std::vector<std::shared_ptr<Taker>> many;
  for (int i = 0; i < 9; ++i) many.push_back(take(world, key_of(world, "many")));
  world.loop.settle();
  auto other = take(world, key_of(world, "other"));
  world.loop.settle();
  EXPECT_FALSE(other->result);
  world.pool->give_back(many[0]->upstream());
  world.loop.settle();
  EXPECT_TRUE(other->served()) << "not one of the six who have waited longer";
  EXPECT_FALSE(many[3]->result);
  world.pool->give_back(many[1]->upstream());
  world.loop.settle();
  EXPECT_TRUE(many[3]->served()) << "as many as it held before: its own queue goes on";
  EXPECT_EQ(world.connector.open(), 3u);
  world.pool->discard(many[2]->upstream());
  world.pool->discard(many[3]->upstream());
  world.pool->discard(other->upstream());
  world.pool->stop();
}

TEST(Pool, WhatWasLoggedInForMovesBeyondMaxIsForNobodyElse) {
  auto settings = World::small();
  settings.max = 2;
  World world{settings};
  auto first = take(world), second = take(world);
  world.loop.settle();
  world.rotate();
  auto mover = take(world, world.key(), 30s, 1);
  auto newcomer = take(world);
  world.loop.settle();
  ASSERT_TRUE(mover->served());
  EXPECT_EQ(world.connector.open(), 3u);
  world.pool->give_back(mover->upstream());  // its session cannot be moved
  world.loop.settle();
  EXPECT_EQ(world.connector.open(), 2u);
  world.connector.hold_logins = true;
  auto other = take(world, world.key(), 30s, 1);
  world.loop.settle();
  world.pool->cancel(other->id);  // its session has ended meanwhile
  world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.connector.open(), 2u);
  EXPECT_FALSE(newcomer->result);
  world.connector.hold_logins = false;
  world.pool->discard(first->upstream());
  world.loop.settle();
  ASSERT_TRUE(newcomer->served());
  world.pool->discard(newcomer->upstream());
  world.pool->discard(second->upstream());
}

TEST(Pool, InAFullPoolNoProfileOfOneIdentityStarvesAnother) {
  auto settings = World::small();
  settings.max = 1;
  World world{settings};
  auto first = take(world, key_of(world, "one", "a"));
  world.loop.settle();
  auto other = take(world, key_of(world, "one", "b"));
  auto held = first->upstream();
  int before = 0;
  for (; !other->result && before < 100; ++before) {
    auto next = take(world, key_of(world, "one", "a"));
    world.loop.advance(50ms);
    world.pool->give_back(std::move(held));
    world.loop.settle();
    if (!next->served()) break;
    held = next->upstream();
  }
  world.loop.settle();
  EXPECT_TRUE(other->served());
  EXPECT_LE(before, 25) << "a second late, not for ever";
  world.pool->discard(other->upstream());
  world.pool->stop();
}

TEST(Pool, WhoCountedOnAConnectionOfAnOldGenerationGetsALogin) {
  World world;
  auto first = take(world);
  world.loop.settle();
  world.connector.newest().manual = true;
  world.pool->give_back(first->upstream());
  auto second = take(world);
  world.loop.settle();
  EXPECT_EQ(world.connector.requests.size(), 1u) << "it counts on the one that is being reset";
  world.pool->on_new_generation(99);
  world.loop.settle();
  EXPECT_EQ(world.connector.requests.size(), 2u) << "which is of an old generation by now";
  world.pool->stop();
}

TEST(Pool, WhoCountedOnALoginThatIsOutdatedWhenItEndsGetsAnother) {
  World world;
  world.connector.hold_logins = true;
  auto client = take(world);
  world.loop.settle();
  ASSERT_EQ(world.connector.requests.size(), 1u);
  world.pool->reconnect();
  world.connector.release_one();
  world.loop.settle();
  EXPECT_FALSE(client->served()) << "it began before the order";
  ASSERT_EQ(world.connector.requests.size(), 2u) << "at once, not when the pool is looked at the next time";
  world.connector.release_one();
  world.loop.settle();
  ASSERT_TRUE(client->served());
  EXPECT_EQ(world.connector.requests.size(), 2u);
  world.pool->discard(client->upstream());
  world.pool->stop();
}

/// One connection stands ready, as after a client that has left.
void leave_one_ready(World& world) {
  auto client = take(world);
  world.loop.settle();
  world.pool->give_back(client->upstream());
  world.loop.settle();
  ASSERT_EQ(world.pool->status().ready, 1u);
}

TEST(Pool, WhoAltersItsDefaultsWithoutEndCostsTheOthersOneLoginInTenSeconds) {
  World world;
  leave_one_ready(world);
  const auto alter = [&world](const std::string& by) {
    const auto before = world.pool->status().logins;
    world.pool->refresh(by);
    world.loop.advance(100ms);
    auto next = take(world);
    world.loop.settle();
    world.pool->give_back(next->upstream());
    world.loop.settle();
    return world.pool->status().logins - before;
  };
  EXPECT_EQ(alter("somebody else"), 1u) << "at once";
  EXPECT_EQ(alter("somebody else"), 0u) << "but not twice within a second";
  EXPECT_EQ(alter(world.key().identity), 1u) << "whose own it is begins anew at once";
  const auto before = world.pool->status().logins;
  for (int i = 0; i < 1000; ++i) alter("somebody else");
  EXPECT_GE(world.pool->status().logins - before, Pool::refreshes_at_once_max);
  EXPECT_LE(world.pool->status().logins - before, Pool::refreshes_at_once_max + 10 + 2) << "in 100 s";
  world.loop.advance(3 * Pool::refresh_every);
  alter("somebody else");
  const auto logins = world.pool->status().logins;
  alter("somebody else");
  world.loop.advance(Pool::refresh_every + 1s);
  auto last = take(world);
  world.loop.settle();
  EXPECT_GT(world.pool->status().logins, logins) << "the last one is not forgotten";
  world.pool->discard(last->upstream());
  world.pool->stop();
}

TEST(Pool, WhereIdentitiesShareNobodyIsSparedTheLimit) {
  auto settings = World::small();
  settings.shared_by_role = true;
  World world{settings};
  PoolKey shared = world.key();
  shared.identity.clear();
  for (int i = 0; i < 100; ++i) {
    auto client = take(world, shared);
    world.loop.settle();
    world.pool->give_back(client->upstream());
    world.pool->refresh(i % 2 == 0 ? "one" : "other");
    world.loop.advance(100ms);
  }
  EXPECT_GE(world.pool->status().logins, Pool::refreshes_at_once_max);
  EXPECT_LE(world.pool->status().logins, Pool::refreshes_at_once_max + 3) << "in 10 s";
  world.pool->stop();
}

TEST(Pool, WhoAltersItsDefaultsIsGivenNothingThatBeganBefore) {
  World world;
  world.pool->refresh(
      "somebody else");  // so that the next one, within a second, is for its own connections alone
  world.loop.settle();
  auto used = take(world);
  world.loop.settle();
  world.connector.hold_logins = true;
  auto waits = take(world);
  world.loop.settle();
  ASSERT_EQ(world.connector.requests.size(), 2u);
  world.pool->refresh(world.key().identity);
  world.loop.settle();
  world.pool->give_back(used->upstream());
  world.loop.settle();
  EXPECT_EQ(world.pool->status().ready + world.pool->status().resetting, 0u);
  world.connector.release_one();
  world.loop.settle();
  EXPECT_FALSE(waits->served()) << "this login began before";
  EXPECT_EQ(world.connector.requests.size(), 3u);
  world.connector.release_one();
  world.loop.settle();
  EXPECT_TRUE(waits->served());
  world.pool->discard(waits->upstream());
  world.pool->stop();
}

TEST(Pool, WhatStandsReadyIsNotReplacedWhileNoLoginIsTried) {
  World world;
  leave_one_ready(world);
  const auto logins = world.pool->status().logins;
  world.pool->hold_newcomers(true);
  world.pool->refresh("somebody else");
  world.pool->refresh(world.key().identity);
  world.loop.advance(20s);
  EXPECT_EQ(world.pool->status().ready, 1u);
  world.pool->hold_newcomers(false);
  world.loop.advance(2s);
  auto next = take(world);
  world.loop.settle();
  EXPECT_GT(world.pool->status().logins, logins) << "then it is";
  world.pool->discard(next->upstream());
  world.pool->stop();
}

TEST(Pool, ADatabaseThatRefusesUsIsToldToWhoAskedForItAndCostsNobodyTheCredential) {
  World world;
  auto good = take(world);
  world.loop.settle();
  ASSERT_TRUE(good->served());
  world.connector.failures.push_back(
      Error{ErrorCode::denied, Hop::login, "db", "no pg_hba.conf entry", {}, "28000"});
  auto bad = take(world, other_key(world, "secret"));
  world.loop.settle();
  ASSERT_TRUE(bad->result && !*bad->result);
  EXPECT_EQ(bad->error().sqlstate, "28000");
  EXPECT_EQ(world.script.fetches, 1u);
  auto next = take(world);
  world.loop.settle();
  EXPECT_TRUE(next->served()) << "with the same credential";
  world.pool->discard(good->upstream());
  world.pool->discard(next->upstream());
}

Error no_hba_line() { return {ErrorCode::denied, Hop::login, "db", "no pg_hba.conf entry", {}, "28000"}; }

TEST(Pool, ADatabaseThatRefusesUsCostsNobodyACredentialThatNobodyHasTriedYet) {
  World world;
  auto good = take(world);
  world.loop.settle();
  ASSERT_TRUE(good->served());
  for (int i = 0; i < 5; ++i) {
    world.rotate();
    const auto fetches = world.script.fetches;
    world.connector.failures.push_back(no_hba_line());
    auto bad = take(world, other_key(world, "secret"));
    world.loop.settle();
    ASSERT_TRUE(bad->result && !*bad->result);
    EXPECT_EQ(bad->error().sqlstate, "28000");
    auto next = take(world);
    world.loop.settle();
    ASSERT_TRUE(next->served()) << i;
    EXPECT_EQ(world.script.fetches, fetches);
    world.pool->discard(next->upstream());
  }
  world.pool->discard(good->upstream());
}

TEST(Pool, ADatabaseThatRefusesUsCostsNobodyTheFirstCredentialWhileAnotherIsTried) {
  World world;
  world.connector.failures.push_back(no_hba_line());
  auto bad = take(world, other_key(world, "secret"));
  auto good = take(world);
  world.loop.settle();
  ASSERT_TRUE(bad->result && !*bad->result);
  ASSERT_TRUE(good->served());
  EXPECT_EQ(world.script.fetches, 1u);
  world.pool->discard(good->upstream());
}

/// Somebody comes for physical replication, and pg_hba.conf has no line for that.
void refuse_replication(World& world) {
  world.connector.failures.push_back(no_hba_line());
  auto key = world.key();
  key.replication = policy::Replication::physical;
  const auto refused = take(world, key);
  world.loop.settle();
  ASSERT_TRUE(refused->result && !*refused->result);
  EXPECT_EQ(refused->error().sqlstate, "28000");
}

TEST(Pool, WhatRefusesUsAsAReplicationClientIsNotTheDatabase) {
  World world;
  auto good = take(world);
  world.loop.settle();
  ASSERT_TRUE(good->served());
  refuse_replication(world);
  EXPECT_EQ(world.script.fetches, 1u);
  world.pool->discard(good->upstream());
}

TEST(Pool, AReplicationClientThatComesFirstAndIsRefusedSaysNothingOfTheCredential) {
  World world;
  refuse_replication(world);
  auto next = take(world);
  world.loop.settle();
  EXPECT_TRUE(next->served());
  EXPECT_EQ(world.script.fetches, 1u) << "with the same credential";
  world.pool->discard(next->upstream());
}

TEST(Pool, WhereNothingWasEverLetInARefusalMeansTheCredential) {
  World world;
  world.connector.failures.push_back(no_hba_line());
  auto only = take(world);
  world.loop.advance(2s);
  EXPECT_TRUE(only->served()) << "with the next credential";
  EXPECT_EQ(world.script.fetches, 2u);
  world.pool->discard(only->upstream());
}

TEST(Pool, AWrongPasswordMeansTheCredentialWhicheverDatabaseHearsIt) {
  World world;
  auto good = take(world);
  world.loop.settle();
  world.connector.failures.push_back(
      Error{ErrorCode::denied, Hop::login, "db", "password authentication failed", {}, "28P01"});
  auto other = take(world, other_key(world, "secret"));
  world.loop.advance(2s);
  EXPECT_TRUE(other->served());
  EXPECT_EQ(world.script.fetches, 2u);
  world.pool->discard(good->upstream());
  world.pool->discard(other->upstream());
}

TEST(Pool, ADatabaseThatHasLetUsInAndRefusesNowMeansTheCredential) {
  World world;
  auto good = take(world);
  world.loop.settle();
  world.connector.failures.push_back(
      Error{ErrorCode::denied, Hop::login, "db", "role is not permitted to log in", {}, "28000"});
  auto next = take(world);
  world.loop.advance(2s);
  EXPECT_TRUE(next->served());
  EXPECT_EQ(world.script.fetches, 2u);
  world.pool->discard(good->upstream());
  world.pool->discard(next->upstream());
}

TEST(Upstream, ReportedParametersAreBounded) {
  broker::ParameterMap parameters;
  for (int i = 0; i < 1000; ++i) broker::note_parameter(parameters, "ext." + std::to_string(i), "1");
  EXPECT_EQ(parameters.size(), broker::reported_parameters_max);
  broker::note_parameter(parameters, "ext.0", "2");
  EXPECT_EQ(parameters.at("ext.0"), "2");
}

TEST(Upstream, ReportedParametersAreOfBoundedLength) {
  broker::ReportedParameters told;
  for (int i = 0; i < 100; ++i) told.note("ext." + std::to_string(i), std::string(1000, 'x'));
  EXPECT_EQ(told.map().size(), broker::reported_bytes_max / 1006);
  told.note("ext.0", std::string(2000, 'y'));
  EXPECT_EQ(told.value_of("ext.0"), "") << "not followed any more, and not followed wrongly";
  told.note("TimeZone", "UTC");
  EXPECT_EQ(told.value_of("TimeZone"), "UTC") << "there is room again";
}

TEST(Upstream, AReportedParameterThatChangesCostsNoCopyUnlessTheOthersAreShared) {
  broker::ParameterMap parameters;
  parameters["a"] = "0";
  parameters["b"] = "1";
  broker::ReportedParameters told{parameters};
  const auto* where = &told.map();
  told.note("a", "1");
  EXPECT_EQ(&told.map(), where);
  const auto other = told;
  EXPECT_TRUE(other.shares(told));
  told.note("a", "2");
  EXPECT_EQ(other.value_of("a"), "1");
  EXPECT_EQ(told.value_of("a"), "2");
  EXPECT_FALSE(other.shares(told));
}

TEST(Pool, StopFailsWaitersAndClosesWhatComesLate) {
  World world;
  world.connector.hold_logins = true;
  auto taker = take(world);
  world.loop.settle();
  world.pool->stop();
  ASSERT_TRUE(taker->result);
  EXPECT_EQ(taker->error().sqlstate, "57P03");
  world.connector.release_one();
  world.loop.settle();
  EXPECT_EQ(world.connector.open(), 0u) << "a login that succeeds after the stop is closed";
  auto late = take(world);
  EXPECT_EQ(late->error().sqlstate, "57P03");
}

}  // namespace
}  // namespace sallyport::pool_test
