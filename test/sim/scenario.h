// What happens in one seeded run: clients come, the world misbehaves as the run's kind allows, everything ends.
#pragma once

#include "test/sim/verdict.h"

#include <algorithm>
#include <optional>
#include <string>

namespace sallyport::sim {

enum class Weather {
  calm,    ///< nothing fails; credentials rotate
  rough,   ///< servers die, clients are rude, cancels, resets that fail; the vault is well
  stormy,  ///< the vault, the trail, the journal and the server's logins fail, too
};

class Scenario {
 public:
  Scenario(std::uint64_t seed, std::map<std::string, std::uint64_t>& coverage)
      : weather_(static_cast<Weather>(seed % 3)),
        dice_(seed ^ 0x5ca1ab1e),
        world_(seed, settings(seed), coverage) {}

  void run(unsigned steps) {
    const auto live_max = weather_ == Weather::calm ? 10 : 4 + dice_.below(25);
    for (unsigned step = 0; step < steps && !world_.oracle.failed(); ++step) {
      if (world_.clients_live() < live_max && dice_.chance(30)) world_.add_client(client());
      if (weather_ != Weather::calm) misbehave();
      if (weather_ == Weather::rough && dice_.permille(4)) {
        world_.open_target();
        world_.oracle.count("target reloaded");
      }
      if (weather_ == Weather::stormy && dice_.permille(4)) {
        // The machine slept, or somebody set the clock: sessions may find out late that their lease has ended.
        world_.loop.jump_wall(dice_.ms(100, 8'000));
        world_.clock_jumped = true;
        world_.broker->check_now();
        world_.oracle.count("clock jumped");
      }
      world_.run(dice_.us(0, 300'000));
    }
    finish();
  }

 private:
  /// For the slowest client to say all it has to say; the hours pass in no time.
  static constexpr auto patience = 3600s;

  WorldSettings settings(std::uint64_t seed) {
    WorldSettings chosen;
    const bool calm = weather_ == Weather::calm, stormy = weather_ == Weather::stormy;
    chosen.vault.ttl = dice_.ms(5'000, 40'000);
    chosen.vault.max_ttl = chosen.vault.ttl * static_cast<int>(dice_.between(1, 4));
    chosen.vault.renewable = dice_.chance(80);
    chosen.vault.own_token = dice_.chance(50);
    chosen.vault.failures_permille = stormy ? static_cast<unsigned>(dice_.below(200)) : 0;
    chosen.vault.slow_permille = stormy ? static_cast<unsigned>(dice_.below(50)) : 0;
    chosen.server.link = link();
    chosen.server.login_failures_permille = stormy ? static_cast<unsigned>(dice_.below(100)) : 0;
    chosen.server.cancel_failures_permille = stormy ? 50 : 0;
    chosen.server.cancels_late_permille = calm ? 0 : 200;
    chosen.server.reset_failures_percent = calm ? 0 : 5;
    // Dice of their own: a world of one host is the same as it was before there were others.
    Dice hosts{seed ^ 0xfa110e4};
    if (!calm && hosts.chance(30)) chosen.server.hosts = hosts.between(2, 3);
    chosen.server.connections_max = stormy ? dice_.between(10, 60) : 1000;
    chosen.pool.min_ready = dice_.below(4);
    if (dice_.chance(50)) chosen.pool.mode = PoolMode::transaction;
    chosen.pool.statements_max = dice_.between(10, 30);
    // In calm weather ten clients at most share two pools: nobody has to wait, but there may be no room to spare.
    chosen.pool.max = calm ? (dice_.chance(50) ? 10 : 60) : dice_.between(3, 30);
    chosen.pool.idle_max = dice_.ms(2'000, 60'000);
    chosen.pool.lifetime_max = dice_.ms(20'000, 600'000);
    chosen.pool.wait_max = dice_.ms(10'000, 30'000);
    chosen.trail_failures_permille = stormy ? static_cast<unsigned>(dice_.below(30)) : 0;
    chosen.journal_failures_permille = stormy ? static_cast<unsigned>(dice_.below(100)) : 0;
    return chosen;
  }

  LinkSettings link() {
    LinkSettings chosen;
    chosen.capacity = dice_.chance(5) ? dice_.between(1, 40) : dice_.between(60, 20'000);
    chosen.latency_max = dice_.chance(40) ? Duration::zero() : dice_.us(1, 5'000);
    return chosen;
  }

  ClientPlan client() {
    const bool calm = weather_ == Weather::calm;
    ClientPlan plan;
    const auto who = dice_.below(100);
    plan.uid = who < 45 ? 1000 : who < 75 ? 1001 : who < 94 ? 1002 : who < 97 ? 1777 : SimProver::stranger;
    plan.database = dice_.chance(80) ? "app" : "other";
    if (dice_.chance(30)) plan.profile = {{"TimeZone", "Mars"}};
    if (dice_.chance(10)) plan.profile = {{"work_mem", "8MB"}, {"search_path", "mine"}};
    plan.statements = static_cast<unsigned>(dice_.chance(15) ? dice_.between(50, 200) : dice_.between(0, 15));
    plan.depth = dice_.chance(25) ? static_cast<unsigned>(dice_.between(2, 12)) : 1;
    plan.think_max = dice_.chance(20) ? dice_.ms(1'000, 8'000) : dice_.us(0, 500'000);
    plan.slow_statement_max = dice_.ms(1, 4'000);
    plan.keeps_state = dice_.chance(20);
    plan.transactions = dice_.chance(60);
    plan.slow_reader = dice_.chance(10);
    plan.cancels = dice_.chance(calm ? 10 : 25);
    plan.asks_for_tls = dice_.chance(30);
    plan.early = dice_.chance(10);
    plan.protocol_3_2 = dice_.chance(30);
    plan.leaving = static_cast<Leaving>(dice_.below(calm ? 3 : 5));
    if (dice_.chance(15)) plan.leaves_early = dice_.chance(50) ? dice_.us(0, 20'000) : dice_.ms(0, 3'000);
    plan.link = link();
    plan.borrows = world_.borrows();
    return plan;
  }

  void misbehave() {
    auto& server = world_.server;
    if (dice_.permille(20) && server.kill_one(dice_.chance(50))) world_.oracle.count("backend killed");
    if (dice_.permille(3)) server.kill_all();
    if (server.down ? dice_.permille(150) : dice_.permille(3)) server.down = !server.down;
    if (server.settings.hosts > 1 && dice_.permille(5) && server.fail_over()) {
      world_.oracle.count("failed over");
    }
    if (weather_ != Weather::stormy) return;
    auto& vault = world_.vault;
    if (vault.outage ? dice_.permille(30) : dice_.permille(5)) vault.outage = !vault.outage;
    if (dice_.permille(5) && vault.revoke_any_outside()) world_.oracle.count("lease revoked outside");
    auto& trail = world_.trail;
    if (trail.failing ? dice_.permille(100) : dice_.permille(4)) trail.failing = !trail.failing;
  }

  void finish() {
    auto& world = world_;
    world.server.recover();
    world.vault.outage = false;
    world.trail.failing = false;
    world.trail.failures_permille = 0;
    const auto manner = dice_.below(4);
    const auto nobody_left = [&world] { return world.clients_live() == 0 && world.broker->sessions() == 0; };
    if (manner >= 2) {
      world.run(patience, nobody_left);
    } else {
      world.ending = true;
      world.oracle.count(manner == 0 ? "drained" : "stopped");
      world.stopping = manner == 1;
      world.stopping ? world.broker->stop_sessions() : world.broker->drain();
      if (!world.run(patience, nobody_left) && !std::exchange(world.stopping, true))
        world.broker->stop_sessions();
    }
    if (!world.oracle.failed() && !world.run(30s, nobody_left)) {
      std::string left;
      for (const auto& client : world.clients)
        if (!client->is_over()) left += " " + client->describe();
      world.oracle.violation(std::to_string(world.clients_live()) + " clients and " +
                             std::to_string(world.broker->sessions()) + " sessions are left:" + left);
    }
    shut_down();
  }

  void shut_down() {
    auto& world = world_;
    world.vault.settings.failures_permille = 0;
    world.vault.settings.slow_permille = 0;
    std::optional<credentials::ShutdownReport> report;
    world.broker->shut_down(10s, [&report](credentials::ShutdownReport made) { report = std::move(made); });
    if (!world.oracle.failed() && !world.run(11s, [&report] { return report.has_value(); })) {
      world.oracle.violation("the shutdown never ended");
    }
    world.gate->flush();
    world.run(1s);
    if (world.server.broker_ends() != 0 && !world.oracle.failed()) {
      world.oracle.violation(std::to_string(world.server.broker_ends()) +
                             " server connections outlive the shutdown");
    }
    world.oracle.coverage["moved"] += world.broker->counters().moved;
    for (const auto& [why, count] : world.broker->counters().rotation_forced) {
      world.oracle.coverage["forced: " + why] += count;
    }
    world.oracle.coverage["turns"] += world.loop.turns();
    world.oracle.coverage["leases"] += world.vault.issued();
    world.oracle.coverage["logins"] += world.server.logins();
    if (!world.oracle.failed() && report) Verdict{world, weather_ == Weather::calm}.on_everything(*report);
  }

  Weather weather_;
  Dice dice_;
  World world_;
};

}  // namespace sallyport::sim
