// A reload replaces a target under clients of transaction pooling: they go on, with the connections of the new one.
#include "test/broker/running.h"

#include <gtest/gtest.h>

namespace sallyport::reload_test {
namespace {

using test::FakeClient;
using test::query;
using namespace std::chrono_literals;

struct Reloaded : test::Running {
  explicit Reloaded(std::size_t max = 1) {
    pool.mode = PoolMode::transaction;
    pool.max = max;
    open_target();
  }
  /// What a reload does that changes the target.
  void reload() {
    open_target();
    broker.recheck_sessions({{"route", route()}}, 1s);
    world.loop.settle();
  }
  std::string ask(FakeClient& client, const std::string& bytes) {
    client.wire->push(bytes);
    world.loop.settle();
    return client.types();
  }
  FakeClient let_in() {
    auto client = enter();
    client.types();
    return client;
  }
  [[nodiscard]] std::size_t open() const { return world.connector.open(); }
};

TEST(Reload, WhoIsAtRestBorrowsFromTheNewPoolNextTime) {
  Reloaded it;
  auto a = it.let_in(), b = it.let_in();
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ");
  it.reload();
  it.world.loop.advance(3s);
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ");
  EXPECT_EQ(it.ask(b, query("select 1")), "DCZ");
  const auto logins = it.world.connector.backends.size();
  it.world.loop.advance(10s);
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ");
  EXPECT_EQ(it.world.connector.backends.size(), logins)
      << "a connection of the replaced pool lives for a second";
  EXPECT_EQ(it.open(), 1u);
}

TEST(Reload, NobodyKeepsAReplacedPoolWhoDoesNotHaveAConnectionOfIts) {
  Reloaded it;
  auto a = it.let_in(), b = it.let_in();
  it.ask(a, query("BEGIN"));
  it.reload();
  EXPECT_EQ(it.ask(b, query("select 1")), "DCZ") << "the new pool has a place";
  EXPECT_EQ(it.open(), 2u);
  EXPECT_EQ(it.ask(a, query("COMMIT")), "CZ");
  it.world.loop.advance(3s);
  EXPECT_EQ(it.open(), 1u);
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ");
  it.world.loop.advance(3s);
  EXPECT_EQ(it.open(), 1u);
}

TEST(Reload, WhoWaitsForAConnectionWaitsInTheNewPool) {
  Reloaded it;
  auto a = it.let_in(), b = it.let_in(), c = it.let_in();
  it.ask(a, query("BEGIN"));
  EXPECT_EQ(it.ask(b, query("BEGIN")), "");
  EXPECT_EQ(it.ask(c, query("BEGIN")), "");
  it.reload();
  EXPECT_EQ(b.types() + c.types(), "CZ") << "one of them";
  it.pool.max = 2;
  it.reload();
  it.pool.max = 3;
  it.reload();
  EXPECT_EQ(b.types() + c.types(), "CZ") << "and the other one, by the next";
  EXPECT_EQ(it.ask(a, query("COMMIT")), "CZ");
}

TEST(Reload, WhatAClientHasPreparedItFindsInTheNewPool) {
  Reloaded it;
  auto a = it.let_in();
  const auto run = test::bind("s") + test::execute() + test::sync();
  EXPECT_EQ(it.ask(a, test::parse("s", "select 's'") + run), "12DCZ");
  it.reload();
  EXPECT_EQ(it.ask(a, run), "2DCZ");
  it.reload();
  it.world.loop.advance(5s);  // at rest
  EXPECT_EQ(it.ask(a, run), "2DCZ");
}

// The new pool knows nothing of the old one, and gives its first text the number that the old one gave its first.
TEST(Reload, WhatAClientHasPreparedMeansTheSameWhenItsTargetWasGoneForAWhile) {
  Reloaded it;
  it.world.connector.prepare = [](test::FakeBackend& backend) { backend.strict = true; };
  auto a = it.let_in(), holds = it.let_in();
  EXPECT_EQ(it.ask(a, test::parse("s", "select 'of a'") + test::sync()), "1Z");
  it.ask(holds, query("BEGIN"));
  EXPECT_EQ(it.ask(a, test::bind("s") + test::execute() + test::sync()), "") << "it waits";
  it.broker.close_target("db");
  it.broker.recheck_sessions({{"route", it.route()}}, 30s);
  it.world.loop.settle();
  it.open_target();
  auto b = it.let_in();
  EXPECT_EQ(it.ask(b, test::parse("s", "select 'of b'") + test::sync()), "1Z");
  it.broker.recheck_sessions({{"route", it.route()}}, 30s);
  it.world.loop.settle();
  EXPECT_TRUE(a.types().starts_with("2DCZ"));
  EXPECT_NE(a.text_of('D').find("select 'of a'"), std::string::npos) << a.text_of('D');
}

TEST(Reload, AClientIsToldOfTheEndOfTheNewPoolsCredential) {
  Reloaded it;
  auto a = it.let_in();
  it.ask(a, query("select 1"));
  it.ask(a, query("BEGIN"));
  it.ask(a, query("COMMIT"));
  it.reload();
  it.ask(a, query("LISTEN a"));  // bound to its connection from now on
  EXPECT_EQ(it.open(), 1u);
  it.reload();
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ") << "its connection stays";
  EXPECT_EQ(it.open(), 1u);
}

TEST(Reload, APoolThatIsOfAnotherModeNowIsForNewClients) {
  Reloaded it;
  auto a = it.let_in();
  it.pool.mode = PoolMode::session;
  it.reload();
  EXPECT_EQ(it.ask(a, query("select 1")), "DCZ");
  auto b = it.let_in();
  EXPECT_EQ(it.ask(b, query("select 1")), "DCZ");
}

}  // namespace
}  // namespace sallyport::reload_test
