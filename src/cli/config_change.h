// What a reload changes, for the log and the trail (threat 14).
#pragma once

#include "config/config.h"

#include <string>

namespace sallyport::cli {

/// "target production changed, route unix:… added": for the log and the trail; names only, "nothing" if so.
///
/// A record of the trail may be cut at its end, so what got weaker comes first, then what a reload does not apply.
std::string what_changes(const config::Config& before, const config::Config& after);

/// "audit.dir, state": keys that are read at start only and that differ; empty when none does.
std::string what_needs_restart(const config::Config& before, const config::Config& after);

}  // namespace sallyport::cli
