// The simulator of issue and design: seeds of client, broker and server in memory run the real session, pool and
// cache. SALLYPORT_SIM_SEED=N reruns one seed, SALLYPORT_SIM_SEEDS=N runs so many, SALLYPORT_SIM_STEPS=N longer ones.
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
}

}  // namespace
}  // namespace sallyport::sim
