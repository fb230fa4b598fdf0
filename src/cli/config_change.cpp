#include "cli/config_change.h"

#include "policy/conditions.h"
#include "policy/overlap.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace sallyport::cli {

namespace {

using Texts = std::vector<std::string>;

std::string joined(const Texts& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all;
}

/// Whose certificates are believed now.
void compare_trust(const TlsPolicy& before, const TlsPolicy& after, Texts& weaker) {
  const Texts system{"system"};
  const auto& trusted = before.roots.empty() ? system : before.roots;
  for (const auto& root : after.roots.empty() ? system : after.roots) {
    if (std::find(trusted.begin(), trusted.end(), root) == trusted.end())
      weaker.push_back("roots " + root + " trusted");
  }
  if (before.server_name != after.server_name)
    weaker.push_back("server_name " + (after.server_name.empty() ? "no longer set" : after.server_name));
}

/// What one session may find of another's.
void compare_pools(const PoolSettings& before, const PoolSettings& after, Texts& weaker) {
  if (!before.shared_by_role && after.shared_by_role)
    weaker.emplace_back("connections shared by all identities of a role");
  if (before.on_session_state != after.on_session_state && after.on_session_state == OnSessionState::ignore)
    weaker.emplace_back("on_session_state ignore");
  if (after.verify_session_state < before.verify_session_state)
    weaker.emplace_back(std::string{"verify_session_state "} +
                        (after.verify_session_state == VerifySessionState::off ? "off" : "sample"));
}

void compare_databases(const Texts& before, const Texts& after, Texts& weaker) {
  if (before.empty()) return;  // any
  if (after.empty()) weaker.emplace_back("any database");
  for (const auto& name : after) {
    if (std::find(before.begin(), before.end(), name) == before.end()) weaker.push_back("database " + name);
  }
}

/// Which protections `after` has less of than `before`.
Texts what_is_weaker(const Target& before, const Target& after) {
  Texts weaker;
  const bool tls = after.tls.mode < before.tls.mode || after.tls.min_version < before.tls.min_version;
  if (tls) weaker.emplace_back("its TLS weaker than before");
  if (!before.tls.crl_file.empty() && after.tls.crl_file.empty())
    weaker.emplace_back("revocation no longer checked");
  compare_trust(before.tls, after.tls, weaker);
  compare_pools(before.pool, after.pool, weaker);
  compare_databases(before.databases, after.databases, weaker);
  for (const auto& [name, role] : after.roles) {
    const auto was = before.roles.find(name);
    for (const auto& method : role.login_methods) {
      const bool had = was != before.roles.end() && std::count(was->second.login_methods.begin(),
                                                               was->second.login_methods.end(), method) != 0;
      if (!had) weaker.push_back("login method " + method + " allowed for " + name);
    }
  }
  return weaker;
}

Texts what_is_weaker(const Route& before, const Route& after) {
  Texts weaker;
  if (!before.tls) return weaker;
  if (!after.tls) return Texts{"no TLS towards clients any more"};
  if (before.tls->required && !after.tls->required)
    weaker.emplace_back("TLS towards clients no longer required");
  if (!before.tls->clear_cancel && after.tls->clear_cancel)
    weaker.emplace_back("cancels without TLS are heard");
  if (!before.tls->client_crl_file.empty() && after.tls->client_crl_file.empty()) {
    weaker.emplace_back("revocation of client certificates no longer checked");
  }
  if (before.tls->client_ca_file != after.tls->client_ca_file && !after.tls->client_ca_file.empty()) {
    weaker.emplace_back("client certificates of " + after.tls->client_ca_file + " trusted");
  }
  return weaker;
}

/// Whom `after` lets in by a rule that `before` has not.
Texts who_is_new(const Route& before, const Route& after) {
  Texts admitted;
  for (const auto& rule : after.allow) {
    if (std::find(before.allow.begin(), before.allow.end(), rule) != before.allow.end()) continue;
    admitted.push_back("admits " + policy::describe_rule(rule) +
                       (rule.role.empty() ? "" : " as " + rule.role));
  }
  return admitted;
}

/// What `after` asks less strictly of everybody.
Texts what_is_wider(const Route& before, const Route& after) {
  Texts wider;
  if (!policy::covers(before.addresses, after.addresses)) wider.emplace_back("addresses wider");
  if (!policy::covers(before.hours, after.hours)) wider.emplace_back("hours wider");
  const auto higher = [](auto was, auto now) {
    return was != decltype(was){} && (now == decltype(now){} || now > was);
  };
  if (higher(before.connections_max, after.connections_max)) wider.emplace_back("connections_max higher");
  if (higher(before.connections_per_second_max, after.connections_per_second_max))
    wider.emplace_back("connections_per_second_max higher");
  if (higher(before.session_age_max, after.session_age_max)) wider.emplace_back("session_age_max longer");
  for (const auto& [name, verifier] : after.passwords) {
    const auto was = before.passwords.find(name);
    if (was != before.passwords.end() && !(was->second == verifier))
      wider.push_back("another password for " + name);
  }
  return wider;
}

class Comparison {
 public:
  void targets(const std::map<std::string, Target>& before, const std::map<std::string, Target>& after) {
    for (const auto& [name, target] : before) {
      const auto now = after.find(name);
      if (now == after.end()) {
        changed_.push_back("target " + name + " removed");
      } else if (!(now->second == target)) {
        say("target " + name + " changed", what_is_weaker(target, now->second));
      }
    }
    for (const auto& [name, target] : after) {
      if (!before.contains(name)) changed_.push_back("target " + name + " added");
    }
  }

