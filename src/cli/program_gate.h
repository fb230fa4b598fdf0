// Which programs the helper of a confined broker runs: those that the configuration names in `exec:` references and in
// `identity.programs`, and no others, whoever asks.
#pragma once

#include "config/config.h"
#include "net/helper.h"

namespace sallyport::cli {

/// Programs of `config`, and of its file as it stands when another one is asked for: a reload may have added it. What was
/// named once stays allowed. Runs in the helper.
net::ProgramGate program_gate(const config::Config& config);

/// Which commands a configuration allows.
struct AllowedPrograms {
  std::vector<std::vector<std::string>> whole;      ///< of `exec:` references: these words and no more
  std::vector<std::vector<std::string>> beginning;  ///< of `identity.programs`: more words may follow

  void add(const config::Config& config);
  [[nodiscard]] bool allow(const std::vector<std::string>& argv) const;
};

}  // namespace sallyport::cli
