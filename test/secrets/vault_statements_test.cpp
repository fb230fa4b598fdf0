// The SQL of the presets, what is unwise of SQL, and passwords in it.
#include "secrets/vault/engine/advice.h"
#include "test/secrets/vault_engine_sample.h"

#include <gtest/gtest.h>

namespace sallyport::secrets::vault::engine::vault_statements_test {
namespace {

bool advises(const Wanted& wanted, std::string_view text) {
  for (const auto& advice : advice_on(wanted)) {
    if (advice.what.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST(VaultStatements, ReadersSeeWhatIsMadeLaterAndEndByThemselves) {
  const auto role = sample().roles.at("app");
  const std::vector<std::string> expected{
      R"(CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}')",
      R"(GRANT USAGE ON SCHEMA "public" TO "{{name}}")",
      R"(GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{{name}}")",
      R"(GRANT SELECT ON ALL SEQUENCES IN SCHEMA "public" TO "{{name}}")",
      R"(ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "public" GRANT SELECT ON TABLES TO "{{name}}")",
      R"(ALTER DEFAULT PRIVILEGES FOR ROLE "app_owner" IN SCHEMA "public" GRANT SELECT ON SEQUENCES TO "{{name}}")"};
  EXPECT_EQ(role.creation, expected);
  EXPECT_TRUE(advice_on(sample()).empty()) << advice_on(sample()).front().what;
}

TEST(VaultStatements, WhatAUserMadeIsHandedOverBeforeAnythingIsDropped) {
  DynamicRole role;
  role.member_of = {"readers"};
  complete_statements(role, Database::postgresql);
  EXPECT_EQ(role.creation.front().substr(role.creation.front().size() - 17), R"(IN ROLE "readers")");
  ASSERT_EQ(role.revocation.size(), 1u);
  const auto& block = role.revocation.front();
  const auto reassign = block.find(R"(REASSIGN OWNED BY "{{name}}" TO CURRENT_USER)");
  ASSERT_NE(reassign, std::string::npos);
  EXPECT_LT(reassign, block.find("DROP OWNED"));
  auto wanted = sample();
  wanted.roles["app"].revocation = role.revocation;
  EXPECT_TRUE(advises(wanted, "goes to Vault's own user"));
}

TEST(VaultStatements, StatementsOfOnesOwnAreKept) {
  DynamicRole role;
  role.creation = {"A"};
  role.renew = {"B"};
  complete_statements(role, Database::postgresql);
  EXPECT_EQ(role.creation, std::vector<std::string>{"A"});
  EXPECT_EQ(role.renew, std::vector<std::string>{"B"});
  EXPECT_FALSE(role.revocation.empty());
}

TEST(VaultStatements, AMysqlDatabaseIsThatOneAndNotThoseWithANameLikeIt) {
  DynamicRole role;
  role.grants = Grants::read;
  role.databases = {"app_prod_1", "plain"};
  complete_statements(role, Database::mysql);
  ASSERT_EQ(role.creation.size(), 3u);
  EXPECT_EQ(role.creation[1], R"(GRANT SELECT, SHOW VIEW ON `app\_prod\_1`.* TO '{{name}}'@'%')");
  EXPECT_EQ(role.creation[2], "GRANT SELECT, SHOW VIEW ON `plain`.* TO '{{name}}'@'%'");
}

TEST(VaultStatements, NamesThatCouldLeaveTheirQuotesAreNone) {
  for (const auto* good : {"app_owner", "App-1.x", "a$b"}) EXPECT_TRUE(is_sql_name(good)) << good;
  for (const auto* bad :
       {"", "a$$b", "$$", "a\"b", "a'b", "a`b", "a;b", "{{name}}", "a b", "a\\b", "\xC3\xA4"})
    EXPECT_FALSE(is_sql_name(bad)) << bad;
  EXPECT_FALSE(is_sql_name(std::string(64, 'a')));
}

TEST(VaultStatements, APasswordThatIsNoTemplateIsFoundWhereverSqlPutsIt) {
  for (const auto* literal :
       {"CREATE ROLE x PASSWORD 'hunter2'", "create role x password'hunter2'",
        "ALTER ROLE x PASSWORD $$hunter2$$", "CREATE USER x IDENTIFIED BY 'hunter2'",
        "CREATE USER x IDENTIFIED BY \"hunter2\"", "CREATE USER x IDENTIFIED WITH p AS 'hunter2'",
        "CREATE USER x IDENTIFIED VIA p USING PASSWORD('hunter2')",
        "SET PASSWORD FOR x = PASSWORD('hunter2')", "DO $$ BEGIN ALTER ROLE x PASSWORD 'hunter2'; END $$",
        "CREATE ROLE x PASSWORD /* '{{password}}' */ 'hunter2'"}) {
    EXPECT_TRUE(sets_literal_password(literal)) << literal;
  }
  for (const auto* fine :
       {"CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'", "CREATE USER x IDENTIFIED BY '{{password}}'",
        "REASSIGN OWNED BY \"{{name}}\" TO \"app_owner\"", "SELECT 'x' AS 'y'", "ALTER ROLE x PASSWORD NULL",
        "ALTER ROLE x SET role = 'app_owner'"}) {
    EXPECT_FALSE(sets_literal_password(fine)) << fine;
  }
}

TEST(VaultAdvice, SaysWhatIsUnwiseAndNothingOfWhatIsNot) {
  const auto with = [](auto change) {
    auto wanted = sample();
    change(wanted.connections.at("production"), wanted.roles.at("app"), wanted.static_roles.at("fixed"));
    return wanted;
  };
  const auto creation = [&](const std::string& statement) {
    return with([&](auto&, auto& role, auto&) { role.creation.push_back(statement); });
  };
  EXPECT_TRUE(advises(creation("GRANT ALL PRIVILEGES ON t TO x"), "ALL PRIVILEGES"));
  EXPECT_TRUE(advises(creation("alter default privileges grant all on tables to x"), "ALL PRIVILEGES"));
  EXPECT_TRUE(advises(creation("DO $$ BEGIN GRANT ALL ON t TO x; END $$"), "ALL PRIVILEGES"));
  EXPECT_FALSE(advises(creation("REVOKE ALL ON t FROM x"), "ALL PRIVILEGES"));
  EXPECT_FALSE(advises(creation("-- GRANT ALL\nSELECT 'GRANT', \"ALL\""), "ALL PRIVILEGES"));
  EXPECT_TRUE(advises(creation("ALTER ROLE x SUPERUSER"), "SUPERUSER"));
  EXPECT_FALSE(advises(creation("ALTER ROLE x NOSUPERUSER"), "SUPERUSER"));
  EXPECT_TRUE(
      advises(with([](auto&, auto& role, auto&) { role.creation = {"CREATE ROLE x"}; }), "VALID UNTIL"));
  EXPECT_TRUE(
      advises(with([](auto&, auto& role, auto&) { role.revocation.clear(); }), "no revocation_statements"));
  EXPECT_TRUE(
      advises(with([](auto&, auto& role, auto&) { role.revocation = {"DROP ROLE x"}; }), "REASSIGN OWNED"));
  EXPECT_TRUE(advises(with([](auto&, auto& role, auto&) { role.seconds_max = 0; }), "max_ttl 0"));
  EXPECT_TRUE(advises(with([](auto&, auto& role, auto&) { role.default_seconds = 86'401; }),
                      "default_ttl is longer"));
  EXPECT_TRUE(
      advises(with([](auto&, auto& role, auto&) { role.seconds_max = 86'401; }), "max_ttl is longer"));
  const auto url = [&](const std::string& text) {
    return with([&](auto& connection, auto&, auto&) { connection.connection_url = text; });
  };
  EXPECT_TRUE(advises(url("postgresql://h/d?sslmode=disable"), "sslmode=disable"));
  EXPECT_TRUE(advises(url("postgresql://h/d?sslmode=require"), "certificate is not verified"));
  EXPECT_TRUE(advises(url("postgresql://h/d"), "says no sslmode"));
  EXPECT_TRUE(advises(with([](auto& c, auto&, auto&) { c.username = "postgres"; }), "a user of its own"));
  EXPECT_TRUE(advises(with([](auto& c, auto&, auto&) { c.allowed_roles = {"*"}; }), "allowed_roles is *"));
}

}  // namespace
}  // namespace sallyport::secrets::vault::engine::vault_statements_test
