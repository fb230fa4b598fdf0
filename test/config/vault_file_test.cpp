// A file for `sallyport vault`: what it means, and each mistake with its place.
#include "config/vault_file.h"
#include "secrets/vault/options.h"
#include "test/config/parse.h"

#include <map>
#include <set>

namespace sallyport::config::vault_file_test {
namespace {

namespace engine = secrets::vault::engine;

constexpr const char* connection =
    "  production: {connection_url: \"postgresql://db/app?sslmode=verify-full\", username: v, auth: "
    "file:/run/pw}\n";

std::string file(const std::string& rest, const std::string& connections = connection) {
  return "version: 1\nconnections:\n" + connections + rest;
}

VaultFile good_file(const std::string& yaml, const Config* config = nullptr) {
  auto parsed = parse_vault_file(yaml, "f", test_machine(), config);
  EXPECT_TRUE(parsed.has_value()) << describe(parsed.error().front());
  return parsed.has_value() ? std::move(*parsed) : VaultFile{};
}

/// "LINE:COLUMN: what. hint", one line each.
std::string mistakes(const std::string& yaml, const Config* config = nullptr) {
  std::string out;
  const auto parsed = parse_vault_file(yaml, "f", test_machine(), config);
  if (parsed.has_value()) return "none";
  for (const auto& error : parsed.error())
    out += error.where.substr(2) + ": " + error.what + (error.hint.empty() ? "" : ". " + error.hint) + "\n";
  return out;
}

bool says(const std::string& yaml, std::string_view text) {
  const auto seen = mistakes(yaml);
  EXPECT_EQ(seen.find("hunter2"), std::string::npos) << seen;
  if (seen.find(text) != std::string::npos) return true;
  ADD_FAILURE() << yaml << "\n-- said --\n" << seen;
  return false;
}

TEST(VaultFile, DefaultsAreTheGoodPractice) {
  const auto out = good_file(
      file("roles:\n  app: {grants: read, owner: app_owner}\nstatic_roles:\n  st: {username: s}\n"));
  EXPECT_EQ(out.reference, "vault:database");
  const auto& production = out.wanted.connections.at("production");
  EXPECT_EQ(production.connection_url, "postgresql://{{username}}:{{password}}@db/app?sslmode=verify-full");
  EXPECT_EQ(production.password_authentication, "scram-sha-256");
  EXPECT_EQ(production.plugin, "postgresql-database-plugin");
  EXPECT_TRUE(production.verify);
  EXPECT_EQ(production.allowed_roles, (std::vector<std::string>{"app", "st"}));
  const auto& app = out.wanted.roles.at("app");
  EXPECT_EQ(app.connection, "production");
  EXPECT_EQ(app.default_seconds, 3'600);
  EXPECT_EQ(app.seconds_max, 86'400);
  EXPECT_EQ(app.schemas, std::vector<std::string>{"public"});
  EXPECT_FALSE(app.creation.empty() || app.revocation.empty() || app.renew.empty() || app.rollback.empty());
  EXPECT_EQ(out.wanted.static_roles.at("st").rotation_seconds, 86'400);
}

TEST(VaultFile, ALongLifeAlonePullsTheLongestAlong) {
  const auto out =
      good_file(file("roles:\n  a: {member_of: g, default_ttl: 48h}\n  b: {member_of: g, max_ttl: 0s}\n"));
  EXPECT_EQ(out.wanted.roles.at("a").seconds_max, 48 * 3'600);
  EXPECT_EQ(out.wanted.roles.at("b").seconds_max, 0);
}

TEST(VaultFile, TheVaultIsAReferencesAttributes) {
  const auto out = good_file(
      "version: 1\nvault: {mount: team/db/, address: \"https://v:8200\", namespace: t, token_file: /run/t}\n"
      "connections:\n" +
      std::string{connection});
  EXPECT_EQ(out.reference, "vault:team/db?addr=https://v:8200&namespace=t&token_file=/run/t");
  EXPECT_EQ(out.wanted.mount, "team/db");
  const auto pod =
      good_file("version: 1\nvault: {auth: kubernetes, role: setup, auth_mount: k8s}\nconnections:\n" +
                std::string{connection});
  EXPECT_EQ(pod.reference, "vault:database?auth=kubernetes&mount=k8s&role=setup");
}

// Whatever a `vault:` reference may say of where Vault is and who we are there, this file may say as well.
TEST(VaultFile, HasAKeyForEachAttributeOfAReference) {
  const std::set<std::string_view> of_the_secret{"version", "shape", "allow_root_token"};
  const std::map<std::string_view, std::string> others{{"addr", "address"}, {"mount", "auth_mount"}};
  for (const auto& attribute : secrets::vault::known_attributes()) {
    if (of_the_secret.contains(attribute.name)) continue;
    const auto other = others.find(attribute.name);
    const auto key = other == others.end() ? std::string{attribute.name} : other->second;
    EXPECT_EQ(
        mistakes("version: 1\nvault: {" + key + ": /x}\nconnections:\n" + connection).find("unknown key"),
        std::string::npos)
        << key;
  }
}

TEST(VaultFile, EachWayOfLoggingInCanBeWritten) {
  struct Row {
    const char* keys;
    const char* reference;
  };
  for (const auto& [keys, reference] :
       {Row{"role_id: r, secret_id_file: /run/s, secret_id_wrapped: true",
            "role_id=r&secret_id_file=/run/s&secret_id_wrapped=true"},
        Row{"auth: aws, role: r, region: eu-west-1, profile: p, iam_server_id: v.example.com",
            "auth=aws&iam_server_id=v.example.com&profile=p&region=eu-west-1&role=r"},
        Row{"auth: azure, role: r, resource: \"https://v\", client_id: c",
            "auth=azure&client_id=c&resource=https://v&role=r"},
        Row{"auth: gcp, role: r", "auth=gcp&role=r"}}) {
    const auto out = good_file("version: 1\nvault: {" + std::string{keys} + "}\nconnections:\n" + connection);
    EXPECT_EQ(out.reference, "vault:database?" + std::string{reference});
  }
  EXPECT_TRUE(says("version: 1\nvault: {region: eu-west-1}\nconnections:\n" + std::string{connection},
                   "`region`: no auth= beside it"));
}

TEST(VaultFile, AUrlMayNameTheTemplatesAndNobodyElse) {
  const auto with = [](const std::string& url, const std::string& more = "") {
    return file("", "  p: {connection_url: \"" + url + "\", username: v, auth: file:/run/pw" + more + "}\n");
  };
  for (const auto* url :
       {"postgresql://{{username}}:{{password}}@db/app", "postgres://db/app", "postgresql://db/app"}) {
    EXPECT_EQ(good_file(with(url)).wanted.connections.at("p").connection_url,
              "postgresql://{{username}}:{{password}}@db/app");
  }
  EXPECT_EQ(good_file(with("tcp(db:3306)/", ", engine: mysql")).wanted.connections.at("p").connection_url,
            "{{username}}:{{password}}@tcp(db:3306)/");
  says(with("postgresql://u:hunter2@db/app"), "3:23: a password stands in this value (not shown)");
  says(with("postgresql://u@db/app"), "`connection_url` names a user or a password (not shown)");
  says(with("postgresql://{{username}}:hunter2@db/app"), "3:23: a password stands in this value");
  says(with("postgresql://db/app?password=hunter2"), "a password stands in this value");
  says(with("postgresql://{{username}}:{{password}}@hunter2@db/app"), "a password stands in this value");
  says(with("root:hunter2@tcp(db:3306)/", ", engine: mysql"),
       "`connection_url` names a user or a password (not shown)");
  says(with("tcp(db:3306)/"), "`connection_url` does not begin with postgresql://");
  says(with("postgresql:///app"), "`connection_url` names no host");
  says(with("db:3306", ", engine: mysql"), "`connection_url` is not of the form tcp(HOST:PORT)/");
}

TEST(VaultFile, MistakesHaveTheirPlaceAndTheNearestKey) {
  says("", "1:1: the file is empty");
  says("connections: {}\n", "`version` is missing");
  says("version: 1\n", "`connections` is missing");
  says(file("rolls: {}\n"), "4:1: unknown key `rolls`. Did you mean `roles`?");
  says(file("roles:\n  a: {grant: read}\n"), "5:7: unknown key `grant` in `roles.a`. Did you mean `grants`?");
  says(file("roles:\n  a: {grants: reed, owner: o}\n"),
       "`grants` is `reed`, expected `read`, `write` or `owner`. Did you mean `read`?");
  says(file("roles:\n  a: {grants: read}\n"), "5:3: `owner` is missing in `roles.a`");
  says(file("roles:\n  a: {default_ttl: 1h}\n"), "5:3: nothing says what users of `roles.a` may do");
  says(file("roles:\n  a: {grants: read, owner: o, creation_statements: X}\n"), "stand beside `grants`");
  says(file("roles:\n  a: {member_of: g, default_ttl: 1h, max_ttl: 30min}\n"),
       "5:47: `max_ttl` is shorter than `default_ttl`");
  says(file("roles:\n  a: {member_of: g, default_ttl: 3600}\n"), "Add a unit: `3600s`");
  says(file("roles:\n  a: {member_of: g, database: d}\n"), "5:21: `database` is for MySQL");
  says(file("roles:\n  a: {member_of: 'g\"; DROP TABLE x'}\n"), "is no name that can stand in a statement");
  says(file("roles:\n  a: {member_of: g, connection: prodution}\n"),
       "there is no connection `prodution`. Did you mean `production`?");
  says(file("roles:\n  a: {creation_statements: \"CREATE ROLE x PASSWORD 'hunter2'\"}\n"),
       "5:28: a password stands in this statement (not shown). Write '{{password}}'.");
  says(file("roles:\n  a: {member_of: g}\nstatic_roles:\n  a: {username: u}\n"),
       "`a` is also one of `roles`");
  says(file("roles:\n  a: {member_of: g}\n",
            std::string{connection} +
                "  other: {connection_url: postgresql://h/d, username: v, auth: file:/x}\n"),
       "`connection` is missing, and there are several");
}

TEST(VaultFile, ThePasswordIsAReference) {
  const auto with = [](const std::string& auth) {
    return file("", "  p: {connection_url: postgresql://db/app, username: v, " + auth + "}\n");
  };
  says(with("password: hunter2"), "3:57: `password` may not stand in this file");
  says(with("auth: hunter2"), "`auth` is not a reference (value not shown: it may be a secret)");
  says(with("auth: \"vault:database/creds/admin\""), "`auth` is a credential that ends with its lease");
  says(with("auth: \"file:/x?user=v\""), "the reference says `user`");
}

TEST(VaultFile, WhatVaultIsAskedWithIsChecked) {
  const auto with = [](const std::string& vault) {
    return "version: 1\nvault: {" + vault + "}\nconnections:\n" + connection;
  };
  says(with("address: vault"), "2:18: `address`: it does not begin with https://");
  says(with("mount: \"a/../b\""), "2:16: `mount` is no path of Vault");
  says(with("namespace: \"a b\""), "2:20: `namespace`: no name of a namespace");
  says(with("token_file: /t, role_id_file: /r"),
       "2:21: `token_file`: an attribute that auth=approle has not");
  says(with("auth: cert, client_cert: /c"), "client_key");
  says(with("auth: ldap"), "2:15: `auth`: ");
  says(with("token: hunter2"), "`token` may not stand in this file");
}

TEST(VaultFile, TheConfigurationFillsWhatIsLeftOpen) {
  const std::string yaml =
      "version: 1\ntargets:\n"
      "  production: {engine: postgresql, host: [db1, \"db2:5433\"], database: app, roles: {\n"
      "    app: {auth: \"vault:database/creds/app\", run_as: app_owner},\n"
      "    ro: {auth: \"vault:database/creds/ro\", run_as: ro_owner},\n"
      "    reports: \"vault:database/creds/reports\", st: \"vault:database/static-creds/st\", kv: "
      "\"vault:kv/x\"}}\n"
      "  local: {engine: postgresql, host: /run/postgresql, database: app, auth: file:/run/pw}\n"
      "routes: [{listen: \"unix:/run/s\", target: local, allow: [{user: app}]}]\n";
  const auto config = parse_with(yaml, "c", test_machine());
  ASSERT_TRUE(config.has_value()) << describe(config.error().front());
  const auto out = good_file(
      "version: 1\nconnections: {production: {username: v, auth: file:/run/pw}}\n"
      "roles: {ro: {grants: read}}\n",
      &*config);
  EXPECT_EQ(out.wanted.connections.at("production").connection_url,
            "postgresql://{{username}}:{{password}}@db1:5432,db2:5433/"
            "app?sslmode=verify-full&target_session_attrs=read-write");
  EXPECT_EQ(out.wanted.roles.at("app").grants, engine::Grants::owner);
  EXPECT_EQ(out.wanted.roles.at("app").owner, "app_owner");
  EXPECT_EQ(out.wanted.roles.at("ro").owner, "ro_owner");
  EXPECT_EQ(out.wanted.connections.at("production").allowed_roles, (std::vector<std::string>{"app", "ro"}));
  ASSERT_EQ(out.warnings.size(), 2u);
  EXPECT_NE(out.warnings[0].find("database/creds/reports, which this file does not set up"),
            std::string::npos);
  EXPECT_NE(mistakes("version: 1\nconnections: {local: {username: v, auth: file:/x}}\n", &*config)
                .find("Unix socket"),
            std::string::npos);
  EXPECT_NE(mistakes("version: 1\nconnections: {other: {username: v, auth: file:/x}}\n", &*config)
                .find("no target of this name"),
            std::string::npos);
  EXPECT_NE(mistakes("version: 1\nconnections: {production: {username: v, auth: file:/x}}\n").find("-c FILE"),
            std::string::npos);
}

}  // namespace
}  // namespace sallyport::config::vault_file_test
