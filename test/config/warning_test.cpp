// What is allowed and unwise (threat 20): each warning names its line.
#include "test/config/parse.h"

namespace sallyport::config::warning_test {
namespace {

using Warnings = std::vector<std::string>;

/// The first words of each warning, "LINE:COLUMN: …", as many as the expectation has.
void expect_warnings(std::string_view yaml, const Warnings& expected) {
  const Warnings seen = warnings_of(yaml);
  ASSERT_EQ(seen.size(), expected.size()) << ::testing::PrintToString(seen);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].substr(0, expected[i].size()), expected[i]);
}

TEST(ConfigWarnings, PrivateNamesWithTheSystemsRoots) {
  expect_warnings(R"(version: 1
targets:
  a: {engine: postgresql, host: d.internal, database: x, auth: "env:X"}
  b: {engine: postgresql, host: 10.0.0.1, database: x, auth: "env:X", tls: {roots: [system]}}
  c: {engine: postgresql, host: db, database: x, auth: "env:X"}
  d: {engine: postgresql, host: 10.0.0.1, database: x, auth: "env:X", tls: {roots: /etc/ca.pem}}
  e: {engine: postgresql, host: 10.0.0.1, database: x, auth: "env:X", tls: {server_name: db.example.com}}
  f: {engine: postgresql, host: "fd00::1", database: x, auth: "env:X"}
  g: {engine: postgresql, host: 8.8.8.8, database: x, auth: "env:X"}
)",
                  {"3:33: no public authority vouches for the private name `d.internal`",
                   "4:84: no public authority vouches for the private name `10.0.0.1`",
                   "5:33: no public authority vouches for the private name `db`",
                   "8:33: no public authority vouches for the private name `fd00::1`"});
}

TEST(ConfigWarnings, AnyDatabaseAndAnyAddress) {
  expect_warnings(
      R"(version: 1
targets:
  a: {engine: postgresql, host: 0.0.0.0, database: "*", auth: "env:X"}
)",
      {"3:33: host 0.0.0.0 means any address", "3:52: database \"*\": sessions reach every database"});
}

TEST(ConfigWarnings, DynamicCredentialWithoutRunAs) {
  expect_warnings(R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/creds/app"}
  b: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/creds/app", run_as: owner}
  c: {engine: postgresql, host: db.example.com, database: x, auth: "vault:secret/prod/db#password"}
  d:
    engine: postgresql
    host: db.example.com
    database: x
    roles:
      app: vault:database/creds/app
      static: vault:database/static-creds/app
)",
                  {"3:62: role default has no `run_as`", "11:12: role app has no `run_as`"});
}

TEST(ConfigWarnings, WeakerTlsAndLoginMethodsRepeatTheirReason) {
  EXPECT_EQ(
      warnings_of(R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", tls: {mode: require, reason: old server, until: 2026-07-01}}
  b: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", login_methods: md5, login_reason: old driver}
)"),
      (Warnings{
          "3:89: tls mode require until 2026-07-01 encrypts but does not check whose certificate the server "
          "has "
          "(reason: `old server`)",
          "4:77: role default may log in by md5, which shows the server more of the password than SCRAM "
          "(reason: `old driver`)"}));
}

TEST(ConfigWarnings, AttributesThatWeakenASource) {
  expect_warnings(R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com, database: x, auth: "file:/run/secrets/x?allow_world_readable=true"}
)",
                  {"3:68: the reference has `allow_world_readable`, which weakens a check"});
  expect_warnings(R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/static-creds/a?allow_root_token=true"}
  b: {engine: postgresql, host: db.example.com, database: x, auth: "aws-sm:a?insecure_reason=test"}
  c: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/static-creds/a?allow_root_token=false"}
  d: {engine: postgresql, host: db.example.com, database: x, auth: "vault:database/static-creds/a?redirect_to=https://b:8200"}
)",
                  {"3:68: the reference has `allow_root_token`, which weakens a check",
                   "4:68: the reference has `insecure_reason`, which weakens a check"});
}

TEST(ConfigWarnings, SettingsWithoutEffect) {
  expect_warnings(
      R"(version: 1
targets:
  a: {engine: postgresql, host: db.example.com, database: x, auth: "env:X", tls: {reason: x, until: 2026-07-02}}
  b: {engine: postgresql, host: /run/postgresql, database: x, auth: "env:X", tls: {min_version: 1.3}}
)",
      {"3:83: tls.reason has no effect with mode verify-full",
       "3:94: tls.until has no effect with mode verify-full", "4:78: `tls` has no effect on a Unix socket"});
}

constexpr std::string_view head = R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: x, roles: {rw: "env:X", ro: "env:Y"}}
routes:
)";

TEST(ConfigWarnings, RootMayUseARoute) {
  expect_warnings(
      std::string{head} +
          "  - {listen: unix:/run/a, target: t, allow: [{user: root, role: rw}, {group: root, role: ro}]}\n",
      {"5:53: user root: whatever runs as root", "5:70: this rule overlaps", "5:78: group root"});
}

TEST(ConfigWarnings, CertificatesOfAWiderPatternMakeANarrowerRuleIdle) {
  EXPECT_EQ(
      warnings_of(std::string{head} + R"(  - listen: tcp:127.0.0.1:6432
    target: t
    tls: {cert: /c, key: /k, client_ca: /ca}
    allow:
      - {certificate: "spiffe://example.org/ns/*/sa/app", role: rw}
      - {certificate: "spiffe://example.org/ns/prod/sa/app", role: rw}
      - {certificate: "spiffe://example.org/ns/prod/sa/app", role: ro}
)"),
      (Warnings{"10:9: this rule never decides: the rule at 9:9 gives role rw to everybody whom it matches. "
                "Remove one of them",
                "11:9: this rule overlaps the one at 9:9: whoever matches both may have role rw and role ro, "
                "and chooses by the user name asked for"}));
}