  void routes(const std::vector<Route>& before, const std::vector<Route>& after) {
    const auto find = [](const std::vector<Route>& routes, const std::string& name) {
      return std::find_if(routes.begin(), routes.end(), [&](const Route& one) { return one.name == name; });
    };
    for (const auto& route : before) {
      const auto now = find(after, route.name);
      if (now == after.end()) {
        changed_.push_back("route " + route.name + " removed");
      } else if (!(*now == route)) {
        auto weaker = who_is_new(route, *now);
        for (auto& one : what_is_weaker(route, *now)) weaker.push_back(std::move(one));
        for (auto& text : what_is_wider(route, *now)) weaker.push_back(std::move(text));
        say("route " + route.name + " changed", weaker);
      }
    }
    for (const auto& route : after) {
      if (find(before, route.name) == before.end())
        say("route " + route.name + " added", who_is_new(Route{}, route));
    }
  }

  void reload_grace(std::chrono::milliseconds before, std::chrono::milliseconds after) {
    if (after > before) weaker_.emplace_back("reload.grace longer than before");
    if (after < before) changed_.emplace_back("reload.grace shorter than before");
  }

  void upgrade_drain_max(std::chrono::milliseconds before, std::chrono::milliseconds after) {
    if (before != after) changed_.emplace_back("upgrade.drain_max changed");
  }

  void clients_max(std::optional<std::size_t> before, std::optional<std::size_t> after) {
    if (before != after) changed_.emplace_back("limits.clients_max changed");
  }

  void identity(const config::Identity& before, const config::Identity& after) {
    const auto more = [](const auto& old, const auto& now) {
      return std::any_of(now.begin(), now.end(), [&](const auto& one) {
        return std::find(old.begin(), old.end(), one) == old.end();
      });
    };
    if (more(before.programs, after.programs)) weaker_.emplace_back("identity.programs allows more");
    if (more(before.files, after.files)) weaker_.emplace_back("identity.files allows more");
    if (more(after.programs, before.programs) || more(after.files, before.files))
      changed_.emplace_back("identity allows less");
  }

  void restart(const std::string& what) {
    if (!what.empty()) weaker_.push_back(what + " changed: needs a restart");
  }

  [[nodiscard]] std::string text() const {
    Texts all = weaker_;
    std::copy(changed_.begin(), changed_.end(), std::back_inserter(all));
    return all.empty() ? "nothing" : joined(all);
  }

 private:
  void say(std::string what, const Texts& weaker) {
    if (weaker.empty()) return changed_.push_back(std::move(what));
    weaker_.push_back(std::move(what) + ", " + joined(weaker));
  }

  Texts weaker_;
  Texts changed_;
};

}  // namespace

std::string what_needs_restart(const config::Config& before, const config::Config& after) {
  Texts keys;
  if (after.audit.mode != before.audit.mode) keys.emplace_back("audit.mode");
  if (after.audit.directory != before.audit.directory) keys.emplace_back("audit.dir");
  if (after.audit.durability_power != before.audit.durability_power) keys.emplace_back("audit.durability");
  if (!(after.admin == before.admin)) keys.emplace_back("admin");
  if (after.state_directory != before.state_directory) keys.emplace_back("state");
  if (after.sandbox != before.sandbox) keys.emplace_back("sandbox");
  return joined(keys);
}

std::string what_changes(const config::Config& before, const config::Config& after) {
  Comparison comparison;
  comparison.targets(before.targets, after.targets);
  comparison.routes(before.routes, after.routes);
  comparison.reload_grace(before.reload_grace, after.reload_grace);
  comparison.upgrade_drain_max(before.upgrade_drain_max, after.upgrade_drain_max);
  comparison.clients_max(before.clients_max, after.clients_max);
  comparison.identity(before.identity, after.identity);
  comparison.restart(what_needs_restart(before, after));
  return comparison.text();
}

}  // namespace sallyport::cli
