// What the log and the trail are told about a reload (threat 14).
#include "cli/config_change.h"

#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

config::Config good() {
  config::Config config;
  config.audit.directory = "/a";
  config.state_directory = "/s";
  auto& target = config.targets["db"];
  target.name = "db";
  target.tls.crl_file = "/crl.pem";
  target.roles["app"].name = "app";
  Route route;
  route.name = "unix:/run/db:5432";
  route.target = "db";
  AllowRule rule;
  rule.uid = 1000;
  rule.user_name = "app";
  route.allow.push_back(rule);
  config.routes.push_back(route);
  return config;
}

TEST(ConfigChange, OfNothingIsNothing) {
  EXPECT_EQ(what_changes(good(), good()), "nothing");
  EXPECT_EQ(what_needs_restart(good(), good()), "");
}

TEST(ConfigChange, NamesWhatComesAndGoes) {
  auto after = good();
  after.targets["new"];
  after.routes[0].name = "unix:/run/new:5432";
  EXPECT_EQ(
      what_changes(good(), after),
      "route unix:/run/new:5432 added, admits user app, target new added, route unix:/run/db:5432 removed");
}

TEST(ConfigChange, NamesEachProtectionThatIsLess) {
  const auto changed = [](auto change) {
    auto after = good();
    change(after.targets.at("db"));
    return what_changes(good(), after);
  };
  EXPECT_EQ(changed([](Target& it) { it.tls.mode = TlsMode::verify_ca; }),
            "target db changed, its TLS weaker than before");
  EXPECT_EQ(changed([](Target& it) { it.tls.crl_file.clear(); }),
            "target db changed, revocation no longer checked");
  EXPECT_EQ(changed([](Target& it) { it.roles["app"].login_methods = {"md5"}; }),
            "target db changed, login method md5 allowed for app");
  EXPECT_EQ(changed([](Target& it) { it.tls.min_version = "1.3"; }), "target db changed") << "stronger";
  auto before = good();
  before.targets["db"].tls.min_version = "1.3";
  EXPECT_EQ(what_changes(before, good()), "target db changed, its TLS weaker than before");
}

TEST(ConfigChange, NamesWhomItTrustsAnew) {
  const auto changed = [](auto change) {
    auto before = good(), after = good();
    before.targets.at("db").tls.roots = {"/ca.pem"};
    after.targets.at("db").tls.roots = {"/ca.pem"};
    change(before.targets.at("db"), after.targets.at("db"));
    return what_changes(before, after);
  };
  EXPECT_EQ(changed([](Target&, Target& now) {
              now.tls.roots = {"/ca.pem", "/other.pem"};
            }),
            "target db changed, roots /other.pem trusted");
  EXPECT_EQ(changed([](Target&, Target& now) { now.tls.roots.clear(); }),
            "target db changed, roots system trusted");
  EXPECT_EQ(changed([](Target& was, Target&) {
              was.tls.roots = {"/ca.pem", "/other.pem"};
            }),
            "target db changed");
  EXPECT_EQ(changed([](Target&, Target& now) { now.tls.server_name = "db2"; }),
            "target db changed, server_name db2");
  EXPECT_EQ(changed([](Target& was, Target&) { was.tls.server_name = "db1"; }),
            "target db changed, server_name no longer set");
}

TEST(ConfigChange, NamesWhatSessionsAreNoLongerKeptApartBy) {
  const auto changed = [](auto change) {
    auto before = good(), after = good();
    before.targets.at("db").databases = after.targets.at("db").databases = {"app"};
    change(before.targets.at("db"), after.targets.at("db"));
    return what_changes(before, after);
  };
  EXPECT_EQ(changed([](Target&, Target& now) { now.pool.shared_by_role = true; }),
            "target db changed, connections shared by all identities of a role");
  EXPECT_EQ(changed([](Target& was, Target&) { was.pool.shared_by_role = true; }), "target db changed");
  for (const auto was : {OnSessionState::pin, OnSessionState::refuse}) {
    EXPECT_EQ(changed([&](Target& before, Target& now) {
                before.pool.on_session_state = was;
                now.pool.on_session_state = OnSessionState::ignore;
              }),
              "target db changed, on_session_state ignore");
  }
  EXPECT_EQ(changed([](Target& was, Target&) { was.pool.verify_session_state = VerifySessionState::sample; }),
            "target db changed, verify_session_state off");
  EXPECT_EQ(changed([](Target& was, Target& now) {
              was.pool.verify_session_state = VerifySessionState::always;
              now.pool.verify_session_state = VerifySessionState::sample;
            }),
            "target db changed, verify_session_state sample");
  EXPECT_EQ(changed([](Target&, Target& now) { now.pool.verify_session_state = VerifySessionState::always; }),
            "target db changed");
  EXPECT_EQ(changed([](Target&, Target& now) {
              now.databases = {"app", "payroll"};
            }),
            "target db changed, database payroll");
  EXPECT_EQ(changed([](Target&, Target& now) { now.databases.clear(); }), "target db changed, any database");
  EXPECT_EQ(changed([](Target& was, Target&) { was.databases = {"app", "payroll"}; }), "target db changed");
}

TEST(ConfigChange, ALongerDrainIsToldAndNoRisk) {
  auto after = good();
  after.upgrade_drain_max = std::chrono::hours{1};
  EXPECT_EQ(what_changes(good(), after), "upgrade.drain_max changed");
}

TEST(ConfigChange, NamesWhoIsAdmittedAnew) {
  auto after = good();
  AllowRule rule;
  rule.gid = 50;
  rule.group_name = "staff";
  rule.role = "app";
  after.routes[0].allow.push_back(rule);
  EXPECT_EQ(what_changes(good(), after), "route unix:/run/db:5432 changed, admits group staff as app");
  EXPECT_EQ(what_changes(after, good()), "route unix:/run/db:5432 changed") << "who is shut out is no risk";
}

TEST(ConfigChange, ALongerGraceIsLessProtection) {
  auto after = good();
  after.reload_grace = std::chrono::minutes{5};
  EXPECT_EQ(what_changes(good(), after), "reload.grace longer than before");
  EXPECT_EQ(what_changes(after, good()), "reload.grace shorter than before");
}

TEST(ConfigChange, SaysWhichKeysNeedARestart) {
  auto after = good();
  after.audit.directory = "/elsewhere";
  EXPECT_EQ(what_changes(good(), after), "audit.dir changed: needs a restart");
  after.audit.mode = config::AuditMode::best_effort;
  after.audit.durability_power = true;
  after.state_directory = "/other";
  after.sandbox = config::SandboxMode::off;
  EXPECT_EQ(what_needs_restart(good(), after), "audit.mode, audit.dir, audit.durability, state, sandbox");
}

TEST(ConfigChange, BeginsWithWhatAnAuditorLooksFor) {
  auto after = good();
  after.routes[0].target = "db2";
  after.state_directory = "/other";
  after.targets["db"].tls.mode = TlsMode::require;
  EXPECT_EQ(what_changes(good(), after),
            "target db changed, its TLS weaker than before, state changed: needs a restart, "
            "route unix:/run/db:5432 changed");
}

}  // namespace
}  // namespace sallyport::cli
