// The metrics of the process itself: version, time, memory, what the machine does not give, and which files end.
#pragma once

#include "admin/openmetrics.h"
#include "broker/status.h"

namespace sallyport::admin {

void write_process(const broker::Status& status, MetricsWriter& out);

}  // namespace sallyport::admin
