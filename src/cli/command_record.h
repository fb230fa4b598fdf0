// What a command line did that the audit trail must know of, though no broker ran: a secret shown, Vault set up.
#pragma once

#include "cli/command.h"
#include "secrets/source.h"

#include <string>
#include <vector>

namespace sallyport::cli {

/// Writes an event `admin` with whose process this is. `what`: the command and what it is about, no secret;
/// `result`: "ok", or why not.
///
/// Errors  of the trail: it could not be written, and the configuration's audit.mode is `required` (the default).
///         of the configuration: it cannot be read.
Result<void> record_command(Context& context, const std::string& what, const std::string& result = "ok");

/// What an attacker may have done, as a source saw it (SourceSession::take_events): an event `security` each, as a broker
/// writes it. `command`: who asked, "resolve". What cannot be written is told on the log.
void record_source_events(Context& context, const std::string& command,
                          const std::vector<secrets::SourceEvent>& events);

}  // namespace sallyport::cli
