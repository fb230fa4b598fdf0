// `resolve --watch`: the slot of the broker, alone: fetches, renews and replaces as it would for sessions, and tells.
#pragma once

#include "cli/errand.h"
#include "secrets/source.h"

#include <memory>
#include <string>

namespace sallyport::cli {

/// One line for each new credential on standard output (JSON: one object a line), until SIGINT or SIGTERM; then leases
/// are ended.
/// Errors  of the first fetch; later ones are told on the log.
Result<void> watch_reference(Context& context, Errand& errand,
                             std::unique_ptr<secrets::SourceSession> session, const std::string& reference);

}  // namespace sallyport::cli
