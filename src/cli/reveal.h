// Whether a secret may be shown (threat 20): asked on the terminal, said with --yes elsewhere, and written to the audit
// trail before it is.
#pragma once

#include "cli/command.h"

#include <string>

namespace sallyport::cli {

/// Errors  denied: not a terminal and no `yes`, or the person said no.  Of the trail: the event could not be written
///         (audit.mode: required, the default).
Result<void> allow_reveal(Context& context, const std::string& reference, bool yes);

/// Behind an allowed one: `why` nothing was shown, or not all of it. A second record, as the first one cannot be changed.
void record_not_shown(Context& context, const std::string& reference, const Error& why);

}  // namespace sallyport::cli
