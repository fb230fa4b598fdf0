// As process 1 of a container: everything that loses its parent there comes to us, and would count as a
// descendant of ours. So process 1 only reaps and forwards, and the broker runs below it as a subreaper of
// its own (threat 6).
#pragma once

#include <optional>

namespace sallyport::cli {

/// Call first in main: a fork wipes Secrets. In process 1: forks, wipes its own environment, stays until the
/// broker has ended and returns its exit code. Anywhere else, and in the forked process: returns nothing at once.
std::optional<int> stay_behind_as_init();

}  // namespace sallyport::cli
