// A command's way to the broker that runs: finds its admin socket, sends one line, reads one.
#pragma once

#include "admin/command.h"
#include "cli/command.h"
#include "config/config.h"

#include <nlohmann/json.hpp>

#include <string>

namespace sallyport::cli {

/// What it said, an object with `"ok": true`.
struct BrokerAnswer {
  nlohmann::ordered_json json;
};

/// `socket`: --socket; empty: admin.socket of the configuration, where there is one, else the default.
///
/// Errors  of net::call_unix(); of the configuration; denied: the broker says no (what and hint are its).
Result<BrokerAnswer> call_broker(Context& context, const std::string& socket, const admin::Command& command);

}  // namespace sallyport::cli
