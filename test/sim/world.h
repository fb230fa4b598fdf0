// One simulated world: the real broker between simulated clients, server, vault and trail; what may go wrong in
// it; and the invariants, looked at after every turn and at the end.
#pragma once

#include "broker/broker.h"
#include "test/sim/sim_client.h"
#include "test/sim/sim_server.h"
#include "test/sim/sim_trail.h"
#include "test/sim/sim_vault.h"

#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::sim {

struct WorldSettings {
  VaultSettings vault;
  ServerSettings server;
  PoolSettings pool;
  config::AuditMode audit = config::AuditMode::required;
  unsigned trail_failures_permille = 0;
  unsigned journal_failures_permille = 0;
};

class World {
 public:
  World(std::uint64_t seed, const WorldSettings& settings, std::map<std::string, std::uint64_t>& coverage)
      : dice(seed),
        loop(dice.split()),
        trail(dice.split()),
        oracle(trail, seed, coverage),
        vault(loop, dice.split(), settings.vault),
        server(loop, dice.split(), oracle, vault, settings.server),
        journal(loop, dice.split()),
        runner(loop, vault),
        timers(loop),
        randomness(dice.next()),
        gate(std::make_unique<broker::TrailGate>(&trail, settings.audit, loop, logger)),
        pool_max_(settings.pool.max),
        wait_max_(settings.pool.wait_max) {
    server.lends = settings.pool.mode == PoolMode::transaction;
    trail.failures_permille = settings.trail_failures_permille;
    journal.failures_permille = settings.journal_failures_permille;
    server.on_statement_check = [this](Backend& backend, const Marker& marker, bool boundary) {
      check_statement(backend, marker, boundary);
    };
    broker = std::make_unique<broker::Broker>(
        broker::BrokerServices{loop, randomness, logger, *gate, server, timers, runner, journal, nullptr});
    target_.name = "production";
    for (std::size_t host = 0; host < settings.server.hosts; ++host) {
      target_.endpoints.push_back({SimServer::name_of_host(host), 5432});
    }
    if (settings.server.hosts > 1) target_.session_attributes = SessionAttributes::read_write;
    target_.pool = settings.pool;
    target_.roles["app_rw"] = {"app_rw", "vault:database/creds/app_rw", "", "owner", {}, ""};
    target_.roles["app_ro"] = {"app_ro", "vault:database/creds/app_ro", "", "", {}, ""};
    open_target();
    make_route();
  }

  ~World() {
    // What is put off to the turn's end has to happen while everything it refers to is there.
    broker.reset();
    loop.drop_turn_end();
    gate.reset();
  }

  /// As at start-up, and again at every reload of the configuration that changes the target.
  void open_target() {
    broker::TargetOpening opening;
    opening.target = target_;
    auto reach = std::make_shared<broker::Reach>();
    reach->endpoints = target_.endpoints;
    reach->wanted = target_.session_attributes;
    opening.reach = std::move(reach);
    for (const auto& [name, role] : target_.roles) {
      opening.roles.push_back({role, std::make_unique<SimSource>(vault, name)});
    }
    broker->open_target(std::move(opening));
    ++openings_;
  }

  SimClient& add_client(ClientPlan plan) {
    plan.number = static_cast<unsigned>(clients.size()) + 1;
    plan.run_as = plan.uid == 1002 ? "none" : "owner";
    clients.push_back(std::make_unique<SimClient>(
        loop, dice.split(), oracle, std::move(plan),
        [this](std::unique_ptr<net::Stream> stream) { broker->accept(std::move(stream), route_); }));
    clients.back()->on_fatal = [this](const SimClient& client) { check_vain_wait(client); };
    clients.back()->start();
    return *clients.back();
  }

  /// Turns until `duration` of virtual time has passed, or `done` holds. True: it holds.
  bool run(Duration duration, const std::function<bool()>& done = {}) {
    const auto until = loop.now().mono + duration;
    unsigned still = 0;
    auto last = loop.now().mono;
    while (!oracle.failed() && loop.now().mono < until) {
      if (done && done()) return true;
      if (!loop.turn(until)) break;
      check_turn();
      // Every turn takes a microsecond or more, so many turns within a moment are a busy loop.
      if (++still == 100'000) {
        if (loop.now().mono - last < 1s) oracle.violation("the broker is busy without end");
        still = 0;
        last = loop.now().mono;
      }
    }
    return done && done();
  }

  [[nodiscard]] bool borrows() const { return server.lends; }
  [[nodiscard]] std::size_t clients_live() const {
    std::size_t live = 0;
    for (const auto& client : clients) live += client->is_over() ? 0 : 1;
    return live;
  }

  void check_turn() {
    std::size_t connections = 0;
    // Sessions that move may log in beyond it, which begins with the first credential's end, before there is another one;
    // what they leave is for nobody.
    const auto allowed =
        pool_max_ + (logger.ending_seen() ? std::max(broker::Pool::logins_beyond_max,
                                                     std::min(broker::Pool::moves_at_once_max, pool_max_ / 4))
                                          : 0);
    for (const auto* pool : broker->pools()) {
      const auto total = pool->total();
      if (total > allowed || (total > pool_max_ && pool->status().ready > 0)) too_many(*pool);
      connections += pool->connections();
    }
    if (openings_ == 1 && connections != server.broker_ends()) {
      oracle.violation("the pools count " + std::to_string(connections) + " connections, there are " +
                       std::to_string(server.broker_ends()));
    }
  }

