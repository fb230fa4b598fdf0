// What an operator sees of the broker and tells it to do with a target.
#include "test/broker/running.h"

#include <gtest/gtest.h>

namespace sallyport::operator_test {
namespace {

using test::Running;
using namespace std::chrono_literals;

broker::RoleStatus role_of(const broker::Status& status) { return status.targets.at(0).roles.at(0); }

TEST(Histogram, PutsEachDurationBelowTheFirstBoundThatIsNotSmaller) {
  Histogram it;
  it.add(-5s);
  it.add(0s);
  it.add(1us);
  it.add(2us);
  it.add(3us);
  it.add(4us);
  it.add(5us);
  it.add(24h * 365);
  EXPECT_EQ(it.count_in(0), 3u);
  EXPECT_EQ(it.count_in(1), 1u);
  EXPECT_EQ(it.count_in(2), 2u);
  EXPECT_EQ(it.count_in(3), 1u);
  EXPECT_EQ(it.count_in(Histogram::buckets - 1), 1u);
  EXPECT_EQ(it.count(), 8u);
  EXPECT_EQ(it.sum_us(), 15u + 24ull * 365 * 3600 * 1'000'000);
}

TEST(BrokerStatus, CountsSessionsLoginsBytesAndWhoIsWhere) {
  Running it;
  auto live = it.enter();
  auto gone = it.enter();
  gone.wire->push(test::query("SELECT 1"));
  it.world.loop.settle();
  gone.wire->push(test::frame('X'));
  it.world.loop.advance(1s);
  gone.wire->close_write();
  it.world.loop.settle();
  const auto status = it.broker.status();
  EXPECT_EQ(status.routes.at("route").sessions, 1u);
  ASSERT_EQ(status.targets.size(), 1u);
  const auto& target = status.targets.front();
  EXPECT_EQ(target.name, "db");
  EXPECT_EQ(target.sessions, 1u);
  EXPECT_EQ(target.traffic.sessions, 2u);
  EXPECT_EQ(target.traffic.session_duration.count(), 1u);
  EXPECT_GT(target.traffic.bytes_to_server, 0u);
  EXPECT_EQ(target.traffic.transactions, 1u);
  const auto role = role_of(status);
  EXPECT_EQ(role.logins.by_result.at(static_cast<std::size_t>(broker::LoginResult::ok)), 2u);
  EXPECT_EQ(role.logins.duration.count(), 2u);
  EXPECT_EQ(role.pool.in_use, 1u);
  EXPECT_EQ(role.pool.wait.count(), 2u);
  ASSERT_EQ(role.generations.size(), 1u);
  EXPECT_TRUE(role.generations.front().current);
  EXPECT_EQ(role.generations.front().user, "user");
  EXPECT_GT(role.generations.front().age, 0s);
  EXPECT_TRUE(role.credential_present);
  EXPECT_GE(status.trail.written, 2u);
  EXPECT_EQ(status.routes.at("route").login.count(), 2u);
  EXPECT_EQ(role.credential.fetch_duration.count(), 1u);
  ASSERT_EQ(target.hosts.size(), 1u);
  EXPECT_EQ(target.hosts.front().host, "db.example:5432");
}

// A counter that falls tells its readers of a restart.
TEST(BrokerStatus, GoesOnCountingWhenAReloadReplacesATarget) {
  Running it;
  auto live = it.enter();
  const auto counted = [&] {
    const auto role = role_of(it.broker.status());
    return std::array{role.logins.by_result.at(static_cast<std::size_t>(broker::LoginResult::ok)),
                      role.logins.duration.count(), role.pool.wait.count(), role.credential.fetches,
                      role.credential.fetch_duration.count()};
  };
  EXPECT_EQ(counted(), (std::array<std::uint64_t, 5>{1, 1, 1, 1, 1}));
  it.open_target();
  EXPECT_EQ(counted(), (std::array<std::uint64_t, 5>{1, 1, 1, 1, 1})) << "of the pool that it replaces";
  EXPECT_EQ(it.broker.status().targets.front().retired, 1u) << "what the live session has";
  EXPECT_EQ(role_of(it.broker.status()).pool.in_use, 0u);
  auto next = it.enter();
  EXPECT_EQ(counted(), (std::array<std::uint64_t, 5>{2, 2, 2, 2, 2}));
  live.wire->push(test::frame('X'));
  live.wire->close_write();
  it.world.loop.advance(60s);
  EXPECT_EQ(it.broker.status().targets.front().retired, 0u);
  EXPECT_EQ(counted(), (std::array<std::uint64_t, 5>{2, 2, 2, 2, 2})) << "and when that has ended";
}

TEST(BrokerStatus, CountsRefusalsOfEachRoute) {
  Running it;
  it.world.script.failure =
      Error{ErrorCode::denied, Hop::secret_source, "vault", "permission denied", {}, {}};
  auto client = it.enter();
  const auto refusals = it.broker.status().trail.refusals_of_route;
  ASSERT_TRUE(refusals.contains("route"));
  EXPECT_EQ(refusals.at("route"), (broker::CountsByWord{{"secret source denied", 1}}));
}

TEST(BrokerStatus, CountsPinsOfEachTarget) {
  Running it;
  it.pool.mode = PoolMode::transaction;
  it.open_target();
  auto client = it.enter();
  client.wire->push(test::query("LISTEN something"));
  it.world.loop.settle();
  EXPECT_EQ(it.broker.status().targets.front().traffic.pins, (broker::CountsByWord{{"listen", 1}}));
  EXPECT_EQ(it.broker.counters().pins, (broker::CountsByWord{{"listen", 1}}));
}

TEST(BrokerStatus, SaysWhyACredentialIsMissingAndWhoWasRefused) {
  Running it;
  it.world.script.failure =
      Error{ErrorCode::denied, Hop::secret_source, "vault", "permission denied", {}, {}};
  auto client = it.enter();
  const auto status = it.broker.status();
  EXPECT_FALSE(role_of(status).credential_present);
  EXPECT_NE(role_of(status).credential_error.find("permission denied"), std::string::npos);
  ASSERT_EQ(status.trail.refusals.size(), 1u);
  EXPECT_EQ(status.trail.refusals.begin()->first, "secret source denied");
}

TEST(BrokerStatus, LoginsAreCountedByTheirResult) {
  const auto result = [](ErrorCode code, Hop hop, std::string sqlstate) {
    return broker::login_result_of(Error{code, hop, {}, {}, {}, std::move(sqlstate)});
  };
  EXPECT_EQ(result(ErrorCode::denied, Hop::login, "28P01"), broker::LoginResult::credential_refused);
  EXPECT_EQ(result(ErrorCode::denied, Hop::login, "53300"), broker::LoginResult::server_full);
  EXPECT_EQ(result(ErrorCode::denied, Hop::login, "3D000"), broker::LoginResult::refused);
  EXPECT_EQ(result(ErrorCode::retry_later, Hop::dns, ""), broker::LoginResult::unreachable);
  EXPECT_EQ(result(ErrorCode::timed_out, Hop::tcp, ""), broker::LoginResult::timed_out);
  EXPECT_EQ(result(ErrorCode::denied, Hop::tls, ""), broker::LoginResult::tls);
  EXPECT_EQ(result(ErrorCode::peer_misbehaved, Hop::login, ""), broker::LoginResult::failed);
}

TEST(Operator, AnUnknownTargetIsAnError) {
  Running it;
  EXPECT_EQ(it.broker.pause_target("nosuch").error().code, ErrorCode::not_found);
  EXPECT_EQ(it.broker.resume_target("nosuch").error().code, ErrorCode::not_found);
  EXPECT_EQ(it.broker.drain_target("nosuch").error().code, ErrorCode::not_found);
  EXPECT_EQ(it.broker.reconnect_target("nosuch").error().code, ErrorCode::not_found);
}

TEST(Operator, APauseHoldsWhoComesAndNobodyWhoIsThere) {
  Running it;
  auto there = it.enter();
  EXPECT_EQ(there.types(), "RSSKZ");
  ASSERT_TRUE(it.broker.pause_target("db"));
  EXPECT_TRUE(it.broker.status().targets.front().paused);
  auto comes = it.enter();
  there.wire->push(test::query("SELECT 1"));
  it.world.loop.advance(5s);
  EXPECT_EQ(there.types(), "DCZ");
  EXPECT_EQ(comes.types(), "");
  EXPECT_EQ(it.broker.status().targets.front().roles.front().pool.waiting, 1u);
  ASSERT_TRUE(it.broker.resume_target("db"));
  it.world.loop.settle();
  EXPECT_EQ(comes.types(), "RSSKZ");
}

TEST(Operator, APauseThatOutlastsThePoolsPatienceIsNamedInTheError) {
  Running it;
  ASSERT_TRUE(it.broker.pause_target("db"));
  auto comes = it.enter();
  it.world.loop.advance(31s);
  EXPECT_EQ(comes.types(), "E");
  EXPECT_NE(comes.text_of('E').find("C53300"), std::string::npos);
  EXPECT_NE(comes.text_of('E').find("target db is paused by an operator; no server connection"),
            std::string::npos);
  EXPECT_NE(comes.text_of('E').find("sallyport resume db"), std::string::npos);
}

TEST(Operator, APauseSurvivesAReloadAndThoseWhoWaitedGoOn) {
  Running it;
  ASSERT_TRUE(it.broker.pause_target("db"));
  auto before = it.enter();
  it.pool.max = 7;
  it.open_target();
  auto after = it.enter();
  it.world.loop.advance(2s);
  EXPECT_EQ(before.types() + after.types(), "");
  ASSERT_TRUE(it.broker.resume_target("db"));
  it.world.loop.advance(2s);
  EXPECT_EQ(before.types(), "RSSKZ");
  EXPECT_EQ(after.types(), "RSSKZ");
}

TEST(Operator, ADrainEndsSessionsAtTheirNextBoundaryAndNotThoseThatWait) {
  Running it;
  auto idle = it.enter();
  auto busy = it.enter();
  busy.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  ASSERT_TRUE(it.broker.pause_target("db"));
  auto waits = it.enter();
  idle.types();
  busy.types();
  EXPECT_EQ(*it.broker.drain_target("db"), 2u);
  it.world.loop.advance(1s);
  EXPECT_EQ(idle.types(), "E");
  EXPECT_NE(idle.text_of('E').find("C57P01"), std::string::npos);
  EXPECT_EQ(busy.types(), "");
  EXPECT_EQ(waits.types(), "");
  busy.wire->push(test::query("COMMIT"));
  it.world.loop.advance(1s);
  EXPECT_EQ(busy.types(), "CZE");
  ASSERT_TRUE(it.broker.resume_target("db"));
  it.world.loop.advance(1s);
  EXPECT_EQ(waits.types(), "RSSKZ");
}

TEST(Operator, WhoHasAConnectionIsCountedUntilTheLastOneIsBackAlsoOfAPoolThatWasReplaced) {
  Running it;
  it.pool.mode = PoolMode::transaction;
  it.open_target();
  const auto in_use = [&] { return it.broker.status().targets.front().in_use; };
  auto old = it.enter();
  old.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  it.pool.max = 7;
  it.open_target();
  auto fresh = it.enter();
  fresh.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  EXPECT_EQ(in_use(), 2u);
  ASSERT_TRUE(it.broker.pause_target("db"));
  fresh.wire->push(test::query("COMMIT"));
  it.world.loop.settle();
  EXPECT_EQ(in_use(), 1u);
  old.wire->push(test::query("COMMIT"));
  it.world.loop.settle();
  EXPECT_EQ(in_use(), 0u);
  fresh.wire->push(test::query("SELECT 1"));
  it.world.loop.advance(1s);
  EXPECT_EQ(in_use(), 0u) << "the next transaction waits";
}

TEST(Operator, WhoWasToldToEndIsCountedUntilItHas) {
  Running it;
  const auto ending = [&] { return it.broker.status().targets.front().ending; };
  auto idle = it.enter();
  auto busy = it.enter();
  busy.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  EXPECT_EQ(ending(), 0u);
  EXPECT_EQ(*it.broker.drain_target("db"), 2u);
  it.world.loop.advance(1s);
  EXPECT_EQ(ending(), 1u) << "one that has been told, and has not read it yet, has ended";
  auto comes = it.enter();
  EXPECT_EQ(ending(), 1u) << "a new one was not told";
  busy.wire->push(test::query("COMMIT"));
  it.world.loop.advance(1s);
  EXPECT_EQ(ending(), 0u);
}

TEST(Operator, AReconnectClosesReadyConnectionsNowAndOthersWhenTheyComeBack) {
  Running it;
  auto in_use = it.enter();
  auto gives_back = it.enter();
  gives_back.wire->push(test::frame('X'));
  it.world.loop.settle();
  ASSERT_EQ(it.world.connector.open(), 2u);
  ASSERT_EQ(role_of(it.broker.status()).pool.ready, 1u);
  ASSERT_TRUE(it.broker.reconnect_target("db"));
  it.world.loop.settle();
  EXPECT_EQ(it.world.connector.open(), 1u);
  in_use.wire->push(test::query("SELECT 1"));
  it.world.loop.settle();
  EXPECT_EQ(in_use.types(), "RSSKZDCZ") << "its connection stays as long as it does";
  in_use.wire->push(test::frame('X'));
  it.world.loop.settle();
  EXPECT_EQ(it.world.connector.open(), 0u);
  auto next = it.enter();
  EXPECT_EQ(next.types(), "RSSKZ");
}

TEST(Operator, InTransactionPoolingAPauseHoldsTheNextTransactionAndADrainEndsWhoHasNone) {
  Running it;
  it.pool.mode = PoolMode::transaction;
  it.open_target();
  auto first = it.enter();
  auto second = it.enter();
  EXPECT_EQ(first.types() + second.types(), "RSSKZRSSKZ");
  second.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  ASSERT_TRUE(it.broker.pause_target("db"));
  first.wire->push(test::query("SELECT 1"));
  it.world.loop.advance(1s);
  EXPECT_EQ(first.types(), "");
  EXPECT_EQ(second.types(), "CZ");
  ASSERT_TRUE(it.broker.resume_target("db"));
  it.world.loop.advance(1s);
  EXPECT_EQ(first.types(), "DCZ");
  EXPECT_EQ(*it.broker.drain_target("db"), 2u);
  it.world.loop.advance(1s);
  EXPECT_EQ(first.types(), "E");
  EXPECT_EQ(second.types(), "");
  second.wire->push(test::query("COMMIT"));
  it.world.loop.advance(1s);
  EXPECT_EQ(second.types(), "CZE");
}

}  // namespace
}  // namespace sallyport::operator_test
