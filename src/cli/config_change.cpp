#include "cli/config_change.h"

#include <algorithm>

namespace sallyport::cli {

std::string what_changes(const config::Config& before, const config::Config& after) {
  std::string text;
  const auto say = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  for (const auto& [name, target] : before.targets) {
    const auto now = after.targets.find(name);
    if (now == after.targets.end()) {
      say("target " + name + " removed");
    } else if (!(now->second == target)) {
      const bool weaker = now->second.tls.mode < target.tls.mode;
      say("target " + name + (weaker ? " changed, its TLS weaker than before" : " changed"));
    }
  }
  for (const auto& [name, target] : after.targets) {
    if (!before.targets.contains(name)) say("target " + name + " added");
  }
  const auto find = [](const config::Config& config, const std::string& name) {
    return std::find_if(config.routes.begin(), config.routes.end(),
                        [&](const Route& one) { return one.name == name; });
  };
  for (const auto& route : before.routes) {
    const auto now = find(after, route.name);
    if (now == after.routes.end()) {
      say("route " + route.name + " removed");
    } else if (!(*now == route)) {
      say("route " + route.name + " changed");
    }
  }
  for (const auto& route : after.routes) {
    if (find(before, route.name) == before.routes.end()) say("route " + route.name + " added");
  }
  return text.empty() ? "nothing" : text;
}

}  // namespace sallyport::cli
