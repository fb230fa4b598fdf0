// The simulator: from each seed a world of clients, servers and a vault in memory, in which the real broker, pools and
// slots run, and whose invariants are looked at after every turn.
//
// A thousand seeds, in shards that ctest runs beside one another. SALLYPORT_SIM_SEED=N runs that one alone,
// SALLYPORT_SIM_FIRST=N and SALLYPORT_SIM_SEEDS=N choose others, SALLYPORT_SIM_STEPS=N makes them longer.
#include "test/sim/scenario.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <vector>

namespace sallyport::sim::sim_test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds_in_all = 200;  // ten times as slow
#else
constexpr std::uint64_t seeds_in_all = 1000;
#endif
constexpr std::uint64_t shards = 8;
/// So many meet everything that the test demands to have been met.
constexpr std::uint64_t seeds_enough = 20;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const auto* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Seeds {
  std::uint64_t first = 1, last = 1;
  [[nodiscard]] std::uint64_t count() const { return last - first + 1; }
};

// googletest prints it where it names a test.
void PrintTo(const Seeds& seeds, std::ostream* out) { *out << seeds.first << " to " << seeds.last; }

std::vector<Seeds> seeds_to_run() {
  if (const auto only = number_from_environment("SALLYPORT_SIM_SEED", 0)) return {{only, only}};
  const auto first = number_from_environment("SALLYPORT_SIM_FIRST", 1);
  const auto count = std::max<std::uint64_t>(number_from_environment("SALLYPORT_SIM_SEEDS", seeds_in_all), 1);
  const auto each = std::max((count + shards - 1) / shards, seeds_enough);
  std::vector<Seeds> all;
  for (auto from = first; from < first + count; from += each) {
    all.push_back({from, std::min(from + each, first + count) - 1});
  }
  return all;
}

class Simulator : public testing::TestWithParam<Seeds> {};

TEST_P(Simulator, InvariantsHoldInAllWeathers) {
  const auto seeds = GetParam();
  const auto steps = static_cast<unsigned>(number_from_environment("SALLYPORT_SIM_STEPS", 300));
  const bool talks = std::getenv("SALLYPORT_SIM_VERBOSE") != nullptr;
  std::map<std::string, std::uint64_t> coverage;
  for (auto seed = seeds.first; seed <= seeds.last; ++seed) {
    if (talks) std::cerr << "seed " << seed << '\n';
    Scenario{seed, coverage}.run(steps);
  }
  for (const auto& [what, count] : coverage) std::cout << "  " << what << ": " << count << '\n';
  if (seeds.count() < seeds_enough || steps < 300) return;
  // A simulator in which these never happen proves nothing about them.
  for (const auto* what : {"moved", "client saw its cancel", "backend killed", "cut: rotation_forced",
                           "lease revoked outside", "login refused", "stranger refused", "target reloaded",
                           "backend lent to another", "failed over", "login at a standby"}) {
    EXPECT_GT(coverage[what], 0U) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulator, testing::ValuesIn(seeds_to_run()), [](const auto& seeds) {
  return std::to_string(seeds.param.first) + "_to_" + std::to_string(seeds.param.last);
});

TEST(SimulatedShutdown, EndsInItsTimeAlsoWhileAReplacedTargetsLeasesAreBeingRevoked) {
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
}  // namespace sallyport::sim::sim_test
