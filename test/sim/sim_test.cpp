// The simulator: from each seed a world of clients, servers and a vault in memory, in which the real broker, pools and
// slots run, and whose invariants are looked at after every turn.
// SALLYPORT_SIM_SEED=N reruns one seed, SALLYPORT_SIM_SEEDS=N runs so many, SALLYPORT_SIM_STEPS=N longer ones.
#include "test/sim/scenario.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace sallyport::sim {
namespace {

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const auto* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulator, InvariantsHoldInAllWeathers) {
  const auto only = number_from_environment("SALLYPORT_SIM_SEED", 0);
  const auto first = only != 0 ? only : number_from_environment("SALLYPORT_SIM_FIRST", 1);
  const auto last = only != 0 ? only : first + number_from_environment("SALLYPORT_SIM_SEEDS", 20) - 1;
  const auto steps = static_cast<unsigned>(number_from_environment("SALLYPORT_SIM_STEPS", 300));
  std::map<std::string, std::uint64_t> coverage;
  for (auto seed = first; seed <= last; ++seed) {
    if (only != 0 || std::getenv("SALLYPORT_SIM_VERBOSE") != nullptr) std::cerr << "seed " << seed << '\n';
    Scenario{seed, coverage}.run(steps);
  }
  for (const auto& [what, count] : coverage) std::cout << "  " << what << ": " << count << '\n';
  if (last - first < 19 || steps < 300) return;
  // A simulator in which these never happen proves nothing about them.
  for (const auto* what :
       {"moved", "client saw its cancel", "backend killed", "cut: rotation_forced", "lease revoked outside",
        "login refused", "stranger refused", "target reloaded", "backend lent to another"}) {
    EXPECT_GT(coverage[what], 0U) << what;
  }
}

TEST(Simulator, AShutdownEndsInItsTimeAlsoWhileAReplacedTargetsLeasesAreBeingRevoked) {
  std::map<std::string, std::uint64_t> coverage;
  WorldSettings settings;
  settings.vault.own_token = false;
  World world{7, settings, coverage};
  ClientPlan plan;
  plan.statements = 1;
  world.add_client(plan);
  ASSERT_TRUE(
      world.run(20s, [&world] { return world.clients_live() == 0 && world.broker->sessions() == 0; }));
  world.vault.settings.slow_permille = 1000;  // every call takes seconds
  world.open_target();
  world.run(1500ms);
  std::optional<credentials::ShutdownReport> report;
  world.broker->shut_down(100ms, [&report](credentials::ShutdownReport made) { report = std::move(made); });
  EXPECT_TRUE(world.run(300ms, [&report] { return report.has_value(); })) << "its limit has passed";
  ASSERT_TRUE(report);
  EXPECT_EQ(report->revoked + report->unrevoked.size(), 1U) << "and what is left is named";
}

}  // namespace
}  // namespace sallyport::sim
