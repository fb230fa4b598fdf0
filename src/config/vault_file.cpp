// From the file's tree to what is wanted of Vault. What the configuration (-c) knows fills what the file leaves open.
#include "config/vault_file.h"

#include "config/opening.h"
#include "config/reference_check.h"
#include "config/values.h"
#include "config/vault_target.h"
#include "secrets/reference.h"
#include "secrets/vault/engine/statements.h"
#include "secrets/vault/options.h"

#include <algorithm>

namespace sallyport::config {
namespace {

namespace engine = secrets::vault::engine;
using Parsed = boost::system::result<VaultFile, std::vector<Error>>;

std::vector<std::string> texts_of(const Node& map, std::string_view key) {
  std::vector<std::string> out;
  for (const Node* node : scalars_of(map, key)) out.push_back(node->text);
  return out;
}

std::optional<std::int64_t> seconds_of(const Node& map, std::string_view key) {
  const auto milliseconds = parse_duration(text_of(map, key));
  if (!milliseconds) return std::nullopt;
  return *milliseconds / second_ms;
}

class VaultReader {
 public:
  VaultReader(const Node& root, const Surroundings& around, const Config* config, Problems& problems)
      : root_(root), around_(around), config_(config), problems_(problems) {}

  VaultFile read() {
    read_vault();
    for_each("connections", [this](const Entry& entry) { read_connection(entry); });
    for_each("roles", [this](const Entry& entry) { read_role(entry); });
    for_each("static_roles", [this](const Entry& entry) { read_static_role(entry); });
    if (config_ != nullptr) add_target_roles(*config_, out_);
    check_roles_of_targets();
    complete();
    return std::move(out_);
  }

 private:
  template <class Read>
  void for_each(std::string_view key, Read read) {
    const Node* map = good(root_, key);
    if (map == nullptr) return;
    for (const Entry& entry : map->entries) {
      if (!entry.value->wrong && entry.value->type == Node::Type::map) read(entry);
    }
  }

  /// The source's own checks, of the reference that says the same.
  void read_vault() {
    static const Node none;
    const Node* node = good(root_, "vault");
    const Node& map = node == nullptr ? none : *node;
    secrets::Reference reference{"vault", text_of(map, "mount", "database"), {}, {}};
    while (reference.locator.ends_with('/')) reference.locator.pop_back();
    for (const auto& [key, attribute] :
         {std::pair{"address", "addr"}, std::pair{"namespace", "namespace"},
          std::pair{"token_file", "token_file"}, std::pair{"role_id_file", "role_id_file"},
          std::pair{"secret_id_file", "secret_id_file"}, std::pair{"auth_mount", "mount"},
          std::pair{"insecure_reason", "insecure_reason"}}) {
      const Node* value = good(map, key);
      if (value == nullptr) continue;
      reference.attributes[attribute] = std::string{strip_file_scheme(value->text)};
      const secrets::Reference alone{"vault", "database", {}, {{attribute, reference.attributes[attribute]}}};
      if (auto checked = secrets::vault::parse_options(alone); !checked)
        problems_.add(*value, "`" + std::string{key} + "`: " + checked.error().what, checked.error().hint);
    }
    if (!secrets::vault::is_plain_path(reference.locator)) {
      problems_.add(*good(map, "mount"), "`mount` is no path of Vault", "Write `mount: database`.");
      return;
    }
    if (const auto checked = secrets::vault::parse_options(reference); !checked && node != nullptr)
      problems_.add(*node, "`vault`: " + checked.error().what, checked.error().hint);
    if (reference.attributes.contains("insecure_reason"))
      problems_.warn(good(map, "insecure_reason")->at,
                     "Vault is asked over plain http. Remove it as soon as you can");
    out_.reference = secrets::to_string(reference);
    out_.wanted.mount = reference.locator;
  }

  void read_connection(const Entry& entry) {
    const Node& node = *entry.value;
    engine::Connection out;
    out.name = entry.key;
    const bool mysql = text_of(node, "engine", "postgresql") != "postgresql";
    out.database = mysql ? engine::Database::mysql : engine::Database::postgresql;
    out.plugin = text_of(node, "plugin", mysql ? "mysql-database-plugin" : "postgresql-database-plugin");
    out.username = text_of(node, "username");
    out.auth = text_of(node, "auth");
    out.allowed_roles = texts_of(node, "allowed_roles");
    out.verify = text_of(node, "verify") != "false";
    out.password_authentication = text_of(node, "password_authentication", mysql ? "" : "scram-sha-256");
    out.username_template = text_of(node, "username_template");
    out.open_connections_max = parse_integer(text_of(node, "max_open_connections"));
    out.idle_connections_max = parse_integer(text_of(node, "max_idle_connections"));
    out.connection_seconds_max = seconds_of(node, "max_connection_lifetime");
    check_auth(node);
    read_url(entry, out);
    if (mysql && good(node, "password_authentication") != nullptr)
      problems_.add(*good(node, "password_authentication"), "`password_authentication` is for PostgreSQL",
                    "Remove it.");
    out_.wanted.connections.emplace(out.name, std::move(out));
  }

