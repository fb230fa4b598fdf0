// A whole broker in memory, with clients that come in by a route.
#pragma once

#include "broker/broker.h"
#include "test/broker/world.h"

namespace sallyport::test {

/// A broker with target "db" and role "app" in a world whose own sessions and pool are not used.
struct Running {
  explicit Running(std::size_t min_ready = 0) {
    pool.min_ready = min_ready;
    open_target();
  }

  void open_target() {
    broker::TargetOpening opening;
    opening.logs_logins = true;
    opening.target.name = "db";
    opening.target.databases = {"production"};
    opening.target.pool = pool;
    opening.target.roles["app"].name = "app";
    opening.reach = std::make_shared<broker::Reach>(broker::Reach{{{"db.example", 5432}}, nullptr, wanted});
    opening.roles.push_back(
        {opening.target.roles.at("app"), std::make_unique<ScriptedSource>(world.script), 24h});
    broker.open_target(std::move(opening));
  }

  /// A client of uid 1000 that has said hello.
  FakeClient enter() {
    FakeClient client;
    client.wire = std::make_shared<Wire>(world.loop);
    broker.accept(std::make_unique<MemoryStream>(client.wire), route());
    client.wire->push(World::hello());
    world.loop.settle();
    return client;
  }

  std::shared_ptr<const broker::RouteRuntime> route() const {
    auto made = std::make_shared<broker::RouteRuntime>();
    made->route.name = "route";
    made->route.target = "db";
    made->route.allow.emplace_back().uid = 1000;
    made->route.allow.back().connections_max = connections_max;
    made->route.connections_max = route_connections_max;
    made->prover = world.prover;
    return made;
  }

  std::size_t connections_max = 0,
              route_connections_max = 0;  ///< of an identity, of the route; 0: any number
  SessionAttributes wanted = SessionAttributes::any;
  PoolSettings pool = World::small();
  World world;
  broker::Broker broker{{world.loop, world.randomness, world.logger, world.gate, world.connector,
                         world.timers, world.runner, world.journal, nullptr}};
};

}  // namespace sallyport::test
