// Who gets which role: examples, then every small world against a naive rule.
#include "policy/decide.h"

#include <gtest/gtest.h>

namespace sallyport::policy::decide_test {
namespace {

/// At a time that no rule here asks for.
Result<Decision> decide(const Route& route, const Target& target, const PeerIdentity& peer,
                        const ClientClaims& claims) {
  return policy::decide(route, target, peer, claims, WallTime{});
}

Target target(std::vector<std::string> databases = {"production", "archive"}) {
  Target out;
  out.name = "t";
  out.databases = std::move(databases);
  out.roles["rw"] = Role{.name = "rw", .auth = "env:A", .user = {}, .run_as = "owner"};
  out.roles["ro"] = Role{.name = "ro", .auth = "env:B", .user = {}, .run_as = {}};
  return out;
}

AllowRule user_rule(std::uint32_t uid, std::string name, std::string role) {
  AllowRule rule;
  rule.uid = uid;
  rule.user_name = std::move(name);
  rule.role = std::move(role);
  return rule;
}

AllowRule group_rule(std::uint32_t gid, std::string name, std::string role) {
  AllowRule rule;
  rule.gid = gid;
  rule.group_name = std::move(name);
  rule.role = std::move(role);
  return rule;
}

Route route(std::vector<AllowRule> allow) {
  return {.name = "unix:/run/s:5432",
          .listen = UnixListen{"/run/s", 5432},
          .allow = std::move(allow),
          .target = "t"};
}

TEST(PolicyDecide, OneRoleTakesAnyUserName) {
  const auto r = route({user_rule(7, "other", "ro"), user_rule(1000, "app", "rw")});
  for (const std::string claimed : {"postgres", "ro", ""}) {
    const auto decision = decide(r, target(), {1000, 1000}, {claimed, "archive"});
    ASSERT_TRUE(decision.has_value()) << claimed;
    EXPECT_EQ(decision->role, "rw");
    EXPECT_EQ(decision->run_as, "owner");
    EXPECT_EQ(decision->database, "archive");
    EXPECT_EQ(decision->rule, 1u);
    EXPECT_EQ(decision->identity, "uid:1000(app)");
  }
}

TEST(PolicyDecide, UserNameChoosesAmongSeveralRoles) {
  const auto r = route({user_rule(1000, "app", "rw"), group_rule(50, "staff", "ro")});
  const PeerIdentity peer{1000, 50};
  EXPECT_EQ(decide(r, target(), peer, {"rw", ""})->role, "rw");
  const auto read_only = decide(r, target(), peer, {"ro", ""});
  EXPECT_EQ(read_only->role, "ro");
  EXPECT_EQ(read_only->run_as, "");
  EXPECT_EQ(read_only->rule, 1u);
  EXPECT_EQ(read_only->identity, "gid:50(staff) uid:1000");
  const auto neither = decide(r, target(), peer, {"postgres", ""});
  ASSERT_FALSE(neither.has_value());
  EXPECT_EQ(neither.error().code, ErrorCode::denied);
  EXPECT_EQ(neither.error().hop, Hop::policy);
  EXPECT_EQ(neither.error().where, "unix:/run/s:5432");
  EXPECT_EQ(neither.error().what,
            "uid 1000 (gid 50) may have several roles (ro, rw) and asked for user \"postgres\", which is "
            "none of them");
}

TEST(PolicyDecide, AGroupThatIsNotKnownMatchesNoRuleAndIsNotSaid) {
  const auto denied = decide(route({group_rule(0, "root", "rw")}), target(), {1000, std::nullopt}, {"", ""});
  ASSERT_FALSE(denied.has_value());
  EXPECT_EQ(denied.error().what, "uid 1000 does not match the route's only rule");
}

TEST(PolicyDecide, UserNameNeverGivesARoleThatTheIdentityLacks) {
  const auto r = route({user_rule(1000, "app", "ro"), user_rule(1001, "admin", "rw")});
  EXPECT_EQ(decide(r, target(), {1000, 1000}, {"rw", ""})->role, "ro");
}

TEST(PolicyDecide, StrangersAreDenied) {
  const auto r = route({user_rule(1000, "app", "rw"), group_rule(50, "staff", "ro")});
  const auto decision = decide(r, target(), {1001, 1001}, {"rw", "production"});
  ASSERT_FALSE(decision.has_value());
  EXPECT_EQ(decision.error().code, ErrorCode::denied);
  EXPECT_EQ(decision.error().what, "uid 1001 (gid 1001) matches none of the route's 2 rules");
  EXPECT_FALSE(decide(route({}), target(), {0, 0}, {"rw", "production"}).has_value());
}

TEST(PolicyDecide, AllConditionsOfARuleMustHold) {
  AllowRule both = user_rule(1000, "app", "rw");
  both.gid = 50;
  both.group_name = "staff";
  const auto r = route({both});
  EXPECT_FALSE(decide(r, target(), {1000, 1000}, {"", ""}).has_value());
  EXPECT_FALSE(decide(r, target(), {1001, 50}, {"", ""}).has_value());
  EXPECT_EQ(decide(r, target(), {1000, 50}, {"", ""})->identity, "gid:50(staff) uid:1000(app)");
  EXPECT_TRUE(decide(r, target(), {1000, 1000, {4, 50}}, {"", ""}).has_value());
}

TEST(PolicyDecide, RuleWithoutConditionMatchesNobody) {
  AllowRule open;
  open.role = "rw";
  EXPECT_FALSE(decide(route({open}), target(), {0, 0}, {"rw", "production"}).has_value());
}

TEST(PolicyDecide, OverflowIdsNeverMatch) {
  EXPECT_FALSE(
      decide(route({user_rule(65534, "nobody", "rw")}), target(), {65534, 65534}, {"", ""}).has_value());
  EXPECT_FALSE(
      decide(route({group_rule(65534, "nogroup", "rw")}), target(), {1000, 65534}, {"", ""}).has_value());
  EXPECT_FALSE(decide(route({group_rule(50, "staff", "rw")}), target(), {65534, 50}, {"", ""}).has_value());
}

TEST(PolicyDecide, RuleWithoutRoleMeansTheOnlyOne) {
  Target single = target();
  single.roles.erase("ro");
  EXPECT_EQ(decide(route({user_rule(1, "a", "")}), single, {1, 1}, {"x", ""})->role, "rw");
  EXPECT_FALSE(decide(route({user_rule(1, "a", "")}), target(), {1, 1}, {"rw", ""}).has_value());
  EXPECT_FALSE(decide(route({user_rule(1, "a", "gone")}), single, {1, 1}, {"rw", ""}).has_value());
}

TEST(PolicyDecide, DatabaseMustBeTheTargets) {
  const auto r = route({user_rule(1000, "app", "rw")});
  EXPECT_EQ(decide(r, target(), {1000, 1}, {"x", ""})->database, "production");
  EXPECT_EQ(decide(r, target(), {1000, 1}, {"x", "archive"})->database, "archive");
  const auto other = decide(r, target(), {1000, 1}, {"x", "template1"});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().what, "database \"template1\" is none of target t's (production, archive)");
  const auto defaulted = decide(r, target(), {1000, 1}, {"app", "app"});
  ASSERT_FALSE(defaulted.has_value());
  EXPECT_NE(defaulted.error().hint.find("told no database"), std::string::npos);
}

TEST(PolicyDecide, AnyDatabaseFallsBackToTheUserName) {
  const auto r = route({user_rule(1000, "app", "rw")});
  EXPECT_EQ(decide(r, target({}), {1000, 1}, {"x", "anything"})->database, "anything");
  EXPECT_EQ(decide(r, target({}), {1000, 1}, {"x", ""})->database, "x");
  EXPECT_FALSE(decide(r, target({}), {1000, 1}, {"", ""}).has_value());
}

TEST(PolicyDecide, ClaimedTextIsShortenedAndMadePrintable) {
  const auto r = route({user_rule(1000, "app", "rw")});
  const auto hostile = decide(r, target(), {1000, 1}, {"x", "\x1b[2J\n\"" + std::string(10'000, 'a')});
  ASSERT_FALSE(hostile.has_value());
  EXPECT_LT(hostile.error().what.size(), 200u);
  for (const char c : {'\x1b', '\n'}) EXPECT_EQ(hostile.error().what.find(c), std::string::npos);
  EXPECT_NE(hostile.error().what.find("\"?[2J??aaa"), std::string::npos);
}

TEST(PolicyDecide, NumbersAreNotRepeatedAsNames) {
  EXPECT_EQ(identity_text({1000, 1}, user_rule(1000, "1000", "rw")), "uid:1000");
  EXPECT_EQ(identity_text({1000, 1}, group_rule(50, "50", "rw")), "gid:50 uid:1000");
}

/// All small worlds: a peer gets a role only when some rule whose every condition holds gives it.
TEST(PolicyDecide, AgreesWithTheNaiveRuleOnAllSmallWorlds) {
  const Target t = target();
  const std::vector<std::optional<std::uint32_t>> ids{std::nullopt, 1, 2};
  std::vector<AllowRule> rules;
  for (const auto& uid : ids) {
    for (const auto& gid : ids) {
      for (const std::string role : {"rw", "ro"}) {
        AllowRule rule;
        rule.uid = uid;
        rule.gid = gid;
        rule.role = role;
        rules.push_back(rule);
      }
    }
  }
  std::size_t allowed = 0;
  for (const AllowRule& a : rules) {
    for (const AllowRule& b : rules) {
      for (std::uint32_t uid = 1; uid <= 3; ++uid) {
        for (std::uint32_t gid = 1; gid <= 3; ++gid) {
          for (const std::string asked : {"rw", "ro", "x"}) {
            std::vector<std::string> may;
            for (const AllowRule* rule : {&a, &b}) {
              const bool named = rule->uid.has_value() || rule->gid.has_value();
              const bool holds = rule->uid.value_or(uid) == uid && rule->gid.value_or(gid) == gid;
              if (named && holds) may.push_back(rule->role);
            }
            const bool one = may.size() == 1 || (may.size() == 2 && may[0] == may[1]);
            const bool chosen = std::find(may.begin(), may.end(), asked) != may.end();
            const auto decision = decide(route({a, b}), t, {uid, gid}, {asked, "archive"});
            ASSERT_EQ(decision.has_value(), one || chosen);
            if (!decision.has_value()) continue;
            EXPECT_EQ(decision->role, one ? may[0] : asked);
            ++allowed;
          }
        }
      }
    }
  }
  EXPECT_GT(allowed, 1'000u);
}

}  // namespace
}  // namespace sallyport::policy::decide_test
