// In which order a target's servers are tried.
//
// The order of the configuration holds among those that nothing is known against; then come those that were of the
// wrong kind when they were last asked (a primary moves), then those that failed a moment ago, the longest ago first.
// So a dead host costs one login its deadline, not every login. How long a host is "tried last" doubles with each
// failure up to a limit and has jitter, or a fleet of brokers would come back to a host at once. All are tried in the
// end: nothing that is remembered here can refuse a login.
//
// Pure: time and random numbers are handed in.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::policy {

class HostChooser {
 public:
  static constexpr auto back_off_first = std::chrono::seconds{1};
  static constexpr auto back_off_max = std::chrono::seconds{60};
  /// Places that are remembered: a name server may give new addresses each time.
  static constexpr std::size_t places_max = 256;

  enum class Found : std::uint8_t {
    served,    ///< a login ended there
    unsuited,  ///< it answered, and is not of the kind that is wanted
    failed,    ///< it did not answer, or not now
  };

  /// The indices of `places` in the order in which they are to be tried. `shuffle`: those that are alike in a random
  /// order, which `random` gives.
  [[nodiscard]] std::vector<std::size_t> order(const std::vector<std::string>& places, MonotonicTime now,
                                               bool shuffle, std::uint64_t random) const;

  /// What is known of a place.
  struct Standing {
    Found last = Found::served;
    Duration tried_last_for{};  ///< zero: it is not
  };
  /// Nothing: it was not tried, or that was forgotten.
  [[nodiscard]] std::optional<Standing> standing(const std::string& place, MonotonicTime now) const;

  /// `random` gives the jitter.
  void note(const std::string& place, Found found, MonotonicTime now, std::uint64_t random);

 private:
  struct Place {
    Found last = Found::served;
    unsigned failures = 0;  // in a row
    MonotonicTime noted_at{}, failed_until{};
  };

  void forget_oldest();

  std::map<std::string, Place> places_;
};

}  // namespace sallyport::policy
