#include "cli/file_gate.h"

#include <filesystem>

namespace sallyport::cli {

net::FileGate file_gate(const std::string& config_file, const SandboxSurroundings& around) {
  auto known = std::make_shared<std::vector<net::FileRule>>();
  std::error_code ignored;
  // The porter's working directory is the root.
  const auto file = std::filesystem::absolute(config_file, ignored).string();
  return [known, around, file](const std::string& path) {
    const auto allowed = [&] { return beyond_sandbox(*known, {{path, net::FileUse::read}}).empty(); };
    if (allowed()) return true;
    const auto loaded = config::load(file, std::chrono::system_clock::now());
    if (!loaded) return false;
    for (auto& rule : sandbox_rules(*loaded, secrets::register_all(), around)) {
      if (!beyond_sandbox(*known, {rule}).empty()) known->push_back(std::move(rule));
    }
    return allowed();
  };
}

}  // namespace sallyport::cli
