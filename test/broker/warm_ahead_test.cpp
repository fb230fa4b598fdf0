// Connections that stand ready before the first client comes.
#include "test/broker/running.h"

#include <gtest/gtest.h>

namespace sallyport::warm_ahead_test {
namespace {

using test::Running;
using namespace std::chrono_literals;

std::size_t ready(const Running& it) { return it.broker.status().targets.at(0).roles.at(0).pool.ready; }

TEST(WarmAhead, MinReadyConnectionsStandReadyForWhoIsKnownToCome) {
  Running it{2};
  it.broker.warm_ahead("db", "app", {{"uid:1000", "production"}});
  it.broker.fetch_missing();
  it.world.loop.advance(2s);
  EXPECT_EQ(ready(it), 2u);
  EXPECT_EQ(it.world.connector.requests.front().database, "production");
  it.world.connector.hold_logins = true;
  auto client = it.enter();
  EXPECT_EQ(client.types(), "RSSKZ") << "it waits for no login";
  EXPECT_EQ(ready(it), 1u) << "it got one of them";
}

TEST(WarmAhead, EachInTheDatabaseThatItGetsUnasked) {
  Running it{1};
  it.broker.fetch_missing();
  it.world.loop.settle();
  it.world.connector.requests.clear();
  it.broker.warm_ahead("db", "app", {{"uid:1000", "production"}, {"uid:1000", "archive"}});
  it.world.loop.advance(2s);
  ASSERT_EQ(it.world.connector.requests.size(), 2u);
  EXPECT_NE(it.world.connector.requests.at(0).database, it.world.connector.requests.at(1).database);
}

TEST(WarmAhead, NothingIsLoggedInBeforeThereIsACredential) {
  Running it{1};
  it.broker.warm_ahead("db", "app", {{"uid:1000", "production"}});
  it.world.loop.advance(2s);
  EXPECT_TRUE(it.world.connector.requests.empty());
}

TEST(WarmAhead, NoMoreAreKeptThanThePoolMayHave) {
  Running it{2};
  std::vector<broker::ExpectedClient> many;
  for (int i = 0; i < 50; ++i) many.push_back({"uid:" + std::to_string(i), "production"});
  it.broker.fetch_missing();
  it.world.loop.settle();
  it.broker.warm_ahead("db", "app", many);
  it.world.loop.advance(5s);
  EXPECT_LE(ready(it), it.pool.max);
  EXPECT_EQ(ready(it), it.pool.max / 2 * 2);
}

TEST(WarmAhead, MinReadyOfZeroKeepsNone) {
  Running it{0};
  it.broker.fetch_missing();
  it.broker.warm_ahead("db", "app", {{"uid:1000", "production"}});
  it.world.loop.advance(2s);
  EXPECT_EQ(it.world.connector.open(), 0u);
}

TEST(WarmAhead, AfterAReloadThoseWhoWereThereFindTheirStartUpParameters) {
  Running it{1};
  test::FakeClient client;
  client.wire = std::make_shared<test::Wire>(it.world.loop);
  it.broker.accept(std::make_unique<test::MemoryStream>(client.wire), it.route());
  client.wire->push(test::startup({{"user", "u"}, {"database", "production"}, {"DateStyle", "German"}}));
  it.world.loop.settle();
  ASSERT_EQ(client.types(), "RSSKZ");
  client.wire->push(test::frame('X'));
  it.world.loop.advance(1s);
  it.pool.max = 7;
  it.open_target();
  it.broker.fetch_missing();
  it.world.connector.requests.clear();
  it.broker.warm_ahead("db", "app", {{"uid:1000", "production"}, {"uid:1001", "production"}});
  it.world.loop.advance(2s);
  ASSERT_EQ(it.world.connector.requests.size(), 2u);
  EXPECT_EQ(it.world.connector.requests.at(0).parameters, (postgres::Parameters{{"DateStyle", "German"}}));
  EXPECT_TRUE(it.world.connector.requests.at(1).parameters.empty())
      << "who was not there sends none, as most do";
}

TEST(WarmAhead, SharedByRoleOneStandsForAll) {
  Running it{1};
  it.pool.shared_by_role = true;
  it.open_target();
  it.broker.fetch_missing();
  it.broker.warm_ahead("db", "app", {{"anybody", "production"}});
  it.world.loop.advance(2s);
  EXPECT_EQ(ready(it), 1u);
  auto client = it.enter();
  EXPECT_EQ(it.broker.status().targets.at(0).roles.at(0).pool.in_use, 1u);
  EXPECT_EQ(it.world.connector.requests.size(), 1u + 1u) << "its own, and the one that is ready for the next";
}

}  // namespace
}  // namespace sallyport::warm_ahead_test
