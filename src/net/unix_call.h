// One question over a Unix socket, and one line as the answer: what a command says to a running broker.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace sallyport::net {

/// Connects, sends `line`, reads until the first line's end (which is left out).
///
/// Errors  hop listener, where = path.  not_found: nothing listens there.  denied: we may not connect, or who listens
///         is neither root nor us.  timed_out.  limit_exceeded: above bytes_max.  peer_misbehaved: it closed before.
Result<std::string> call_unix(const std::string& path, std::string_view line, Duration deadline,
                              std::size_t bytes_max);

}  // namespace sallyport::net
