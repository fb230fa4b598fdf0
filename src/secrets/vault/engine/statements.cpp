#include "secrets/vault/engine/statements.h"

#include "secrets/vault/engine/sql_words.h"

namespace sallyport::secrets::vault::engine {

namespace {

using Statements = std::vector<std::string>;

constexpr std::string_view name_bytes_allowed =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$";

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

std::string create_role(const std::vector<std::string>& groups) {
  std::string out =
      R"(CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}')";
  for (std::size_t i = 0; i < groups.size(); ++i) out += (i == 0 ? " IN ROLE " : ", ") + quoted(groups[i]);
  return out;
}

void grant_in_schema(Statements& out, const DynamicRole& role, const std::string& schema) {
  const bool writes = role.grants == Grants::write;
  const std::string tables = writes ? "SELECT, INSERT, UPDATE, DELETE" : "SELECT";
  const std::string sequences = writes ? "USAGE, SELECT" : "SELECT";
  const auto to = R"( TO "{{name}}")";
  const auto in = " IN SCHEMA " + quoted(schema);
  const auto later = "ALTER DEFAULT PRIVILEGES FOR ROLE " + quoted(role.owner) + in + " GRANT ";
  out.push_back("GRANT USAGE ON SCHEMA " + quoted(schema) + to);
  out.push_back("GRANT " + tables + " ON ALL TABLES" + in + to);
  out.push_back("GRANT " + sequences + " ON ALL SEQUENCES" + in + to);
  out.push_back(later + tables + " ON TABLES" + to);
  out.push_back(later + sequences + " ON SEQUENCES" + to);
}

Statements postgresql_creation(const DynamicRole& role) {
  if (role.grants == Grants::owner) {
    auto groups = role.member_of;
    groups.insert(groups.begin(), role.owner);
    return {create_role(groups), "ALTER ROLE \"{{name}}\" SET role = '" + role.owner + "'"};
  }
  if (role.grants == Grants::none) return {create_role(role.member_of)};
  Statements out{create_role(role.member_of)};
  for (const auto& schema : role.schemas) grant_in_schema(out, role, schema);
  return out;
}

/// Whatever the user made is handed over first: DROP OWNED would drop tables as well. Without an owner it goes to Vault's
/// own user (advice.h tells).
Statements postgresql_revocation(const DynamicRole& role) {
  const auto heir = role.owner.empty() ? "CURRENT_USER" : quoted(role.owner);
  return {
      "DO $$ BEGIN\n"
      "  IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{{name}}') THEN\n"
      "    GRANT \"{{name}}\" TO CURRENT_USER;\n"
      "    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';\n"
      "    REASSIGN OWNED BY \"{{name}}\" TO " +
      heir +
      ";\n"
      "    DROP OWNED BY \"{{name}}\";\n"
      "    DROP ROLE \"{{name}}\";\n"
      "  END IF;\n"
      "END $$"};
}

/// In a grant on a database `_` stands for any character; `%` is in no name of ours.
std::string literal(const std::string& database) {
  std::string out;
  for (const char c : database) out += c == '_' ? std::string{"\\_"} : std::string{c};
  return out;
}

Statements mysql_creation(const DynamicRole& role) {
  Statements out{"CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}' REQUIRE SSL"};
  std::string rights = "SELECT, SHOW VIEW";
  if (role.grants != Grants::read)
    rights += ", INSERT, UPDATE, DELETE, EXECUTE, LOCK TABLES, CREATE TEMPORARY TABLES";
  if (role.grants == Grants::owner) {
    rights +=
        ", CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER, "
        "EVENT";
  }
  // On a whole database: tables made later are among it.
  for (const auto& database : role.databases)
    out.push_back("GRANT " + rights + " ON `" + literal(database) + "`.* TO '{{name}}'@'%'");
  return out;
}

}  // namespace

bool is_sql_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.find_first_not_of(name_bytes_allowed) == text.npos &&
         text.find("$$") == text.npos;  // it would end the block of the revocation
}

void complete_statements(DynamicRole& role, Database database) {
  const bool postgresql = database == Database::postgresql;
  const Statements drop =
      postgresql ? postgresql_revocation(role) : Statements{"DROP USER IF EXISTS '{{name}}'@'%'"};
  if (role.creation.empty()) role.creation = postgresql ? postgresql_creation(role) : mysql_creation(role);
  if (role.revocation.empty()) role.revocation = drop;
  if (role.rollback.empty()) role.rollback = drop;
  if (role.renew.empty() && postgresql)
    role.renew = {R"(ALTER ROLE "{{name}}" VALID UNTIL '{{expiration}}')"};
}

namespace {

bool is_literal(const SqlWord& word) {
  return (word.kind == SqlWord::Kind::text || word.kind == SqlWord::Kind::name) &&
         word.text != "{{password}}";
}

/// Text in quotes may be a block of statements (DO $$ … $$).
bool sets_literal(std::string_view statement, int depth) {
  const auto words = sql_words(statement);
  bool identified = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word.kind == SqlWord::Kind::text && depth > 0 && sets_literal(word.text, depth - 1)) return true;
    if (word.kind != SqlWord::Kind::word) continue;
    identified = identified || word.text == "IDENTIFIED";
    const bool clause = word.text == "BY" || word.text == "AS" || word.text == "USING";
    if (word.text != "PASSWORD" && !(identified && clause)) continue;
    std::size_t at = i + 1;
    while (at < words.size() && (words[at].text == "(" || words[at].text == "=")) ++at;
    if (at < words.size() && is_literal(words[at])) return true;
  }
  return false;
}

}  // namespace

bool sets_literal_password(std::string_view statement) { return sets_literal(statement, 2); }

}  // namespace sallyport::secrets::vault::engine