  Dice dice;
  SimLoop loop;
  SimTrail trail;
  SimLogger logger{loop};
  Oracle oracle;
  SimVault vault;
  SimServer server;
  MemoryJournal journal;
  SimRunner runner;
  SimTimers timers;
  SimRandomness randomness;
  std::unique_ptr<broker::TrailGate> gate;
  std::unique_ptr<broker::Broker> broker;
  std::vector<std::unique_ptr<SimClient>> clients;

  bool clock_jumped = false;
  bool ending = false;                    ///< drain or stop was asked for
  bool stopping = false;                  ///< stop was
  std::map<unsigned, unsigned> executed;  ///< client → its last statement that ran

 private:
  void too_many(const broker::Pool& pool) {
    const auto now = pool.status();
    oracle.violation(
        "pool " + pool.settings().name + " has " + std::to_string(pool.total()) + " connections, at most " +
        std::to_string(pool_max_) + " are allowed: " + std::to_string(now.in_use) + " in use, of which " +
        std::to_string(now.moving) + " move, " + std::to_string(now.ready) + " ready, " +
        std::to_string(now.resetting) + " are reset, " + std::to_string(now.connecting) + " log in");
  }

  void make_route() {
    auto runtime = std::make_shared<broker::RouteRuntime>();
    runtime->route.name = "unix:/run/sim";
    runtime->route.target = "production";
    for (const auto& [uid, role] :
         std::map<std::uint32_t, std::string>{{1000, "app_rw"}, {1001, "app_rw"}, {1002, "app_ro"}}) {
      AllowRule rule;
      rule.uid = uid;
      rule.role = role;
      runtime->route.allow.push_back(rule);
    }
    runtime->prover = std::make_shared<SimProver>();
    route_ = std::move(runtime);
  }

  void check_statement(Backend& backend, const Marker& marker, bool boundary) {
    if (marker.client == 0 || marker.client > clients.size()) return oracle.violation("a marker of nobody");
    const auto& client = *clients[marker.client - 1];
    if (!trail.has_started(client_name(marker.client))) {
      oracle.violation(client_name(marker.client) + " was relayed before its start record was accepted");
    }
    if (!server.is_on_primary(backend)) {
      oracle.violation(client_name(marker.client) + " writes on a server that is not the primary");
    }
    executed[marker.client] = std::max(executed[marker.client], marker.statement);
    const auto [known, fresh] = uid_of_backend_.emplace(backend.pid, client.plan.uid);
    if (known->second != client.plan.uid) {
      oracle.violation("backend " + std::to_string(backend.pid) + " served two identities: uid " +
                       std::to_string(known->second) + " and " + std::to_string(client.plan.uid));
    }
    const bool could_have_been_told = boundary && client.sent_at_rest(marker.statement);
    if (!vault.user_alive(backend.user)) {
      oracle.count("statement with a dead credential");
      // What was on its way when all were stopped still arrives.
      if (could_have_been_told && !vault.revoked_outside(backend.user) && !clock_jumped && !stopping) {
        oracle.violation(client_name(marker.client) + " ran a statement as " + backend.user +
                         ", whose lease has ended " + std::to_string(vault.dead_for(backend.user) / 1ms) +
                         " ms ago, and was at a boundary before; backend " + std::to_string(backend.pid) +
                         " has served " + std::to_string(backend.served.size()) +
                         (borrows() ? " borrowers" : ""));
      }
    }
  }

  // Who was told after its whole wait that there is no connection: there must have been a reason all that time.
  void check_vain_wait(const SimClient& client) {
    const auto& text = client.fatal_message();
    const auto at = text.find("no server connection became free within");
    if (at == std::string::npos) return;
    std::size_t in_use = 0, max = 0, logins = 0;
    if (std::sscanf(text.c_str() + text.find(": ", at), ": %zu of %zu are in use, %zu logins", &in_use, &max,
                    &logins) != 3) {
      return oracle.violation(client.describe() + " was told something else than we can read");
    }
    // A place on its way from one client to the next is in use, too.
    if (const auto end = text.find(" are not ready yet"); end != std::string::npos)
      in_use += std::stoul(text.substr(text.rfind(' ', end - 1) + 1));
    if (in_use > 0 && in_use + logins >= max) return oracle.count("waited in vain: all in use");
    const auto since = loop.now().mono - wait_max_ - 1s;
    // The pool does not log in at once where a connection was lost: it may be one of many.
    if ((in_use + logins + 1 >= max || server.settings.hosts > 1) &&
        server.killed_at >= loop.now().mono - 300ms)
      return oracle.count("waited in vain: a place was lost just now");
    // A source that does not answer for as long as the client would wait, while what there was has ended.
    const bool lacks_credential =
        logins > 0 || text.find("no credential to log in with") != std::string::npos;
    if (lacks_credential && (vault.was_troubled_after(since) || journal.failed_at >= since))
      return oracle.count("waited in vain: no credential");
    if (server.settings.hosts > 1 && server.unreachable_at >= since)
      return oracle.count("waited in vain: no primary");
    // Then nothing of the pool's stands idle.
    const auto idle = [&](const broker::Pool* pool) {
      const bool read_only = pool->settings().name.ends_with("app_ro");
      return read_only == (client.plan.uid == 1002) && pool->status().ready > 0;
    };
    const auto pools = broker->pools();
    if (server.full_at >= since && (openings_ > 1 || std::none_of(pools.begin(), pools.end(), idle)))
      return oracle.count("waited in vain: the server is full");
    oracle.violation(client.describe() + " waited although connections could be had");
  }

  Target target_;
  std::shared_ptr<const broker::RouteRuntime> route_;
  std::size_t pool_max_;
  Duration wait_max_;
  unsigned openings_ = 0;
  std::map<std::int32_t, std::uint32_t> uid_of_backend_;
};

}  // namespace sallyport::sim
