// targets.NAME
#include "config/literal_secret.h"
#include "config/reader.h"
#include "config/reference_check.h"
#include "config/values.h"
#include "secrets/reference.h"

#include <algorithm>
#include <array>

namespace sallyport::config {
namespace {

constexpr auto role_keys =
    std::to_array<std::string_view>({"auth", "user", "run_as", "login_methods", "login_reason"});

class TargetReader {
 public:
  TargetReader(const Entry& entry, const Surroundings& around, Problems& problems)
      : node_(*entry.value), at_(entry.at), around_(around), problems_(problems) {}

  Target read(const std::string& name) {
    target_.name = name;
    read_hosts(node_, target_, problems_);
    read_databases();
    read_roles();
    if (const Node* tls = good(node_, "tls")) target_.tls = read_tls(*tls, around_, problems_);
    warn_private_name();
    if (const Node* pool = good(node_, "pool")) read_pool(*pool);
    return std::move(target_);
  }

 private:
  void read_databases() {
    const Node* node = good(node_, "database");
    if (node == nullptr) return;
    const auto names = scalars_of(node_, "database");
    if (node->type == Node::Type::list && node->items.empty()) {
      problems_.add(*node, "`database` is an empty list", "Name at least one, or write \"*\" for any.");
    }
    for (const Node* name : names) {
      constexpr std::size_t database_bytes_max = 63;  // NAMEDATALEN - 1
      if (name->text == "*" && node->type == Node::Type::list) {
        problems_.add(*name, "\"*\" stands in a list of databases",
                      "Write `database: \"*\"` alone, or names only.");
      } else if (name->text == "*") {
        problems_.warn(
            name->at,
            "database \"*\": sessions reach every database of the server that the role may "
            "connect to, postgres and templates too. Name the databases that the application uses");
      } else if (name->text.size() > database_bytes_max) {
        problems_.add(*name, "a database name is longer than 63 bytes", "PostgreSQL would cut it.");
      } else if (std::ranges::find(target_.databases, name->text) != target_.databases.end()) {
        problems_.add(*name, "the database " + in_backquotes(name->text) + " stands twice",
                      "Keep one of them.");
      } else {
        target_.databases.push_back(name->text);
      }
    }
  }

  void read_roles() {
    const Entry* roles = node_.find("roles");
    const Entry* auth = node_.find("auth");
    if (roles == nullptr && auth == nullptr) {
      if (mistyped_auth()) return;
      problems_.add(at_, "neither `auth` nor `roles` says where the credential comes from",
                    "Add e.g. `auth: vault:database/creds/ROLE`.");
      return;
    }
    if (roles == nullptr) {
      read_role("default", node_, auth->at);
      return;
    }
    for (const auto key : role_keys) {
      const Entry* entry = node_.find(key);
      if (entry == nullptr) continue;
      problems_.add(entry->at, "`" + std::string{key} + "` stands beside `roles`",
                    "Move it into the role that it is for.");
    }
    const Node* map = good(node_, "roles");
    if (map == nullptr) return;
    if (map->entries.empty())
      problems_.add(*map, "`roles` is empty", "Add one, e.g. `app: vault:database/creds/app`.");
    for (const Entry& entry : map->entries) {
      if (entry.value->type == Node::Type::map) {
        read_role(entry.key, *entry.value, entry.at);
      } else {
        Node shorthand;
        shorthand.type = Node::Type::map;
        shorthand.entries.push_back({entry.value->at, "auth", entry.value});
        read_role(entry.key, shorthand, entry.value->at);
      }
    }
  }

  /// A mistyped or forbidden key (`password: …`) was reported with what to write instead.
  [[nodiscard]] bool mistyped_auth() const {
    return std::ranges::any_of(node_.entries, [](const Entry& entry) {
      return is_secret_key(entry.key) || !nearest(entry.key, {"auth", "roles"}).empty();
    });
  }

  void read_role(const std::string& name, const Node& node, Position at) {
    Role role;
    role.name = name;
    role.auth = text_of(node, "auth");
    role.user = text_of(node, "user");
    role.run_as = text_of(node, "run_as");
    for (const Node* method : scalars_of(node, "login_methods")) role.login_methods.push_back(method->text);
    role.login_reason = text_of(node, "login_reason");
    check_login_methods(role, node);
    check_program(role, node);
    if (role.run_as.empty() && node.find("run_as") == nullptr && is_dynamic_credential(role.auth)) {
      problems_.warn(at, "role " + name +
                             " has no `run_as`: what sessions create will belong to a user that is "
                             "dropped with its lease. Write `run_as: OWNER` if they create anything");
    }
    target_.roles.emplace(name, std::move(role));
  }

  void check_login_methods(const Role& role, const Node& node) {
    const Entry* methods = node.find("login_methods");
    const Entry* reason = node.find("login_reason");
    if (methods != nullptr && reason == nullptr) {
      problems_.add(methods->at, "`login_methods` without `login_reason`",
                    "Say why SCRAM cannot be used: each other method shows the server more of the password.");
    } else if (methods == nullptr && reason != nullptr) {
      problems_.add(reason->at, "`login_reason` without `login_methods`", "Remove it.");
    } else if (methods != nullptr && !role.login_methods.empty()) {
      std::string list;
      for (const auto& method : role.login_methods) list += (list.empty() ? "" : ", ") + method;
      problems_.warn(methods->at, "role " + role.name + " may log in by " + list +
                                      ", which shows the server more of the password than SCRAM (reason: " +
                                      in_backquotes(role.login_reason) + ")");
    }
  }

