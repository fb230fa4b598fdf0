#include "cli/program_gate.h"

#include "secrets/reference.h"
#include "secrets/words.h"

#include <algorithm>
#include <filesystem>

namespace sallyport::cli {

namespace {

using Words = std::vector<std::string>;

void add_once(std::vector<Words>& commands, Words words) {
  if (std::find(commands.begin(), commands.end(), words) == commands.end())
    commands.push_back(std::move(words));
}

}  // namespace

void AllowedPrograms::add(const config::Config& config) {
  for (const auto& [name, target] : config.targets) {
    for (const auto& [role_name, role] : target.roles) {
      const auto reference = secrets::parse_reference(role.auth);
      if (!reference || reference->scheme != "exec") continue;
      secrets::WordsError error;
      auto words = secrets::split_words(reference->locator, error);
      if (error.what.empty()) add_once(whole, std::move(words));
    }
  }
  for (const auto& words : config.identity.programs) add_once(beginning, words);
}

bool AllowedPrograms::allow(const Words& argv) const {
  if (std::find(whole.begin(), whole.end(), argv) != whole.end()) return true;
  return std::any_of(beginning.begin(), beginning.end(), [&](const auto& words) {
    return words.size() <= argv.size() && std::equal(words.begin(), words.end(), argv.begin());
  });
}

net::ProgramGate program_gate(const config::Config& config) {
  auto known = std::make_shared<AllowedPrograms>();
  known->add(config);
  std::error_code ignored;
  // The helper's working directory is the root.
  const auto file = std::filesystem::absolute(config.file, ignored).string();
  return [known, file](const std::vector<std::string>& argv) {
    if (known->allow(argv)) return true;
    const auto loaded = config::load(file, std::chrono::system_clock::now());
    if (!loaded) return false;
    known->add(*loaded);
    return known->allow(argv);
  };
}

}  // namespace sallyport::cli
