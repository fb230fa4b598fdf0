// Whom a configuration lets one expect: identities that are known before their clients come, by target and role.
#pragma once

#include "broker/expected_client.h"
#include "config/config.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::cli {

/// By target and role, in the order of routes and rules, each once. Rules that are closed at `now` (`hours`) expect
/// nobody. With `pool.share: role` one entry stands for all: whoever it is, the connection is the same.
std::map<std::pair<std::string, std::string>, std::vector<broker::ExpectedClient>> expected_clients(
    const config::Config& config, WallTime now);

}  // namespace sallyport::cli
