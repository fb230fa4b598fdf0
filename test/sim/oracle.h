// Who says that an invariant is broken, and what the runs have covered (a simulator that never moves a session
// proves nothing about moving).
#pragma once

#include "test/sim/sim_trail.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

namespace sallyport::sim {

/// Markers stand in every statement and every reply: "m17.3." is the third statement of client 17.
struct Marker {
  unsigned client = 0, statement = 0;
  [[nodiscard]] std::string text() const {
    return "m" + std::to_string(client) + "." + std::to_string(statement) + ".";
  }
  static Marker parse(const std::string& text) {
    Marker marker;
    if (text.empty() || text[0] != 'm') return marker;
    marker.client = static_cast<unsigned>(std::stoul(text.substr(1)));
    marker.statement = static_cast<unsigned>(std::stoul(text.substr(text.find('.') + 1)));
    return marker;
  }
};

inline std::string client_name(unsigned number) { return "c" + std::to_string(number); }

class Oracle {
 public:
  explicit Oracle(SimTrail& its_trail, std::uint64_t seed, std::map<std::string, std::uint64_t>& its_coverage)
      : trail(its_trail), coverage(its_coverage), seed_(seed) {}

  void violation(const std::string& what) {
    if (violations_++ < 5) ADD_FAILURE() << what << "\n  rerun with SALLYPORT_SIM_SEED=" << seed_;
  }
  void count(const std::string& what) { ++coverage[what]; }
  [[nodiscard]] bool failed() const { return violations_ != 0; }

  SimTrail& trail;
  std::map<std::string, std::uint64_t>& coverage;

 private:
  std::uint64_t seed_;
  unsigned violations_ = 0;
};

}  // namespace sallyport::sim
