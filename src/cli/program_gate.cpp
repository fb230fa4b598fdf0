#include "cli/program_gate.h"

#include "secrets/reference.h"
#include "secrets/words.h"

#include <algorithm>
#include <filesystem>

namespace sallyport::cli {

std::vector<std::vector<std::string>> programs_of(const config::Config& config) {
  std::vector<std::vector<std::string>> programs;
  for (const auto& [name, target] : config.targets) {
    for (const auto& [role_name, role] : target.roles) {
      const auto reference = secrets::parse_reference(role.auth);
      if (!reference || reference->scheme != "exec") continue;
      secrets::WordsError error;
      auto words = secrets::split_words(reference->locator, error);
      if (error.what.empty()) programs.push_back(std::move(words));
    }
  }
  return programs;
}

net::ProgramGate program_gate(const config::Config& config) {
  auto known = std::make_shared<std::vector<std::vector<std::string>>>(programs_of(config));
  std::error_code ignored;
  // The helper's working directory is the root.
  const auto file = std::filesystem::absolute(config.file, ignored).string();
  return [known, file](const std::vector<std::string>& argv) {
    if (std::find(known->begin(), known->end(), argv) != known->end()) return true;
    const auto loaded = config::load(file, std::chrono::system_clock::now());
    if (!loaded) return false;
    for (auto& program : programs_of(*loaded)) known->push_back(std::move(program));
    return std::find(known->begin(), known->end(), argv) != known->end();
  };
}

}  // namespace sallyport::cli
