// The broker over all its targets and sessions, in memory: what it does ahead of its clients, and at a reload.
#include "test/broker/running.h"

#include <gtest/gtest.h>

#include <optional>

namespace sallyport::broker_test {
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

std::string cancel_request(std::uint32_t pid, const std::string& key) {
  return test::big_endian(static_cast<std::uint32_t>(12 + key.size())) + test::big_endian(80877102) +
         test::big_endian(pid) + key;
}

void cancel(Running& it, const broker::Origin& origin, const std::string& key) {
  test::FakeClient canceller;
  canceller.wire = std::make_shared<test::Wire>(it.world.loop);
  it.broker.accept(std::make_unique<test::MemoryStream>(canceller.wire), it.route(), origin);
  canceller.wire->push(cancel_request(100, key));
  it.world.loop.settle();
  ASSERT_TRUE(canceller.wire->broker_gone());
}

TEST(Broker, CancelsWithoutEndThatNameNobodysKeyAreTurnedAwayLikeAnyRefused) {
  Running it;
  auto client = it.enter();
  it.world.prover->peer.uid = 2000;
  for (unsigned i = 0; i < 20; ++i) cancel(it, 2000, "bad!");
  for (unsigned i = 0; i < 50; ++i) EXPECT_TRUE(it.broker.lets_in(2000, "route")) << "a handful is no flood";
  for (unsigned i = 20; i < broker::Turnstile::refusals_per_second; ++i) cancel(it, 2000, "bad!");
  unsigned heard = 0;
  for (unsigned i = 0; i < 500; ++i) heard += it.broker.lets_in(2000, "route") ? 1 : 0;
  EXPECT_EQ(heard, broker::Turnstile::arrivals_per_turn);
  EXPECT_TRUE(it.broker.lets_in(1000, "route"));
  EXPECT_EQ(it.broker.status().on_doorstep, 0u);
}

TEST(Broker, WhoCancelsItsOwnIsNeverTurnedAway) {
  Running it;
  auto client = it.enter();
  EXPECT_EQ(client.types(), "RSSKZ");
  const auto key = client.text_of('K').substr(4);
  for (unsigned i = 0; i < broker::Turnstile::refusals_per_second + 10; ++i) {
    ASSERT_TRUE(it.broker.lets_in(1000, "route"));
    cancel(it, 1000, key);
  }
  EXPECT_EQ(it.world.connector.cancels.size(), broker::Turnstile::refusals_per_second + 10);
}

/// Says goodbye and does not close.
void linger(Running& it, test::FakeClient& client) {
  client.wire->push(test::frame('X'));
  it.world.loop.settle();
}

TEST(Broker, WhoDoesNotCloseKeepsItsPlaceUntilItsIdentityNeedsIt) {
  Running it;
  it.connections_max = 1;
  std::vector<test::FakeClient> gone;
  for (int i = 0; i < 20; ++i) {
    auto client = it.enter();
    ASSERT_EQ(client.types(), "RSSKZ") << i << ": whoever has said goodbye is in nobody's way";
    EXPECT_EQ(it.broker.sessions(), 1u) << i << ": and is closed at once then";
    linger(it, client);
    EXPECT_FALSE(client.wire->broker_gone()) << "it may still read";
    gone.push_back(client);
  }
  auto client = it.enter();
  EXPECT_EQ(client.types(), "RSSKZ");
  EXPECT_EQ(it.enter().types(), "E") << "one that is in use is nobody else's";
  it.world.loop.advance(6s);
  EXPECT_EQ(it.broker.sessions(), 1u);
}

TEST(Broker, WhoLingersOnARouteThatIsFullGivesWayToAnother) {
  Running it;
  it.route_connections_max = 2;
  auto first = it.enter(), second = it.enter();
  linger(it, first);
  EXPECT_EQ(it.enter().types(), "RSSKZ");
  EXPECT_TRUE(first.wire->broker_gone());
  EXPECT_FALSE(second.wire->broker_gone());
}

TEST(Broker, ReloadsDoNotPutOffTheEndOfWhoIsNotAllowedAnyMore) {
  Running it;
  auto busy = it.enter();
  busy.wire->push(test::query("BEGIN"));
  it.world.loop.settle();
  EXPECT_EQ(busy.types(), "RSSKZCZ");
  for (int second = 0; second < 31; ++second) {
    it.broker.recheck_sessions({}, 30s);
    it.world.loop.advance(1s);
  }
  EXPECT_EQ(busy.types(), "E");
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
}  // namespace sallyport::broker_test