TEST(ConfigWarnings, ARouteThatIsWideOpenIsNamed) {
  expect_warnings(std::string{head} + R"(  - listen: tcp:0.0.0.0:6432
    target: t
    tls: {cert: /c, key: /k, client_ca: /ca, required: false}
    allow: [{certificate: "CN=app", role: rw}]
)",
                  {"5:13: listens on every network of this machine",
                   "7:56: tls.required: false lets clients talk to this network address in clear"});
}

TEST(ConfigWarnings, RulesThatNeverDecideNameBothPlaces) {
  EXPECT_EQ(
      warnings_of(std::string{head} + R"(  - listen: unix:/run/a
    target: t
    allow:
      - {user: app, group: staff, role: rw}
      - {user: app, role: rw}
      - {user: app, role: rw}
      - {user: app, role: ro}
)"),
      (Warnings{
          "8:9: this rule never decides: the rule at 9:9 gives role rw to everybody whom it matches. Remove "
          "one of them",
          "10:9: this rule never decides: the rule at 9:9 gives role rw to everybody whom it matches. Remove "
          "one of them"}));
}

TEST(ConfigWarnings, OverlappingRulesNameBothPlaces) {
  EXPECT_EQ(
      warnings_of(std::string{head} + R"(  - listen: unix:/run/a
    target: t
    allow:
      - {group: staff, role: ro}
      - {user: app, group: staff, role: rw}
      - {user: reports, role: rw}
)"),
      (Warnings{
          "9:9: this rule overlaps the one at 8:9: whoever matches both may have role ro and role rw, and "
          "chooses by the user name asked for",
          "10:9: this rule overlaps the one at 8:9: whoever matches both may have role ro and role rw, and "
          "chooses by the user name asked for"}))
      << "a user may be in a group, also one that the file does not name together with it";
}

TEST(ConfigWarnings, RulesThatOverlapInPartNameBothPlacesAndWhoDecides) {
  EXPECT_EQ(
      warnings_of(std::string{head} + R"(  - listen: tcp:127.0.0.1:6432
    target: t
    tls: {cert: /c, key: /k, client_ca: /ca}
    allow:
      - {certificate: "spiffe://example.org/ns/*/sa/app", role: rw, addresses: [10.0.0.0/8]}
      - {certificate: "spiffe://example.org/ns/prod/sa/*", role: ro, addresses: [10.1.0.0/16, 192.0.2.0/24]}
)"),
      (Warnings{"10:9: this rule overlaps the one at 9:9: whoever matches both may have role rw and role "
                "ro, and chooses by the user name asked for"}));
  EXPECT_EQ(
      warnings_of(std::string{head} + R"(  - listen: unix:/run/a
    target: t
    allow:
      - {user: app, hours: "Mon-Fri 08:00-18:00 UTC", role: rw}
      - {user: app, hours: "Fri-Sat 12:00-20:00 UTC", role: ro}
)"),
      (Warnings{"9:9: this rule overlaps the one at 8:9: whoever matches both may have role rw and role "
                "ro, and chooses by the user name asked for"}));
}

TEST(ConfigWarnings, RulesThatNobodyCanMatchTogetherDoNotOverlap) {
  for (const auto* rules : {
           "{user: app, role: rw}, {user: reports, role: ro}",
           "{user: app, cgroup: /a, role: rw}, {group: staff, cgroup: /b, role: ro}",
           "{user: app, unit: a.service, role: rw}, {unit: b.service, role: ro}",
           "{unit: a.service, role: rw}, {cgroup: /system.slice/b.service, user: app, role: ro}",
           "{user: app, hours: \"Mon-Fri 08:00-12:00 UTC\", role: rw}, {group: staff, hours: \"Mon-Fri "
           "12:00-18:00 UTC\", role: ro}",
       }) {
    SCOPED_TRACE(rules);
    expect_warnings(std::string{head} + "  - {listen: unix:/run/a, target: t, allow: [" + rules + "]}\n", {});
  }
  for (const auto* rules : {
           "{certificate: \"dns:a.example\", role: rw}, {certificate: \"dns:b.example\", role: ro}",
           "{certificate: \"spiffe://e.org/ns/*/sa/app\", role: rw}, {certificate: "
           "\"spiffe://e.org/ns/prod/sa/web\", role: ro}",
           "{certificate: \"spiffe://e.org/ns/*/sa/app\", role: rw}, {certificate: \"spiffe://e.org/ns/*\", "
           "role: ro}",
           "{certificate: \"CN=a\", addresses: [10.0.0.0/8], role: rw}, {certificate: \"dns:a.example\", "
           "addresses: [192.0.2.0/24], role: ro}",
       }) {
    SCOPED_TRACE(rules);
    expect_warnings(std::string{head} +
                        "  - {listen: \"tcp:127.0.0.1:6432\", target: t, tls: {cert: /c, key: /k, client_ca: "
                        "/ca}, allow: [" +
                        rules + "]}\n",
                    {});
  }
}

TEST(ConfigWarnings, SeveralRolesOfOneUserAreAsMeant) {
  expect_warnings(
      std::string{head} +
          "  - {listen: unix:/run/a, target: t, allow: [{user: app, role: rw}, {user: app, role: ro}]}\n",
      {});
}

}  // namespace
}  // namespace sallyport::config::warning_test
