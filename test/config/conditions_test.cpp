// What routes and rules ask for beside the process: files that they name, ranges, hours, limits.
#include "test/config/parse.h"

#include "base/trusted_file.h"

namespace sallyport::config::conditions_test {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view head = R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: x, roles: {rw: "env:X", ro: "env:Y"}}
routes:
)";

constexpr std::string_view alice =
    "alice:SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
constexpr std::string_view bob =
    "bob:SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
constexpr std::string_view other_alice =
    "alice:SCRAM-SHA-256$10000:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

Surroundings machine_with_files() {
  auto machine = test_machine();
  machine.read_file = [](const std::string& path, std::size_t) -> Result<std::string> {
    if (path == "/etc/pw") return std::string{alice} + std::string{bob};
    if (path == "/etc/other") return std::string{other_alice};
    if (path == "/etc/mixed") return std::string{other_alice} + std::string{bob};
    if (path == "/etc/empty") return std::string{"# nobody yet\n"};
    if (path == "/etc/clear") return std::string{"alice:hunter2\n"};
    if (path == "/usr/share/zoneinfo/Europe/Berlin") return read_trusted_file(path, 65'536);
    if (path == "/usr/share/zoneinfo/Bad/Zone") return std::string{"no zone"};
    return Error{ErrorCode::bad_config, Hop::config, path, path + " does not exist", "Create it.", {}};
  };
  machine.others_read = [](const std::string& path) { return path == "/etc/other"; };
  return machine;
}

Config parsed(const std::string& routes) {
  auto config = parse_with(std::string{head} + routes, "f", machine_with_files());
  EXPECT_TRUE(config.has_value()) << config.error().front().where << " " << config.error().front().what;
  return config ? *config : Config{};
}

Texts errors(const std::string& routes) {
  Texts out;
  const auto config = parse_with(std::string{head} + routes, "f", machine_with_files());
  if (config.has_value()) return out;
  for (const auto& error : config.error())
    out.push_back(error.where.substr(2) + ": " + error.what + ". " + error.hint);
  return out;
}

TEST(ConfigConditions, ARuleForPasswordsHasTheNamesOfItsFile) {
  const auto config = parsed(
      "  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/pw, role: rw}, {verifier: file:/etc/pw, "
      "login: "
      "bob, role: ro}, {user: app, verifier: /etc/pw, login: [alice, alice], role: ro}]}\n");
  const auto& route = config.routes.at(0);
  EXPECT_EQ(route.allow[0].logins, (Texts{"alice", "bob"}));
  EXPECT_EQ(route.allow[1].logins, (Texts{"bob"}));
  EXPECT_EQ(route.allow[1].verifier, "/etc/pw");
  EXPECT_EQ(route.allow[2].logins, (Texts{"alice"}));
  EXPECT_EQ(route.passwords.size(), 2u);
}

TEST(ConfigConditions, PasswordFilesWithMistakesAreErrorsThatShowNoPassword) {
  const auto all = errors(
      "  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/clear, role: rw}, {verifier: /etc/none, "
      "role: "
      "rw}, {verifier: pw, role: rw}, {verifier: /etc/pw, login: carol, role: rw}, {user: app, login: alice, "
      "role: rw}]}\n");
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0],
            "5:57: `verifier`: line 1 of /etc/clear does not begin with SCRAM-SHA-256$. A password itself "
            "may not stand "
            "here: make a verifier with `sallyport passwd NAME`");
  EXPECT_EQ(all[1], "5:91: `verifier`: /etc/none does not exist. Create it.");
  EXPECT_NE(all[2].find("absolute path"), std::string::npos);
  EXPECT_NE(all[3].find("there is no `carol` in /etc/pw"), std::string::npos);
  EXPECT_NE(all[4].find("`login` without `verifier`"), std::string::npos);
}

TEST(ConfigConditions, OneNameHasOnePasswordOnARoute) {
  const auto both = errors(
      "  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/pw, role: rw}, {verifier: /etc/other, "
      "role: ro}]}\n");
  ASSERT_EQ(both.size(), 1u);
  EXPECT_NE(both[0].find("the route has another password of `alice` in another `verifier` file"),
            std::string::npos);
  // Narrowed, they do not meet.
  EXPECT_EQ(errors("  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/pw, login: bob, role: rw}, "
                   "{verifier: "
                   "/etc/other, role: ro}]}\n"),
            Texts{});
}

