// What of a Status becomes which metric. docs/operations.md has the same list for people.
#pragma once

#include "admin/openmetrics.h"
#include "broker/status.h"

namespace sallyport::admin {

std::string encode_metrics(const broker::Status& status, MetricsFormat format);

}  // namespace sallyport::admin