  void check_auth(const Node& node) {
    const Node* auth = good(node, "auth");
    if (auth == nullptr) return;
    if (is_dynamic_credential(auth->text)) {
      problems_.add(*auth, "`auth` is a credential that ends with its lease, and Vault keeps this one",
                    "Name a stored secret: `file:/run/secrets/NAME`, `vault:secret/PATH#password`.");
      return;
    }
    const auto reference = secrets::parse_reference(auth->text);
    if (!around_.check_file || !reference || reference->scheme != "exec") return;
    check_named_file(reference->locator.substr(0, reference->locator.find(' ')), *auth, around_, problems_);
  }

  void read_url(const Entry& entry, engine::Connection& out) {
    const Node* node = good(*entry.value, "connection_url");
    if (node != nullptr) {
      auto url = templated_url(node->text, out.database);
      if (url)
        out.connection_url = std::move(*url);
      else
        problems_.add(*node, url.error().what, url.error().hint);
      return;
    }
    if (entry.value->find("connection_url") != nullptr) return;  // reported
    const auto target = config_ == nullptr ? std::map<std::string, Target>::const_iterator{}
                                           : config_->targets.find(entry.key);
    if (config_ == nullptr || target == config_->targets.end()) {
      problems_.add(entry.at, "`connection_url` is missing in `connections." + entry.key + "`",
                    config_ == nullptr ? "Add it, or name the configuration that has this target: -c FILE."
                                       : "Add it: the configuration has no target of this name.");
      return;
    }
    auto url = url_of_target(target->second);
    if (url)
      out.connection_url = std::move(*url);
    else
      problems_.add(entry.at, url.error().what, url.error().hint);
  }

  /// The connection that `connection` names, or the only one; null after a report.
  const engine::Connection* connection_of(const Entry& entry) {
    const auto& known = out_.wanted.connections;
    const Node* node = good(*entry.value, "connection");
    if (node == nullptr) {
      if (known.size() == 1) return &known.begin()->second;
      if (!known.empty() && entry.value->find("connection") == nullptr)
        problems_.add(entry.at, "`connection` is missing, and there are several",
                      "Write `connection: NAME`.");
      return nullptr;
    }
    const auto found = known.find(node->text);
    if (found != known.end()) return &found->second;
    std::vector<std::string> names;
    for (const auto& [name, connection] : known) names.push_back(name);
    const auto near = nearest(node->text, names);
    problems_.add(
        *node, "there is no connection " + in_backquotes(node->text),
        near.empty() ? "Connections: " + join_choices(names) + "." : "Did you mean `" + near + "`?");
    return nullptr;
  }

  void read_role(const Entry& entry) {
    const Node& node = *entry.value;
    engine::DynamicRole out;
    out.name = entry.key;
    const auto grants = text_of(node, "grants");
    out.grants = grants == "read"    ? engine::Grants::read
                 : grants == "write" ? engine::Grants::write
                 : grants == "owner" ? engine::Grants::owner
                                     : engine::Grants::none;
    out.owner = text_of(node, "owner");
    out.schemas = texts_of(node, "schemas");
    out.databases = texts_of(node, "database");
    out.member_of = texts_of(node, "member_of");
    out.creation = texts_of(node, "creation_statements");
    out.revocation = texts_of(node, "revocation_statements");
    out.renew = texts_of(node, "renew_statements");
    out.rollback = texts_of(node, "rollback_statements");
    out.default_seconds = seconds_of(node, "default_ttl").value_or(out.default_seconds);
    out.seconds_max = seconds_of(node, "max_ttl").value_or(std::max(out.seconds_max, out.default_seconds));
    if (out.seconds_max > 0 && out.default_seconds > out.seconds_max)
      problems_.add(*good(node, "max_ttl"), "`max_ttl` is shorter than `default_ttl`",
                    "Make it the longer one.");
    const auto* connection = connection_of(entry);
    if (connection != nullptr) {
      out.connection = connection->name;
      if (config_ != nullptr && out.owner.empty())
        out.owner = owner_of_role(*config_, out_.wanted.mount, out.name);
      check_role(entry, out, connection->database);
    }
    out_.wanted.roles.emplace(out.name, std::move(out));
  }

