#include "config/vault_roles.h"

#include "config/keys.h"
#include "config/values.h"
#include "config/vault_target.h"
#include "secrets/vault/engine/statements.h"

#include <algorithm>

namespace sallyport::config {
namespace {

namespace engine = secrets::vault::engine;

class RoleReader {
 public:
  RoleReader(const Config* config, VaultFile& file, Problems& problems)
      : config_(config), file_(file), problems_(problems) {}

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
        out.owner = owner_of_role(*config_, file_.wanted.mount, out.name);
      check_role(entry, out, connection->database);
    }
    file_.wanted.roles.emplace(out.name, std::move(out));
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
    if (file_.wanted.roles.contains(out.name))
      problems_.add(entry.at, "`" + entry.key + "` is also one of `roles`", "Give one of them another name.");
    file_.wanted.static_roles.emplace(out.name, std::move(out));
  }

 private:
  /// The connection that `connection` names, or the only one; null after a report.
  const engine::Connection* connection_of(const Entry& entry) {
    const auto& known = file_.wanted.connections;
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

  void check_role(const Entry& entry, engine::DynamicRole& role, engine::Database database) {
    const Node& node = *entry.value;
    for (const auto* key : {"owner", "schemas", "database", "member_of"}) {
      for (const Node* name : scalars_of(node, key)) {
        if (!engine::is_sql_name(name->text))
          problems_.add(
              *name, in_backquotes(name->text) + " is no name that can stand in a statement",
              "Use letters, digits, `_`, `-`, `.` and a single `$`, or write `creation_statements`.");
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

  const Config* config_;
  VaultFile& file_;
  Problems& problems_;
};

}  // namespace

std::vector<const Entry*> maps_below(const Node& root, std::string_view key) {
  std::vector<const Entry*> out;
  const Node* map = good(root, key);
  if (map == nullptr) return out;
  for (const Entry& entry : map->entries) {
    if (!entry.value->wrong && entry.value->type == Node::Type::map) out.push_back(&entry);
  }
  return out;
}

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

void read_vault_roles(const Node& root, const Config* config, VaultFile& file, Problems& problems) {
  RoleReader reader{config, file, problems};
  for (const Entry* entry : maps_below(root, "roles")) reader.read_role(*entry);
  for (const Entry* entry : maps_below(root, "static_roles")) reader.read_static_role(*entry);
}

}  // namespace sallyport::config
