// The broker over all its targets and sessions, in memory: what it does ahead of its clients, and at a reload.
#include "test/broker/running.h"

#include <gtest/gtest.h>

#include <optional>

namespace sallyport {
namespace {

using test::Running;
using test::World;
using namespace std::chrono_literals;

TEST(Broker, LogsNoConnectionInForNobody) {
  Running it{1};
  it.world.script.database = "production";
  std::optional<bool> fetched;
  it.broker.warm("db", "app", [&](const auto& generation) { fetched = generation.has_value(); });
  it.world.loop.settle();
  EXPECT_EQ(fetched, true);
  EXPECT_TRUE(it.world.connector.requests.empty()) << "no identity is known that it could serve";

  std::optional<ErrorCode> refused;
  it.broker.warm("db", "app", {"production", "", {}},
                 [&](const auto& generation) { refused = generation.error().code; });
  it.world.loop.settle();
  EXPECT_EQ(refused, ErrorCode::internal);
  EXPECT_TRUE(it.world.connector.requests.empty());

  it.broker.warm("db", "app", {"", "uid:1000", {}}, [](const auto&) {});
  it.world.loop.settle();
  EXPECT_EQ(it.world.connector.requests.size(), 1u) << "the secret's database does for a known identity";
}

TEST(Broker, WhoIsNotAllowedAnyMoreIsToldSoAndSoIsTheTrail) {
  Running it;
  auto idle = it.enter();
  auto busy = it.enter();
  it.world.connector.hold_logins = true;
  auto waiting = it.enter();
  busy.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  EXPECT_EQ(idle.types(), "RSSKZ");
  EXPECT_EQ(busy.types(), "RSSKZCZ");
  EXPECT_EQ(it.broker.recheck_sessions({}, 30s), 3u);
  it.world.loop.settle();
  EXPECT_EQ(idle.types(), "E");
  EXPECT_EQ(waiting.types(), "E");
  EXPECT_EQ(busy.types(), "") << "its transaction may end";
  it.world.loop.advance(31s);
  EXPECT_EQ(busy.types(), "E");
  for (auto* client : {&idle, &busy}) {
    EXPECT_NE(client->text_of('E').find("C57P01"), std::string::npos);
    EXPECT_NE(client->text_of('E').find("no longer allowed by the configuration"), std::string::npos);
  }
  EXPECT_NE(waiting.text_of('E').find("C28000"), std::string::npos);
  const auto ends = it.world.sink.of(trail::EventKind::session_end);
  ASSERT_EQ(ends.size(), 2u);
  for (const auto& end : ends) {
    EXPECT_EQ(end.reason, "policy_changed");
    EXPECT_EQ(end.result, "failed");
  }
  ASSERT_EQ(it.world.sink.of(trail::EventKind::session_denied).size(), 1u);
  it.world.loop.advance(6s);
  EXPECT_EQ(it.broker.sessions(), 0u);
}

TEST(Broker, AStopTellsAlsoThoseWhoWaitToBeLetIn) {
  Running it;
  auto idle = it.enter();
  it.world.connector.hold_logins = true;
  auto waiting = it.enter();
  it.broker.stop_sessions();
  it.world.loop.settle();
  EXPECT_EQ(idle.types(), "RSSKZE");
  EXPECT_EQ(waiting.types(), "E");
  EXPECT_NE(waiting.text_of('E').find("C57P03"), std::string::npos);
  it.world.loop.advance(6s);
  EXPECT_EQ(it.broker.sessions(), 0u);
}

TEST(Broker, AnAccountRefusedWithoutEndIsTurnedAwayAndCounted) {
  Running it;
  const auto refused = [&](std::uint32_t uid) {
    it.world.prover->peer.uid = uid;
    test::FakeClient client;
    client.wire = std::make_shared<test::Wire>(it.world.loop);
    it.broker.accept(std::make_unique<test::MemoryStream>(client.wire), it.route(), uid);
    client.wire->push(World::hello());
    it.world.loop.settle();
    client.wire->close_write();
    it.world.loop.settle();
  };
  constexpr auto limit = broker::Turnstile::refusals_per_second;
  for (unsigned i = 0; i < limit; ++i) {
    ASSERT_TRUE(it.broker.lets_in(2000, "route"));
    refused(2000);
  }
  unsigned heard = 0;
  for (unsigned i = 0; i < 500 + broker::Turnstile::arrivals_per_turn; ++i) {
    heard += it.broker.lets_in(2000, "route") ? 1 : 0;
  }
  EXPECT_EQ(heard, broker::Turnstile::arrivals_per_turn);
  EXPECT_TRUE(it.broker.lets_in(1000, "route"));
  it.world.prover->peer.uid = 1000;
  EXPECT_EQ(it.enter().types(), "RSSKZ") << "another account";
  EXPECT_EQ(it.broker.counters().turned_away, 500u);

  it.world.loop.advance(2h);
  std::uint64_t recorded = 0;
  for (const auto& denied : it.world.sink.of(trail::EventKind::session_denied)) {
    EXPECT_EQ(denied.verified.at("uid"), "2000");
    recorded += denied.count.value_or(1);
  }
  EXPECT_EQ(recorded, limit + 500u) << "none is missing from the trail";
}

TEST(Broker, OneClientMoreThanMayBeIsToldSoAndCounted) {
  Running it;
  EXPECT_EQ(it.broker.limit_clients(2), 2u);
  auto first = it.enter();
  auto second = it.enter();
  auto third = it.enter();
  EXPECT_EQ(first.types() + second.types(), "RSSKZRSSKZ");
  EXPECT_EQ(third.types(), "E");
  const auto told = third.text_of('E');
  EXPECT_NE(told.find("C53300"), std::string::npos);
  EXPECT_NE(told.find("too many clients are connected already"), std::string::npos);
  EXPECT_TRUE(third.wire->broker_gone()) << "without waiting for it to read that";
  EXPECT_EQ(it.broker.sessions(), 2u);
  for (int i = 0; i < 30; ++i) (void)it.enter();
  const auto status = it.broker.status();
  EXPECT_EQ(status.counters.beyond_max, 31u);
  EXPECT_EQ(status.counters.turned_away, 0u);
  EXPECT_EQ(status.sessions_max, 2u);
  it.world.loop.advance(1s);
  const auto lines = std::ranges::count_if(it.world.logger.lines, [](const std::string& line) {
    return line.find("there are as many as may be") != std::string::npos;
  });
  EXPECT_EQ(lines, 1) << "one line for all";
  std::uint64_t recorded = 0;
  for (const auto& denied : it.world.sink.of(trail::EventKind::session_denied))
    recorded += denied.count.value_or(1);
  EXPECT_EQ(recorded, 31u);
  EXPECT_EQ(it.broker.limit_clients(3), 3u);
  EXPECT_EQ(it.enter().types(), "RSSKZ");
}

TEST(Broker, ClientsAreNoMoreThanDescriptorsAllow) {
  Running it;
  it.broker.limit_descriptors(1'128);
  EXPECT_EQ(it.broker.limit_clients(20'000), 500u);
  EXPECT_EQ(it.broker.limit_clients(100), 100u);
}

TEST(Broker, WhoIsLetInIsNeverTurnedAway) {
  Running it;
  for (unsigned i = 0; i < broker::Turnstile::refusals_per_second + 10; ++i) {
    ASSERT_TRUE(it.broker.lets_in(1000, "route"));
    auto client = it.enter();
    ASSERT_EQ(client.types(), "RSSKZ");
    client.wire->close_write();
    it.world.loop.settle();
  }
}

}  // namespace
}  // namespace sallyport