  /// Who can write the program of an `exec:` reference is whom we run.
  void check_program(const Role& role, const Node& node) {
    const Node* auth = good(node, "auth");
    if (!around_.check_file || auth == nullptr || !role.auth.starts_with("exec:")) return;
    const auto reference = secrets::parse_reference(role.auth);
    if (!reference) return;
    check_named_file(reference->locator.substr(0, reference->locator.find(' ')), *auth, around_, problems_);
  }

  void warn_private_name() {
    const TlsPolicy& policy = target_.tls;
    const auto remote = std::ranges::find_if(
        target_.endpoints, [](const Endpoint& endpoint) { return !endpoint.host.starts_with('/'); });
    if (remote == target_.endpoints.end()) {
      if (const Entry* tls = node_.find("tls"); tls != nullptr && !target_.endpoints.empty()) {
        problems_.warn(tls->at, "`tls` has no effect on a Unix socket. Remove it, or give a host name");
      }
      return;
    }
    std::string name = policy.server_name.empty() ? remote->host : policy.server_name;
    for (const auto& endpoint : target_.endpoints) {
      const bool local = endpoint.host.starts_with('/');
      if (policy.server_name.empty() && !local && looks_private(endpoint.host)) name = endpoint.host;
    }
    const bool system =
        policy.roots.empty() || std::ranges::find(policy.roots, "system") != policy.roots.end();
    const bool checked = policy.mode == TlsMode::verify_full || policy.mode == TlsMode::verify_ca;
    if (!system || !checked || !looks_private(name)) return;
    const Node* tls = good(node_, "tls");
    const Entry* roots = tls == nullptr ? nullptr : tls->find("roots");
    if (roots != nullptr && roots->value->wrong) return;
    const Position at = roots != nullptr ? roots->value->at : node_.find("host")->value->at;
    problems_.warn(at, "no public authority vouches for the private name " + in_backquotes(name) +
                           ", yet every one in the system's store would be believed. Write `tls: {roots: "
                           "/PATH/ca.pem}` with your own authority");
  }

  void read_pool(const Node& pool) {
    PoolSettings& settings = target_.pool;
    const auto count = [&](std::string_view key, std::size_t fallback) {
      return static_cast<std::size_t>(
          parse_integer(text_of(pool, key)).value_or(static_cast<std::int64_t>(fallback)));
    };
    const auto time = [&](std::string_view key, Duration fallback) {
      const auto value = parse_duration(text_of(pool, key));
      return value ? Duration{std::chrono::milliseconds{*value}} : fallback;
    };
    read_pool_mode(pool, settings);
    settings.min_ready = count("min_ready", settings.min_ready);
    settings.max = count("max", settings.max);
    settings.idle_max = time("idle_max", settings.idle_max);
    settings.lifetime_max = time("lifetime_max", settings.lifetime_max);
    settings.wait_max = time("wait_max", settings.wait_max);
    settings.statements_max = count("statements_max", settings.statements_max);
    if (settings.min_ready <= settings.max) return;
    const Node* min_ready = good(pool, "min_ready");
    problems_.add(min_ready != nullptr ? min_ready->at : pool.at,
                  "`min_ready` " + std::to_string(settings.min_ready) + " is more than `max` " +
                      std::to_string(settings.max),
                  "Lower the one or raise the other.");
  }

  void read_pool_mode(const Node& pool, PoolSettings& settings) {
    const auto is = [&](std::string_view key, std::string_view value) { return text_of(pool, key) == value; };
    if (is("mode", "transaction")) settings.mode = PoolMode::transaction;
    if (is("on_session_state", "refuse")) settings.on_session_state = OnSessionState::refuse;
    if (is("on_session_state", "ignore")) settings.on_session_state = OnSessionState::ignore;
    if (is("verify_session_state", "sample")) settings.verify_session_state = VerifySessionState::sample;
    if (is("verify_session_state", "always")) settings.verify_session_state = VerifySessionState::always;
    settings.shared_by_role = is("share", "role");
    settings.share_reason = text_of(pool, "share_reason");
    if (const Node* share = good(pool, "share"); settings.shared_by_role && settings.share_reason.empty()) {
      problems_.add(share->at, "`share: role` needs `share_reason`",
                    "Say why sessions of different identities may find what another one left.");
    } else if (settings.shared_by_role) {
      problems_.warn(share->at,
                     "server connections are shared by all identities of a role: " + settings.share_reason);
    }
    const Node* ignored = good(pool, "on_session_state");
    if (settings.shared_by_role && settings.on_session_state == OnSessionState::ignore) {
      problems_.add(ignored->at,
                    "`on_session_state: ignore` and `share: role` together let one identity leave "
                    "state for another",
                    "Write `pin` or `refuse`, or `share: identity`.");
    }
  }

  const Node& node_;
  Position at_;
  const Surroundings& around_;
  Problems& problems_;
  Target target_;
};

}  // namespace

Target read_target(const Entry& entry, const Surroundings& around, Problems& problems) {
  return TargetReader{entry, around, problems}.read(entry.key);
}

}  // namespace sallyport::config
