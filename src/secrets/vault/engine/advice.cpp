#include "secrets/vault/engine/advice.h"

#include "secrets/vault/engine/sql_words.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine {

namespace {

constexpr std::int64_t long_seconds = 86'400;

bool is_word(const SqlWord& word, std::string_view text) {
  return word.kind == SqlWord::Kind::word && word.text == text;
}

/// The words one behind the other, anywhere in the statements. Blocks in quotes (DO $$ … $$) are looked into.
bool have(const std::vector<std::string>& statements, std::initializer_list<std::string_view> wanted,
          int depth = 2) {
  const auto matches = [](const SqlWord& word, std::string_view text) { return is_word(word, text); };
  for (const auto& statement : statements) {
    const auto words = sql_words(statement);
    if (std::search(words.begin(), words.end(), wanted.begin(), wanted.end(), matches) != words.end())
      return true;
    for (const auto& word : words) {
      if (word.kind == SqlWord::Kind::text && depth > 0 && have({word.text}, wanted, depth - 1)) return true;
    }
  }
  return false;
}

class Adviser {
 public:
  explicit Adviser(const Wanted& wanted) : wanted_(wanted) {}

  std::vector<Advice> all() {
    for (const auto& [name, connection] : wanted_.connections) on(connection);
    for (const auto& [name, role] : wanted_.roles) on(role);
    for (const auto& [name, role] : wanted_.static_roles) on(role);
    return std::move(out_);
  }

 private:
  void say(std::string what) { out_.push_back({where_, std::move(what)}); }

  void on(const Connection& connection) {
    where_ = "connection " + connection.name;
    const auto& url = connection.connection_url;
    for (const auto* weak : {"disable", "allow", "prefer"}) {
      if (url.find("sslmode=" + std::string{weak}) != std::string::npos)
        say("sslmode=" + std::string{weak} +
            ": Vault's own password may cross the network unprotected. Use sslmode=verify-full");
    }
    if (url.find("sslmode=require") != std::string::npos || url.find("tls=skip-verify") != std::string::npos)
      say("the database's certificate is not verified, so whoever stands between gets Vault's own password. "
          "Use sslmode=verify-full (MySQL: tls=true)");
    const bool says_tls = !connection.tls_ca.empty() || url.find("sslmode=") != std::string::npos ||
                          url.find("tls=") != std::string::npos;
    if (!says_tls) {
      say(connection.database == Database::postgresql
              ? "connection_url says no sslmode, and TLS is then optional. Use sslmode=verify-full"
              : "connection_url says no tls=, and Vault then logs in without TLS. Use tls=true");
    }
    for (const auto* usual : {"postgres", "root"}) {
      if (connection.username == usual)
        say("Vault logs in as " + connection.username +
            ", whom people use as well. Give it a user of its own, without SUPERUSER: --rotate-root would "
            "lock them out");
    }
    for (const auto& role : connection.allowed_roles) {
      if (role == "*") say("allowed_roles is *: every role that anybody writes there may use it. Name them");
    }
  }

  void on(const DynamicRole& role) {
    where_ = "role " + role.name;
    const auto connection = wanted_.connections.find(role.connection);
    const bool postgresql =
        connection == wanted_.connections.end() || connection->second.database == Database::postgresql;
    on_rights(role);
    if (postgresql && !have(role.creation, {"VALID", "UNTIL"}))
      say("its users have no end of their own: where Vault is away when a lease ends, they live on. Add "
          "VALID "
          "UNTIL '{{expiration}}'");
    on_revocation(role, postgresql);
    on_time(role);
  }

  void on_rights(const DynamicRole& role) {
    if (have(role.creation, {"GRANT", "ALL"}))
      say("grants ALL PRIVILEGES: more than any application needs, and whatever a later version adds. Name "
          "the privileges, or use grants: read, write or owner");
    for (const auto* power : {"SUPERUSER", "CREATEROLE", "BYPASSRLS", "REPLICATION", "SUPER"}) {
      if (have(role.creation, {power}))
        say(std::string{"its users get "} + power + ", with which they can go around every other rule");
    }
    if (have(role.creation, {"WITH", "GRANT", "OPTION"}))
      say("its users may hand on what they are granted (WITH GRANT OPTION), also to users that outlive them");
  }

  void on_revocation(const DynamicRole& role, bool postgresql) {
    if (!postgresql) return;
    if (role.revocation.empty()) {
      say("no revocation_statements: a user that owns anything cannot be dropped. Set owner, or write "
          "REASSIGN "
          "OWNED and DROP OWNED");
    } else if (!have(role.revocation, {"REASSIGN", "OWNED"})) {
      say("its revocation has no REASSIGN OWNED: a user that made a table cannot be dropped, and its lease "
          "not "
          "ended. Set owner");
    } else if (role.revocation.front().find("REASSIGN OWNED BY \"{{name}}\" TO CURRENT_USER") !=
               std::string::npos) {
      say("what its users make goes to Vault's own user when they end. Set owner, the role that owns the "
          "tables");
    } else if (!have(role.revocation, {"DROP", "OWNED"})) {
      say("its revocation has no DROP OWNED: a user cannot be dropped while privileges are granted to it");
    }
  }

  void on_time(const DynamicRole& role) {
    if (role.seconds_max == 0)
      say("max_ttl 0: leases can be renewed up to the engine's own limit (32 days unless it was changed)");
    if (role.default_seconds > long_seconds)
      say("default_ttl is longer than 24 h: a stolen password is good for as long");
    else if (role.seconds_max > long_seconds)
      say("max_ttl is longer than 24 h: a user that is never replaced is a password that is never changed");
  }

  void on(const StaticRole& role) {
    where_ = "static role " + role.name;
    if (role.rotation_seconds > 90 * long_seconds)
      say("rotation_period is longer than 90 days: a stolen password is good for as long");
  }

  const Wanted& wanted_;
  std::string where_;
  std::vector<Advice> out_;
};

}  // namespace

std::vector<Advice> advice_on(const Wanted& wanted) { return Adviser{wanted}.all(); }

}  // namespace sallyport::secrets::vault::engine
