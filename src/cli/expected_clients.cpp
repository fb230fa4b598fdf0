#include "cli/expected_clients.h"

#include "policy/conditions.h"
#include "policy/known_identities.h"

#include <algorithm>

namespace sallyport::cli {

namespace {

bool is_open(const std::vector<policy::Hours>& hours, WallTime now) {
  return hours.empty() ||
         std::ranges::any_of(hours, [&](const policy::Hours& one) { return one.contains(now); });
}

/// As decide() has it for who asks for none.
std::string first_database(const AllowRule& rule, const Target& target) {
  if (!rule.databases.empty()) return rule.databases.front();
  return target.databases.empty() ? std::string{} : target.databases.front();
}

}  // namespace

std::map<std::pair<std::string, std::string>, std::vector<broker::ExpectedClient>> expected_clients(
    const config::Config& config, WallTime now) {
  std::map<std::pair<std::string, std::string>, std::vector<broker::ExpectedClient>> all;
  for (const auto& route : config.routes) {
    const auto target = config.targets.find(route.target);
    if (target == config.targets.end() || !is_open(route.hours, now)) continue;
    for (const auto& rule : route.allow) {
      const auto role = policy::role_of(rule, target->second);
      if (role.empty() || !is_open(rule.hours, now)) continue;
      const bool shared = target->second.pool.shared_by_role;
      for (auto& identity : shared ? std::vector<std::string>{"anybody"} : policy::known_identities(rule)) {
        auto& of_role = all[{route.target, role}];
        broker::ExpectedClient client{std::move(identity), first_database(rule, target->second)};
        if (std::ranges::find(of_role, client) == of_role.end()) of_role.push_back(std::move(client));
      }
    }
  }
  return all;
}

}  // namespace sallyport::cli
