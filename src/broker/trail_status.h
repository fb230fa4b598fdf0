// How the trail is, as an operator sees it: apart from status.h, because the gate in front of the trail knows no pools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace sallyport::broker {

using CountsByWord = std::map<std::string, std::uint64_t, std::less<>>;

/// Of a TrailGate.
struct TrailStatus {
  bool present = false;  ///< false: there is none (audit.mode: best-effort)
  bool healthy = true;
  std::size_t queued = 0, queued_bytes = 0;  ///< records that wait to be written
  std::uint64_t written = 0;
  std::uint64_t lost_denials = 0, lost_others = 0;
  CountsByWord refusals;  ///< connections refused, by "HOP CODE"
  /// Those of each route. Bounded by the names of configurations.
  std::map<std::string, CountsByWord, std::less<>> refusals_of_route;
};

}  // namespace sallyport::broker
