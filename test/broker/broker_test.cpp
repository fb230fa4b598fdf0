// The broker over all its targets and sessions, in memory: what it does ahead of its clients, and at a reload.
#include "broker/broker.h"

#include "test/broker/world.h"

#include <gtest/gtest.h>

#include <optional>

namespace sallyport {
namespace {

using test::World;
using namespace std::chrono_literals;

/// A broker with target "db" and role "app" in a world whose own sessions and pool are not used.
struct Running {
  Running() { open_target(); }

  void open_target() {
    broker::TargetOpening opening;
    opening.target.name = "db";
    opening.target.databases = {"production"};
    opening.target.pool = pool;
    opening.target.roles["app"].name = "app";
    opening.reach = std::make_shared<broker::Reach>(broker::Reach{{"db.example", 5432}, nullptr});
    opening.roles.push_back(
        {opening.target.roles.at("app"), std::make_unique<test::ScriptedSource>(world.script), 24h});
    broker.open_target(std::move(opening));
  }

  PoolSettings pool = [] {
    auto settings = World::small();
    settings.min_ready = 1;
    return settings;
  }();
  World world;
  broker::Broker broker{{world.loop, world.randomness, world.logger, world.gate, world.connector,
                         world.timers, world.runner, world.journal, nullptr}};
};

TEST(Broker, LogsNoConnectionInForNobody) {
  Running it;
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

}  // namespace
}  // namespace sallyport
