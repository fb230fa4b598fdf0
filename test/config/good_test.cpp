// Files that are right, and what they become.
#include "test/config/parse.h"

#include <fstream>
#include <sstream>

namespace sallyport::config::good_test {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

Config parsed(std::string_view yaml) {
  auto config = parse_with(yaml, "f", test_machine());
  if (config.has_value()) return *std::move(config);
  for (const Error& error : config.error()) ADD_FAILURE() << describe(error);
  return {};
}

TEST(ConfigGood, SandboxIsWhatTheFileSays) {
  EXPECT_EQ(parsed("version: 1\nsandbox: required\n").sandbox, SandboxMode::required);
  const auto identity = parsed(
                            "version: 1\nidentity: {programs: [/usr/bin/az account get-access-token, "
                            "\"/opt/keys 'my profile'\"], "
                            "files: /srv/oidc}\n")
                            .identity;
  EXPECT_EQ(identity.programs,
            (std::vector<std::vector<std::string>>{{"/usr/bin/az", "account", "get-access-token"},
                                                   {"/opt/keys", "my profile"}}));
  EXPECT_EQ(identity.files, std::vector<std::string>{"/srv/oidc"});
  EXPECT_EQ(parsed("version: 1\nsandbox: off\n").sandbox, SandboxMode::off) << "no boolean";
  EXPECT_EQ(parsed("version: 1\nsandbox: auto\n").sandbox, SandboxMode::automatic);
}

TEST(ConfigGood, AzuresProviderIsNoPassword) {
  const auto config = parsed(
      "version: 1\ntargets:\n  p: {engine: postgresql, host: s.postgres.database.azure.com, database: d, "
      "user: u,\n"
      "      auth: 'azure-entra:?credential=ManagedIdentityCredential'}\n");
  EXPECT_EQ(config.targets.size(), 1U);
}

TEST(ConfigGood, ExampleFileLoadsWithoutWarnings) {
  const auto config = parsed(read_file(SALLYPORT_SOURCE_DIR "/examples/sallyport.yaml"));
  EXPECT_EQ(config.targets.size(), 2u);
  EXPECT_EQ(config.routes.size(), 2u);
  EXPECT_EQ(config.warnings, std::vector<std::string>{});
}

constexpr std::string_view design = R"(version: 1
targets:
  production:
    engine: postgresql
    host: db.example.com            # or [a, b] with target_session_attrs
    database: production
    roles:
      app_rw: {auth: "vault:database/creds/app-rw", run_as: app_owner}
      app_ro: vault:database/creds/app-ro
    tls: {mode: verify-full, roots: [system], server_name: db.example.com, min_version: "1.2"}
    pool: {mode: session, min_ready: 2, max: 50}
routes:
  - listen: unix:/run/sallyport/production:5432
    allow: [{user: app, role: app_rw}, {user: reports, role: app_ro}]
    target: production
state: sqlite:/var/lib/sallyport/state.db
audit: {mode: required, dir: /var/lib/sallyport/audit}
)";