  void check_role(const Entry& entry, engine::DynamicRole& role, engine::Database database) {
    const Node& node = *entry.value;
    for (const auto* key : {"owner", "schemas", "database", "member_of"}) {
      for (const Node* name : scalars_of(node, key)) {
        if (!engine::is_sql_name(name->text))
          problems_.add(*name, in_backquotes(name->text) + " is no name that can stand in a statement",
                        "Use letters, digits, `_`, `-`, `.` and `$`, or write `creation_statements`.");
      }
      const bool for_mysql = std::string_view{key} == "database";
      const Entry* entry_of = node.find(key);
      if (entry_of != nullptr && for_mysql != (database == engine::Database::mysql))
        problems_.add(entry_of->at,
                      "`" + std::string{key} + "` is for " + (for_mysql ? "MySQL" : "PostgreSQL"),
                      for_mysql ? "The database is that of `connection_url`." : "Write `database`.");
    }
    for (const auto* key :
         {"creation_statements", "revocation_statements", "renew_statements", "rollback_statements"})
      check_statements(node, key);
    check_ways(entry, role, database);
    if (role.schemas.empty()) role.schemas = {"public"};
  }

  void check_statements(const Node& node, std::string_view key) {
    for (const Node* statement : scalars_of(node, key)) {
      if (engine::sets_literal_password(statement->text))
        problems_.add(*statement, "a password stands in this statement (not shown)", "Write '{{password}}'.");
    }
  }

  /// One way to say what the users may do.
  void check_ways(const Entry& entry, const engine::DynamicRole& role, engine::Database database) {
    const bool grants = role.grants != engine::Grants::none;
    const bool statements = !role.creation.empty();
    const auto reported = [&](std::string_view key) {
      const Entry* found = entry.value->find(key);
      return found != nullptr && found->value->wrong;
    };
    if (statements && (grants || !role.member_of.empty())) {
      problems_.add(entry.at, "`creation_statements` stand beside `grants` or `member_of`",
                    "Keep one of them.");
    } else if (!statements && !grants && role.member_of.empty()) {
      if (reported("grants") || reported("creation_statements") || reported("member_of")) return;
      problems_.add(entry.at, "nothing says what users of `roles." + entry.key + "` may do",
                    "Write `grants: read`, `write` or `owner`, or `member_of`, or `creation_statements`.");
    } else if (grants && database == engine::Database::postgresql && role.owner.empty() &&
               !reported("owner")) {
      problems_.add(entry.at, "`owner` is missing in `roles." + entry.key + "`",
                    "Write the role that owns the tables: `owner: app_owner`.");
    } else if (grants && database == engine::Database::mysql && role.databases.empty() &&
               !reported("database")) {
      problems_.add(entry.at, "`database` is missing in `roles." + entry.key + "`", "Write `database: app`.");
    }
  }

  void read_static_role(const Entry& entry) {
    const Node& node = *entry.value;
    engine::StaticRole out;
    out.name = entry.key;
    out.username = text_of(node, "username");
    out.rotation_seconds = seconds_of(node, "rotation_period").value_or(out.rotation_seconds);
    out.rotation = texts_of(node, "rotation_statements");
    check_statements(node, "rotation_statements");
    if (const auto* connection = connection_of(entry)) out.connection = connection->name;
    if (out_.wanted.roles.contains(out.name))
      problems_.add(entry.at, "`" + entry.key + "` is also one of `roles`", "Give one of them another name.");
    out_.wanted.static_roles.emplace(out.name, std::move(out));
  }

  void check_roles_of_targets() {
    const Entry* connections = root_.find("connections");
    for (const auto& text : out_.other_roles)
      problems_.warn(connections == nullptr ? Position{} : connections->at, text);
  }

  void complete() {
    auto& wanted = out_.wanted;
    if (!problems_.empty()) return;
    for (auto& [name, role] : wanted.roles)
      engine::complete_statements(role, wanted.connections.at(role.connection).database);
    for (auto& [name, connection] : wanted.connections) {
      if (!connection.allowed_roles.empty()) continue;
      for (const auto& [role_name, role] : wanted.roles)
        if (role.connection == name) connection.allowed_roles.push_back(role_name);
      for (const auto& [role_name, role] : wanted.static_roles)
        if (role.connection == name) connection.allowed_roles.push_back(role_name);
    }
  }

  const Node& root_;
  const Surroundings& around_;
  const Config* config_;
  Problems& problems_;
  VaultFile out_;
};

}  // namespace

Parsed parse_vault_file(std::string_view yaml, std::string_view file, const Surroundings& around,
                        const Config* config) {
  Problems problems(file);
  const Tree tree = open_tree(yaml, problems, vault_keys(),
                              "Write `version: 1`, `connections:` and `roles:`; see docs/vault-setup.md.");
  if (tree.root == nullptr) return problems.take_errors();
  auto out = VaultReader{*tree.root, around, config, problems}.read();
  if (!problems.empty()) return problems.take_errors();
  out.warnings = problems.take_warnings();
  return out;
}

Parsed load_vault_file(const std::string& file, WallTime now, const Config* config) {
  auto content = content_of(file, nullptr);
  if (!content) return std::vector<Error>{content.error()};
  return parse_vault_file(*content, file, surroundings(now, nullptr), config);
}

}  // namespace sallyport::config
