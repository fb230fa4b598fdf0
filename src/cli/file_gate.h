// Which files the porter of a confined broker opens: those that lie where the configuration would have the sandbox read,
// if it were made now.
#pragma once

#include "cli/sandbox_rules.h"
#include "net/porter.h"

namespace sallyport::cli {

/// By the file as it stands when another file is asked for. What was named once stays allowed: a reload with a mistake
/// changes nothing. Runs in the porter, with what `around` holds.
net::FileGate file_gate(const std::string& config_file, const SandboxSurroundings& around);

}  // namespace sallyport::cli
