#include "config/vault_target.h"

#include "dsn/percent.h"
#include "policy/hosts.h"
#include "secrets/reference.h"
#include "secrets/vault/engine/statements.h"

#include <algorithm>

namespace sallyport::config {
namespace {

namespace engine = secrets::vault::engine;

constexpr std::string_view templates = "{{username}}:{{password}}@";

Error wrong_url(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::config, "connection_url", std::move(what), std::move(hint), {}};
}

/// Calls `found` with (target, role, "creds" or "static-creds", name) for each role of Vault's engine at `mount`.
template <class Found>
void for_each_vault_role(const Config& config, const std::string& mount, Found found) {
  for (const auto& [target_name, target] : config.targets) {
    for (const auto& [role_name, role] : target.roles) {
      const auto reference = secrets::parse_reference(role.auth);
      if (!reference || reference->scheme != "vault") continue;
      for (const auto* folder : {"creds", "static-creds"}) {
        const auto prefix = mount + "/" + folder + "/";
        if (reference->locator.starts_with(prefix))
          found(target, role, std::string_view{folder}, reference->locator.substr(prefix.size()));
      }
    }
  }
}

}  // namespace

Result<std::string> templated_url(const std::string& text, engine::Database database) {
  const bool postgresql = database == engine::Database::postgresql;
  const std::string_view scheme = postgresql ? "postgresql://" : "";
  std::string_view rest = text;
  if (postgresql && rest.starts_with("postgres://"))
    rest.remove_prefix(11);
  else if (postgresql && rest.starts_with(scheme))
    rest.remove_prefix(scheme.size());
  else if (postgresql)
    return wrong_url("`connection_url` does not begin with postgresql://",
                     "Write `postgresql://db.example.com:5432/app?sslmode=verify-full`.");
  if (rest.starts_with(templates)) rest.remove_prefix(templates.size());
  // A password may hold an @ and be mistaken for a host's; so none may stand anywhere.
  if (rest.find('@') != std::string_view::npos) {
    return wrong_url("`connection_url` names a user or a password (not shown)",
                     "Leave them out: Vault puts in `username` and the password that `auth` leads to.");
  }
  if (!postgresql && !rest.starts_with("tcp(") && !rest.starts_with("unix(")) {
    return wrong_url("`connection_url` is not of the form tcp(HOST:PORT)/",
                     "Write `tcp(db.example.com:3306)/?tls=true`.");
  }
  if (postgresql && (rest.empty() || rest.starts_with('/') || rest.starts_with('?')))
    return wrong_url("`connection_url` names no host",
                     "Write `postgresql://db.example.com:5432/app?sslmode=verify-full`.");
  return std::string{scheme} + std::string{templates} + std::string{rest};
}

Result<std::string> url_of_target(const Target& target) {
  std::string hosts;
  for (const auto& endpoint : target.endpoints) {
    if (endpoint.host.starts_with('/')) {
      return wrong_url("target " + target.name + " is reached by a Unix socket, which Vault need not have",
                       "Write `connection_url`.");
    }
    hosts += (hosts.empty() ? "" : ",") + to_string(endpoint);
  }
  if (hosts.empty()) return wrong_url("target " + target.name + " names no host", "Write `connection_url`.");
  const auto database = target.databases.empty() ? "postgres" : target.databases.front();
  auto url = "postgresql://" + std::string{templates} + hosts + "/" + dsn::percent_encode(database, "") +
             "?sslmode=" + std::string{name_of(target.tls.mode)};
  if (target.endpoints.size() > 1) url += "&target_session_attrs=read-write";
  return url;
}

std::string owner_of_role(const Config& config, const std::string& mount, const std::string& name) {
  std::string out;
  for_each_vault_role(config, mount,
                      [&](const Target&, const Role& role, std::string_view folder, std::string_view found) {
                        if (folder == "creds" && found == name && out.empty()) out = role.run_as;
                      });
  return out;
}

void add_target_roles(const Config& config, VaultFile& file) {
  auto& wanted = file.wanted;
  for_each_vault_role(config, wanted.mount,
                      [&](const Target& target, const Role& role, std::string_view folder, std::string name) {
                        const bool fixed = folder == "static-creds";
                        if (fixed ? wanted.static_roles.contains(name) : wanted.roles.contains(name)) return;
                        const bool known = wanted.connections.contains(target.name);
                        if (!fixed && known && !role.run_as.empty() && engine::is_sql_name(role.run_as)) {
                          engine::DynamicRole added;
                          added.name = name;
                          added.connection = target.name;
                          added.grants = engine::Grants::owner;
                          added.owner = role.run_as;
                          wanted.roles.emplace(std::move(name), std::move(added));
                          return;
                        }
                        file.other_roles.push_back("targets." + target.name + " has " + wanted.mount + "/" +
                                                   std::string{folder} + "/" + name +
                                                   ", which this file does not set up. Add `" +
                                                   (fixed ? "static_roles." : "roles.") + name + "`");
                      });
}

}  // namespace sallyport::config