TEST(ConfigGood, DesignExampleBecomesTypedValues) {
  const auto config = parsed(design);
  ASSERT_TRUE(config.targets.contains("production"));
  const Target& target = config.targets.at("production");
  EXPECT_EQ(target.name, "production");
  ASSERT_EQ(target.endpoints.size(), 1u);
  EXPECT_EQ(target.endpoints[0].host, "db.example.com");
  EXPECT_EQ(target.endpoints[0].port, 5432);
  EXPECT_EQ(target.databases, std::vector<std::string>{"production"});
  ASSERT_EQ(target.roles.size(), 2u);
  EXPECT_EQ(target.roles.at("app_rw").auth, "vault:database/creds/app-rw");
  EXPECT_EQ(target.roles.at("app_rw").run_as, "app_owner");
  EXPECT_EQ(target.roles.at("app_ro").auth, "vault:database/creds/app-ro");
  EXPECT_EQ(target.roles.at("app_ro").name, "app_ro");
  EXPECT_EQ(target.tls.mode, TlsMode::verify_full);
  EXPECT_EQ(target.tls.roots, std::vector<std::string>{"system"});
  EXPECT_EQ(target.tls.server_name, "db.example.com");
  EXPECT_EQ(target.pool.min_ready, 2u);
  EXPECT_EQ(target.pool.max, 50u);
  ASSERT_EQ(config.routes.size(), 1u);
  const auto& listen = std::get<UnixListen>(config.routes[0].listen);
  EXPECT_EQ(listen.directory, "/run/sallyport/production");
  EXPECT_EQ(listen.port, 5432);
  EXPECT_EQ(config.routes[0].target, "production");
  ASSERT_EQ(config.routes[0].allow.size(), 2u);
  EXPECT_EQ(config.routes[0].allow[0].uid, 1000u);
  EXPECT_EQ(config.routes[0].allow[0].user_name, "app");
  EXPECT_EQ(config.routes[0].allow[0].role, "app_rw");
  EXPECT_EQ(config.routes[0].allow[1].uid, 1001u);
  EXPECT_EQ(config.state_directory, "/var/lib/sallyport");
  EXPECT_EQ(config.audit.mode, AuditMode::required);
  EXPECT_EQ(config.sandbox, SandboxMode::automatic);
  EXPECT_EQ(config.audit.directory, "/var/lib/sallyport/audit");
  EXPECT_FALSE(config.audit.durability_power);
}

TEST(ConfigGood, DefaultsFillWhatIsLeftOut) {
  const auto config = parsed(R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: d, auth: file:/run/secrets/db}
routes: [{listen: "unix:/run/s", target: t, allow: [{user: 1000}]}]
)");
  const Target& target = config.targets.at("t");
  ASSERT_TRUE(target.roles.contains("default"));
  EXPECT_EQ(target.roles.at("default").auth, "file:/run/secrets/db");
  const PoolSettings defaults;
  EXPECT_EQ(target.pool.max, defaults.max);
  EXPECT_EQ(target.pool.wait_max, defaults.wait_max);
  EXPECT_EQ(target.tls.mode, TlsMode::verify_full);
  EXPECT_EQ(std::get<UnixListen>(config.routes[0].listen).port, 5432);
  EXPECT_EQ(config.routes[0].name, "unix:/run/s:5432") << "one name, with the port left out or not";
  EXPECT_EQ(config.routes[0].allow[0].role, "default");
  EXPECT_EQ(config.state_directory, "/var/lib/sallyport");
  EXPECT_EQ(config.audit.directory, "/var/lib/sallyport/audit");
}

TEST(ConfigGood, SeveralHostsHavePortsOfTheirOwn) {
  const auto config = parsed(R"(version: 1
targets:
  t:
    engine: postgresql
    host: [db1.example.com, "db2.example.com:5433", "[2001:db8::1]:5434", "2001:db8::2", /run/postgresql]
    port: 6000
    target_session_attrs: prefer-standby
    load_balance: random
    database: d
    auth: file:/run/secrets/db
    tls: {roots: [/etc/ca.pem]}
routes: [{listen: "unix:/run/s", target: t, allow: [{user: 1000}]}]
)");
  const Target& target = config.targets.at("t");
  EXPECT_EQ(target.endpoints, (std::vector<Endpoint>{{"db1.example.com", 6000},
                                                     {"db2.example.com", 5433},
                                                     {"2001:db8::1", 5434},
                                                     {"2001:db8::2", 6000},
                                                     {"/run/postgresql", 6000}}));
  EXPECT_EQ(target.session_attributes, SessionAttributes::prefer_standby);
  EXPECT_EQ(target.load_balance, LoadBalance::random);
}

