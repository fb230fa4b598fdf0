// How one of a target's servers stands, for whoever shows it: apart from status.h, because who chooses a host knows no
// pools.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::broker {

/// One of the places where a target's server may be.
struct HostStatus {
  enum class State : std::uint8_t {
    untried,
    serving,   ///< the latest login ended there
    served,    ///< an earlier one did
    unsuited,  ///< it answered, and is not of the kind that is wanted
    failed,    ///< it did not answer, or not now
  };
  std::string host;  ///< "db1:5432"
  State state = State::untried;
  std::optional<Duration> tried_last_for;  ///< it failed, and is tried after all others for so long
};

/// "untried", "serving", …
std::string_view name_of(HostStatus::State state);

}  // namespace sallyport::broker
