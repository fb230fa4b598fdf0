// A Status as JSON: what `sallyport status --format json` and GET /status print. The keys are stable.
#pragma once

#include "broker/status.h"

#include <nlohmann/json.hpp>

namespace sallyport::admin {

nlohmann::ordered_json to_json(const broker::Status& status);

}  // namespace sallyport::admin