TEST(ConfigGood, EveryOtherKeyOfThisVersionIsRead) {
  const auto config = parsed(R"(version: 1
targets:
  t:
    engine: postgresql
    host: [10.1.2.3]
    port: 6000
    database: [a, b]
    auth: env:DB_PASSWORD
    user: app
    run_as: owner
    login_methods: [password, md5]
    login_reason: PgBouncer without SCRAM
    tls:
      mode: verify-ca
      roots: [/etc/ca.pem, file:/etc/other.pem]
      min_version: 1.3
      crl: /etc/crl.pem
      certificate: file:/etc/c.pem
      key: /etc/k.pem
      reason: certificate names the old host
      until: 2026-09-29
    pool: {min_ready: 0, max: 1, idle_max: 500s, lifetime_max: 2 days, wait_max: 250 ms}
audit: {mode: best-effort, dir: /a, durability: power}
state: sqlite:/s/state.db
reload: {grace: 5 min}
upgrade: {drain_max: 2 days}
)");
  const Target& target = config.targets.at("t");
  EXPECT_EQ(target.endpoints.at(0).host, "10.1.2.3");
  EXPECT_EQ(target.endpoints.at(0).port, 6000);
  EXPECT_EQ(target.databases, (std::vector<std::string>{"a", "b"}));
  const Role& role = target.roles.at("default");
  EXPECT_EQ(role.user, "app");
  EXPECT_EQ(role.run_as, "owner");
  EXPECT_EQ(role.login_methods, (std::vector<std::string>{"password", "md5"}));
  EXPECT_EQ(role.login_reason, "PgBouncer without SCRAM");
  EXPECT_EQ(target.tls.mode, TlsMode::verify_ca);
  EXPECT_EQ(target.tls.roots, (std::vector<std::string>{"/etc/ca.pem", "/etc/other.pem"}));
  EXPECT_EQ(target.tls.min_version, "1.3");
  EXPECT_EQ(target.tls.crl_file, "/etc/crl.pem");
  EXPECT_EQ(target.tls.client_certificate_file, "/etc/c.pem");
  EXPECT_EQ(target.tls.client_key_file, "/etc/k.pem");
  EXPECT_EQ(target.tls.weaker_reason, "certificate names the old host");
  EXPECT_EQ(target.tls.weaker_until, "2026-09-29");
  EXPECT_EQ(target.pool.min_ready, 0u);
  EXPECT_EQ(target.pool.max, 1u);
  EXPECT_EQ(target.pool.idle_max, std::chrono::seconds{500});
  EXPECT_EQ(target.pool.lifetime_max, std::chrono::hours{48});
  EXPECT_EQ(target.pool.wait_max, std::chrono::milliseconds{250});
  EXPECT_EQ(config.audit.mode, AuditMode::best_effort);
  EXPECT_EQ(config.audit.directory, "/a");
  EXPECT_TRUE(config.audit.durability_power);
  EXPECT_EQ(config.state_directory, "/s");
  EXPECT_EQ(config.reload_grace, std::chrono::minutes{5});
  EXPECT_EQ(config.upgrade_drain_max, std::chrono::hours{48});
}

TEST(ConfigGood, AnyDatabaseIsAnEmptyList) {
  const auto config = parsed(R"(version: 1
targets: {t: {engine: postgresql, host: db.example.com, database: "*", auth: "env:X"}}
)");
  EXPECT_TRUE(config.targets.at("t").databases.empty());
}

TEST(ConfigGood, AliasesShareWholeMaps) {
  const auto config = parsed(R"(version: 1
targets:
  a: {engine: postgresql, host: a.example.com, database: d, auth: "env:A", tls: &tls {min_version: "1.3"}}
  b: {engine: postgresql, host: b.example.com, database: d, auth: "env:B", tls: *tls}
)");
  EXPECT_EQ(config.targets.at("b").tls.min_version, "1.3");
}

TEST(ConfigGood, ByteOrderMarkAndCrLfAreRead) {
  EXPECT_EQ(parsed("\xEF\xBB\xBFversion: 1\r\naudit:\r\n  mode: best-effort\r\n").audit.mode,
            AuditMode::best_effort);
}

}  // namespace
}  // namespace sallyport::config::good_test
