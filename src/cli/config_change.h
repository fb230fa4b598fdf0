// What a reload changes, for the log and the trail (threats.md 14).
#pragma once

#include "config/config.h"

#include <string>

namespace sallyport::cli {

/// "target production changed, route unix:… added": for the log and the trail; names only.
std::string what_changes(const config::Config& before, const config::Config& after);

}  // namespace sallyport::cli
