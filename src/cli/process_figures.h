// What the kernel says of this process, for /metrics: memory, descriptors, processor time.
#pragma once

#include "broker/status.h"

namespace sallyport::cli {

/// Reads /proc; some 10 µs, more with many descriptors before Linux 6.2. What cannot be read is left out.
broker::ProcessFigures read_process_figures();

}  // namespace sallyport::cli
