// Which programs the helper of a confined broker runs: those that the configuration names in `exec:` references, and no
// others, whoever asks.
#pragma once

#include "config/config.h"
#include "net/helper.h"

namespace sallyport::cli {

/// Programs of `config`, and of its file as it stands when another one is asked for: a reload may have added it. What was
/// named once stays allowed. Runs in the helper.
net::ProgramGate program_gate(const config::Config& config);

/// The words of all `exec:` references.
std::vector<std::vector<std::string>> programs_of(const config::Config& config);

}  // namespace sallyport::cli