TEST(ConfigConditions, PasswordFilesThatTellOrAdmitTooLittleAreWarnings) {
  const auto config = parsed(
      "  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/mixed, role: rw}]}\n"
      "  - {listen: unix:/run/b, target: t, allow: [{verifier: /etc/empty, role: rw}]}\n"
      "  - {listen: unix:/run/c, target: t, allow: [{verifier: /etc/other, role: rw}]}\n");
  ASSERT_EQ(config.warnings.size(), 3u);
  EXPECT_NE(config.warnings[0].find("not all verifiers in /etc/mixed have the same number of iterations"),
            std::string::npos);
  EXPECT_NE(config.warnings[1].find("/etc/empty has no names yet"), std::string::npos);
  EXPECT_NE(config.warnings[2].find("others may read /etc/other"), std::string::npos);
}

TEST(ConfigConditions, TheDatabasesOfARuleAreOfItsTarget) {
  EXPECT_EQ(parsed("  - {listen: unix:/run/a, target: t, allow: [{user: app, role: rw, database: x}]}\n")
                .routes.at(0)
                .allow[0]
                .databases,
            Texts{"x"});
  const auto all =
      errors("  - {listen: unix:/run/a, target: t, allow: [{user: app, role: rw, database: [x, y]}]}\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_NE(all[0].find("target `t` has no database `y`. Databases: `x`."), std::string::npos) << all[0];
}

TEST(ConfigConditions, HoursAreReadWithTheirZone) {
  const auto config = parsed(
      "  - {listen: unix:/run/a, target: t, hours: 00:00-24:00 UTC, allow: [{user: app, role: rw, hours: "
      "[Mon-Fri "
      "07:00-20:00 Europe/Berlin, Sat 08:00-12:00 UTC]}]}\n");
  const auto& route = config.routes.at(0);
  ASSERT_EQ(route.hours.size(), 1u);
  ASSERT_EQ(route.allow[0].hours.size(), 2u);
  ASSERT_NE(route.allow[0].hours[0].zone, nullptr);
  EXPECT_EQ(route.allow[0].hours[0].zone->offset_at(1'774'746'000), 7200);
  EXPECT_EQ(route.allow[0].hours[1].zone, nullptr);
}

TEST(ConfigConditions, HoursAndAddressesSayWhatIsWrong) {
  EXPECT_EQ(
      errors("  - {listen: unix:/run/a, target: t, allow: [{user: app, role: rw, hours: [Mo 07:00-20:00 UTC, "
             "07:00-20:00 Europe/Berlim, 07:00-20:00 Bad/Zone]}]}\n"),
      (Texts{
          "5:76: `hours` is `Mo 07:00-20:00 UTC`: its days are not of the form `Mon-Fri` or `Sat,Sun`. "
          "Example: "
          "`Mon-Fri 07:00-20:00 Europe/Berlin`.",
          "5:96: time zone `Europe/Berlim` cannot be read: /usr/share/zoneinfo/Europe/Berlim does not exist. "
          "Zones are those below /usr/share/zoneinfo/ (package tzdata); without it write `UTC`.",
          "5:123: time zone `Bad/Zone`: its file does not begin as TZif. Install the system's tzdata "
          "again"}));
  EXPECT_EQ(
      errors("  - {listen: unix:/run/a, target: t, addresses: [10.0.0.1/8, 10.0.0.0/8], allow: [{user: app, "
             "role: "
             "rw}]}\n"),
      (Texts{
          "5:49: `addresses` on a Unix socket would admit nobody: its clients have no address. Remove it, or "
          "listen on `tcp:`.",
          "5:50: `addresses`: `10.0.0.1/8` has bits set behind its first 8. Write `10.0.0.0/8`, or "
          "`10.0.0.1` "
          "for this one address."}));
}

TEST(ConfigConditions, LimitsAreRead) {
  const auto config = parsed(
      "  - {listen: unix:/run/a, target: t, connections_max: 5, connections_per_second_max: 7, "
      "session_age_max: 2h, "
      "allow: [{user: app, role: rw, connections_max: 3, replication: true}]}\n");
  const auto& route = config.routes.at(0);
  EXPECT_EQ(route.connections_max, 5u);
  EXPECT_EQ(route.connections_per_second_max, 7u);
  EXPECT_EQ(route.session_age_max, std::chrono::hours{2});
  EXPECT_EQ(route.allow[0].connections_max, 3u);
  EXPECT_TRUE(route.allow[0].replication);
  EXPECT_FALSE(
      errors("  - {listen: unix:/run/a, target: t, connections_max: 0, allow: [{user: app, role: rw, "
             "replication: maybe}]}\n")
          .empty());
}

TEST(ConfigConditions, RulesThatDoNothingAreWarningsWithBothPlaces) {
  const auto warnings = parsed(R"(  - listen: unix:/run/a
    target: t
    hours: Mon-Fri 07:00-20:00 UTC
    allow:
      - {user: app, role: rw}
      - {user: app, hours: Mon-Fri 08:00-09:00 UTC, role: rw}
      - {user: app, verifier: /etc/pw, role: rw}
      - {user: reports, replication: true, role: ro}
      - {user: reports, hours: Sat 08:00-09:00 UTC, role: rw}
      - {verifier: /etc/pw, login: alice, role: ro}
      - {verifier: /etc/pw, role: ro, connections_max: 3}
)")
                            .warnings;
  EXPECT_EQ(warnings, (Texts{"f:10:9: this rule never decides: the rule at 9:9 gives role rw to everybody "
                             "whom it matches. Remove "
                             "one of them",
                             "f:11:9: this rule never decides: the rule at 9:9 gives role rw to everybody "
                             "whom it matches. Remove "
                             "one of them",
                             "f:13:9: this rule can never match: its `hours` have nothing in common with the "
                             "route's. Change one "
                             "of them"}));
}

TEST(ConfigConditions, WhatIsAskedOfAProcessIsRead) {
  auto machine = machine_with_files();
  machine.look_at_program = [](const std::string& path) -> Result<Program> {
    if (path == "/usr/bin/app") return Program{{1, 2, 3, 4}, std::string(64, 'a'), false};
    if (path == "/usr/bin/script") return Program{{1, 2, 3, 4}, std::string(64, 'a'), true};
    return Error{ErrorCode::bad_config, Hop::config, path, path + " does not exist", "Create it.", {}};
  };
  const auto look = [&](const std::string& rule) {
    return parse_with(
        std::string{head} + "  - {listen: unix:/run/a, target: t, allow: [{role: rw, " + rule + "}]}\n", "f",
        machine);
  };
  const auto good = look("user: app, executable: /usr/bin/app, executable_sha256: " + std::string(64, 'a') +
                         ", unit: app.service, cgroup: /system.slice, allow_namespaced: true");
  ASSERT_TRUE(good.has_value()) << good.error().front().what;
  const auto& rule = good->routes[0].allow[0];
  EXPECT_EQ(rule.program, (policy::ExecutableId{1, 2, 3, 4}));
  EXPECT_EQ(rule.unit, "app.service");
  EXPECT_EQ(rule.cgroup, "/system.slice");
  EXPECT_TRUE(rule.allow_namespaced);
  EXPECT_TRUE(look("unit: app.service").has_value());
  const auto what = [&](const std::string& text) {
    const auto wrong = look(text);
    return wrong.has_value() ? std::string{} : wrong.error().front().what;
  };
  EXPECT_EQ(what("user: app, executable: /usr/bin/none"), "`executable`: /usr/bin/none does not exist");
  EXPECT_EQ(what("user: app, executable: /usr/bin/script"),
            "`executable`: /usr/bin/script is a script, and what runs is its interpreter");
  EXPECT_EQ(what("group: staff, executable: /usr/bin/app"),
            "`executable` without `user`: whoever can run the program would be admitted");
  EXPECT_EQ(what("user: app, executable: /usr/bin/app, executable_sha256: 00"),
            "`executable_sha256` is not that of /usr/bin/app, which is " + std::string(64, 'a'));
  EXPECT_EQ(what("user: app, executable_sha256: 00"), "`executable_sha256` without `executable`");
  EXPECT_EQ(what("unit: system.slice"), "`unit` is `system.slice`, expected the name of a service or scope");
}

/// Without a look at the machine (`check-config -`) a rule for passwords admits nobody.
TEST(ConfigConditions, WhatIsNotReadAdmitsNobody) {
  const auto config = parse_with(
      std::string{head} + "  - {listen: unix:/run/a, target: t, allow: [{verifier: /etc/pw, role: rw}]}\n",
      "f", test_machine());
  ASSERT_TRUE(config.has_value());
  EXPECT_TRUE(config->routes[0].allow[0].logins.empty());
  EXPECT_TRUE(config->routes[0].passwords.empty());
}

}  // namespace
}  // namespace sallyport::config::conditions_test
