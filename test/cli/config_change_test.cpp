// What the log and the trail are told about a reload (threat 14).
#include "cli/config_change.h"

#include "policy/address_range.h"
#include "policy/hours.h"

#include <gtest/gtest.h>

namespace sallyport::cli::config_change_test {
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

/// What of a route's change is told behind its name.
template <class Change>
std::string told_of_route(const Route& like, Change change) {
  auto before = good(), after = good();
  for (auto* config : {&before, &after}) {
    auto& route = config->routes[0];
    route.tls = like.tls;
    route.addresses = like.addresses;
    route.hours = like.hours;
    route.connections_max = like.connections_max;
    route.connections_per_second_max = like.connections_per_second_max;
    route.session_age_max = like.session_age_max;
  }
  change(before.routes[0], after.routes[0]);
  const auto text = what_changes(before, after);
  const std::string_view name = "route unix:/run/db:5432 changed";
  return text.starts_with(name) ? text.substr(name.size()) : "not told: " + text;
}

TEST(ConfigChange, NamesEachProtectionTowardsClientsThatIsLess) {
  Route like;
  like.tls.emplace();
  like.tls->client_ca_file = "/ca.pem";
  like.tls->client_crl_file = "/crl.pem";
  like.tls->required = true;
  const auto told = [&](auto change) { return told_of_route(like, change); };
  EXPECT_EQ(told([](Route&, Route& now) { now.tls.reset(); }), ", no TLS towards clients any more");
  EXPECT_EQ(told([](Route&, Route& now) { now.tls->required = false; }),
            ", TLS towards clients no longer required");
  EXPECT_EQ(told([](Route&, Route& now) { now.tls->clear_cancel = true; }),
            ", cancels without TLS are heard");
  EXPECT_EQ(told([](Route&, Route& now) { now.tls->client_crl_file.clear(); }),
            ", revocation of client certificates no longer checked");
  EXPECT_EQ(told([](Route&, Route& now) { now.tls->client_ca_file = "/other.pem"; }),
            ", client certificates of /other.pem trusted");
  EXPECT_EQ(told([](Route&, Route& now) { now.tls->client_ca_file.clear(); }), "") << "none is believed now";
  EXPECT_EQ(told([](Route& was, Route&) { was.tls.reset(); }), "");
  EXPECT_EQ(told([](Route& was, Route&) { was.tls->required = false; }), "");
  EXPECT_EQ(told([](Route& was, Route&) { was.tls->clear_cancel = true; }), "");
  EXPECT_EQ(told([](Route& was, Route&) { was.tls->client_crl_file.clear(); }), "");
}

TEST(ConfigChange, NamesWhatIsAskedLessStrictlyOfEverybody) {
  Route like;
  like.addresses = {*policy::parse_address_range("10.0.0.0/8")};
  like.hours = {*policy::parse_hours("07:00-20:00 UTC")};
  like.connections_max = 10;
  like.connections_per_second_max = 5;
  like.session_age_max = std::chrono::hours{1};
  const auto told = [&](auto change) { return told_of_route(like, change); };
  for (const bool none : {false, true}) {
    EXPECT_EQ(told([&](Route&, Route& now) {
                now.addresses.clear();
                if (!none) now.addresses = {*policy::parse_address_range("10.0.0.0/7")};
              }),
              ", addresses wider");
    EXPECT_EQ(told([&](Route&, Route& now) {
                now.hours.clear();
                if (!none) now.hours = {*policy::parse_hours("07:00-20:01 UTC")};
              }),
              ", hours wider");
    EXPECT_EQ(told([&](Route&, Route& now) { now.connections_max = none ? 0 : 11; }),
              ", connections_max higher");
    EXPECT_EQ(told([&](Route&, Route& now) { now.connections_per_second_max = none ? 0 : 6; }),
              ", connections_per_second_max higher");
    EXPECT_EQ(told([&](Route&, Route& now) { now.session_age_max = std::chrono::hours{none ? 0 : 2}; }),
              ", session_age_max longer");
    EXPECT_EQ(told([&](Route& was, Route&) { was.addresses.clear(); }), "");
    EXPECT_EQ(told([&](Route& was, Route&) { was.hours.clear(); }), "");
    EXPECT_EQ(told([&](Route& was, Route&) { was.connections_max = none ? 0 : 11; }), "");
    EXPECT_EQ(told([&](Route& was, Route&) { was.connections_per_second_max = none ? 0 : 6; }), "");
    EXPECT_EQ(told([&](Route& was, Route&) { was.session_age_max = std::chrono::hours{none ? 0 : 2}; }), "");
  }
}

TEST(ConfigChange, SaysThatTheLimitOfClientsIsAnother) {
  auto after = good();
  after.clients_max = 10;
  EXPECT_EQ(what_changes(good(), after), "limits.clients_max changed");
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
  after.admin.token_file = "/token";
  after.state_directory = "/other";
  after.sandbox = config::SandboxMode::off;
  EXPECT_EQ(what_needs_restart(good(), after),
            "audit.mode, audit.dir, audit.durability, admin, state, sandbox");
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
}  // namespace sallyport::cli::config_change_test
