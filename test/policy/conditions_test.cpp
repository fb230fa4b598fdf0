// Rules with more than a user: passwords, addresses, hours, replication; and what `explain` says of them.
#include "policy/conditions.h"
#include "policy/explain.h"
#include "policy/overlap.h"

#include <gtest/gtest.h>

namespace sallyport::policy::conditions_test {
namespace {

using namespace std::chrono_literals;

/// Monday, 10:00 UTC.
WallTime monday() { return std::chrono::sys_days{std::chrono::year{2026} / 7 / 6} + 10h; }
WallTime sunday() { return monday() - 24h; }

Target target() {
  Target out;
  out.name = "t";
  out.databases = {"production", "archive"};
  out.roles["rw"] = Role{.name = "rw", .auth = "env:A", .user = {}, .run_as = "owner"};
  out.roles["ro"] = Role{.name = "ro", .auth = "env:B", .user = {}, .run_as = {}};
  return out;
}

AllowRule password_rule(std::vector<std::string> logins, std::string role) {
  AllowRule rule;
  rule.verifier = "/etc/pw";
  rule.logins = std::move(logins);
  rule.role = std::move(role);
  return rule;
}

AllowRule user_rule(std::uint32_t uid, std::string role) {
  AllowRule rule;
  rule.uid = uid;
  rule.user_name = "app";
  rule.role = std::move(role);
  return rule;
}

Route route(std::vector<AllowRule> allow) {
  Route out;
  out.name = "unix:/run/s:5432";
  out.allow = std::move(allow);
  out.target = "t";
  for (const auto& rule : out.allow) {
    for (const auto& name : rule.logins) out.passwords[name] = {};
  }
  return out;
}

PeerIdentity peer(std::optional<std::uint32_t> uid, std::string login = {}) {
  PeerIdentity out;
  out.uid = uid;
  out.login = std::move(login);
  return out;
}

TEST(PolicyPasswords, GiveTheRoleOfTheNameThatWasProven) {
  const auto r = route({password_rule({"alice"}, "rw"), password_rule({"bob"}, "ro")});
  const auto alice = decide(r, target(), peer(1000, "alice"), {"alice", ""}, monday());
  ASSERT_TRUE(alice.has_value());
  EXPECT_EQ(alice->role, "rw");
  EXPECT_EQ(alice->identity, "password:alice");
  EXPECT_EQ(decide(r, target(), peer({}, "bob"), {"bob", ""}, monday())->identity, "password:bob");
  const auto nobody = decide(r, target(), peer(1000), {"alice", ""}, monday());
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().what, "uid 1000 matches none of the route's 2 rules");
  EXPECT_EQ(decide(r, target(), peer({}), {"alice", ""}, monday()).error().what,
            "a client without a proven identity matches none of the route's 2 rules");
  EXPECT_FALSE(decide(r, target(), peer(1000, "carol"), {"alice", ""}, monday()).has_value());
}

TEST(PolicyPasswords, OfSeveralRolesTheFirstRulesIsTheirs) {
  auto office = password_rule({"alice"}, "rw");
  office.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  const auto r = route({office, password_rule({"alice", "bob"}, "ro")});
  EXPECT_EQ(decide(r, target(), peer(1000, "alice"), {"alice", ""}, monday())->role, "rw");
  EXPECT_EQ(decide(r, target(), peer(1000, "alice"), {"alice", ""}, sunday())->role, "ro");
  EXPECT_EQ(decide(r, target(), peer(1000, "bob"), {"bob", ""}, monday())->role, "ro");
}

TEST(PolicyPasswords, BesideAUserNeedBoth) {
  auto rule = user_rule(1000, "rw");
  rule.verifier = "/etc/pw";
  rule.logins = {"alice"};
  const auto r = route({rule});
  EXPECT_FALSE(decide(r, target(), peer(1000), {"alice", ""}, monday()).has_value());
  EXPECT_FALSE(decide(r, target(), peer(1001, "alice"), {"alice", ""}, monday()).has_value());
  EXPECT_FALSE(decide(r, target(), peer({}, "alice"), {"alice", ""}, monday()).has_value());
  const auto both = decide(r, target(), peer(1000, "alice"), {"alice", ""}, monday());
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ(both->identity, "uid:1000(app) password:alice");
}

TEST(PolicyPasswords, AreAskedForOnlyWhereTheyCouldHelpAndWhateverNameIsClaimed) {
  const auto r = route({user_rule(1000, "ro"), password_rule({"alice"}, "rw")});
  EXPECT_FALSE(asks_password(r, peer(1000), {"alice", ""}, monday())) << "it is known already";
  for (const std::string claimed : {"alice", "mallory", ""}) {
    EXPECT_TRUE(asks_password(r, peer(1001), {claimed, ""}, monday())) << claimed;
    EXPECT_TRUE(asks_password(r, peer({}), {claimed, ""}, monday())) << claimed;
  }
  EXPECT_FALSE(asks_password(route({user_rule(1000, "ro")}), peer(1001), {"alice", ""}, monday()));
  auto office = password_rule({"alice"}, "rw");
  office.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  EXPECT_TRUE(asks_password(route({office}), peer(1001), {}, monday()));
  EXPECT_FALSE(asks_password(route({office}), peer(1001), {}, sunday()));
  EXPECT_FALSE(asks_password(route({password_rule({"alice"}, "rw")}), peer(1001),
                             {"alice", "", Replication::physical}, monday()));
}

TEST(PolicyPasswords, OfAnAccountThatTheKernelCannotNameCountAlone) {
  auto group = user_rule(1000, "rw");
  group.uid.reset();
  group.gid = 50;
  const auto r = route({group, password_rule({"alice"}, "ro")});
  auto stranger = peer(overflow_id);
  stranger.gid = 50;
  EXPECT_FALSE(decide(r, target(), stranger, {"", ""}, monday()).has_value());
  EXPECT_TRUE(asks_password(r, stranger, {"", ""}, monday()));
  stranger.login = "alice";
  EXPECT_EQ(decide(r, target(), stranger, {"", ""}, monday())->role, "ro");
}

TEST(PolicyHours, OutsideThemARuleDoesNotMatchAndTheLogSaysSo) {
  auto rule = user_rule(1000, "rw");
  rule.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC"), *parse_hours("Sat 08:00-12:00 UTC")};
  EXPECT_TRUE(decide(route({rule}), target(), peer(1000), {}, monday()).has_value());
  const auto late = decide(route({rule}), target(), peer(1000), {}, sunday());
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().what, "uid 1000 matches rule 1 but for its hours");
  auto closed = route({user_rule(1000, "rw")});
  closed.hours = rule.hours;
  EXPECT_TRUE(decide(closed, target(), peer(1000), {}, monday()).has_value());
  EXPECT_EQ(decide(closed, target(), peer(1000), {}, sunday()).error().what,
            "uid 1000 came outside the route's hours");
}

TEST(PolicyAddresses, AdmitWhoComesFromThemAndNobodyWithoutAddress) {
  auto rule = password_rule({"alice"}, "rw");
  rule.addresses = {*parse_address_range("10.0.0.0/8"), *parse_address_range("2001:db8::/32")};
  const auto from = [&](std::string_view address) {
    auto who = peer({}, "alice");
    if (!address.empty()) who.address = parse_ip_address(address);
    return decide(route({rule}), target(), who, {"alice", ""}, monday());
  };
  EXPECT_TRUE(from("10.1.2.3").has_value());
  EXPECT_TRUE(from("::ffff:10.1.2.3").has_value());
  EXPECT_TRUE(from("2001:db8::7").has_value());
  EXPECT_FALSE(from("192.0.2.7").has_value());
  EXPECT_EQ(from("").error().what, "the password of \"alice\" matches rule 1 but for its addresses");
}

TEST(PolicyDatabase, ARuleGivesOnlyTheDatabasesThatItNamesAndTheFirstToWhomAsksForNone) {
  auto rule = user_rule(1000, "rw");
  rule.databases = {"archive"};
  const auto asks = [&](const AllowRule& one, const std::string& database,
                        Replication kind = Replication::none) {
    return decide(route({one}), target(), peer(1000), {"app", database, kind}, monday());
  };
  EXPECT_EQ(asks(rule, "archive")->database, "archive");
  EXPECT_EQ(asks(rule, "")->database, "archive");
  const auto other = asks(rule, "production");
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().what, "uid 1000 matches rule 1 but for its database");
  EXPECT_EQ(other.error().hint, "The rule is for database archive only.");
  rule.replication = true;
  EXPECT_TRUE(asks(rule, "archive", Replication::logical).has_value());
  EXPECT_FALSE(asks(rule, "production", Replication::logical).has_value());
  EXPECT_FALSE(asks(rule, "archive", Replication::physical).has_value()) << "that copies all databases";
}

TEST(PolicyDatabase, OfTwoRulesTheOneForTheDatabaseGivesTheRole) {
  auto mine = user_rule(1000, "rw"), others = user_rule(1000, "ro");
  mine.databases = {"production"};
  others.databases = {"archive"};
  const auto r = route({mine, others});
  EXPECT_EQ(decide(r, target(), peer(1000), {"me", "production"}, monday())->role, "rw");
  EXPECT_EQ(decide(r, target(), peer(1000), {"me", "archive"}, monday())->role, "ro");
}

TEST(PolicyDatabase, WhoProvesNoPasswordHearsNothingOfDatabases) {
  auto rule = password_rule({"alice"}, "rw");
  rule.databases = {"archive"};
  for (const std::string database : {"archive", "production", "nonsense"})
    EXPECT_TRUE(asks_password(route({rule}), peer({}), {"alice", database}, monday())) << database;
}

TEST(PolicyDatabase, NoPasswordIsAskedForWhereNoneCouldHelp) {
  auto elsewhere = user_rule(1000, "rw"), closed = password_rule({"alice"}, "rw");
  elsewhere.databases = {"archive"};
  closed.hours = {*parse_hours("Sat 08:00-12:00 UTC")};
  EXPECT_FALSE(asks_password(route({elsewhere, closed}), peer(1000), {"me", "production"}, monday()));
}

TEST(PolicyDatabase, DecidesWhichRulesMeetAndWhichCoverOthers) {
  auto some = user_rule(1000, "rw"), other = user_rule(1000, "rw");
  some.databases = {"a", "b"};
  other.databases = {"c"};
  const auto all = user_rule(1000, "rw");
  EXPECT_EQ(overshadowed_by({all, some}, 1), 0u);
  EXPECT_EQ(overshadowed_by({some, all}, 1), 2u);
  EXPECT_EQ(overshadowed_by({some, other}, 1), 2u);
  EXPECT_FALSE(may_meet(some, other));
  EXPECT_TRUE(may_meet(some, all));
  EXPECT_EQ(describe_rule(some), "user app, database a or b");
}

TEST(PolicyReplication, NeedsARuleThatAllowsIt) {
  auto allowed = user_rule(1000, "rw");
  allowed.replication = true;
  const ClientClaims physical{"me", "whatever", Replication::physical};
  const ClientClaims logical{"me", "archive", Replication::logical};
  const auto refused = decide(route({user_rule(1000, "rw")}), target(), peer(1000), physical, monday());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().what, "uid 1000 matches rule 1 but for its replication");
  EXPECT_EQ(refused.error().hint, "Replication sessions need `replication: true` in the rule.");
  const auto whole = decide(route({allowed}), target(), peer(1000), physical, monday());
  ASSERT_TRUE(whole.has_value()) << whole.error().what;
  EXPECT_EQ(whole->database, "replication");
  EXPECT_EQ(whole->run_as, "") << "it could not look the role up";
  const auto decoding = decide(route({allowed}), target(), peer(1000), logical, monday());
  EXPECT_EQ(decoding->database, "archive");
  EXPECT_EQ(decoding->run_as, "owner");
  EXPECT_EQ(decoding->replication, Replication::logical);
  EXPECT_FALSE(decide(route({allowed}), target(), peer(1000), {"me", "other", Replication::logical}, monday())
                   .has_value());
}

TEST(PolicyReplication, IsReadAsPostgresReadsIt) {
  for (const std::string no : {"false", "f", "FALSE", "no", "n", "off", "of", "0"})
    EXPECT_EQ(replication_of(no), Replication::none) << no;
  for (const std::string yes : {"true", "t", "on", "1", "yes", "o", "", "nonsense", "DATABASE"})
    EXPECT_EQ(replication_of(yes), Replication::physical) << yes;
  EXPECT_EQ(replication_of("database"), Replication::logical);
}

TEST(PolicyExplain, SaysOfEachRuleWhatIsMissing) {
  auto office = user_rule(1000, "rw");
  office.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  const auto r = route({office, password_rule({"alice", "bob"}, "ro")});
  const auto explained = explain(r, target(), peer(1001), {"alice", ""}, sunday());
  ASSERT_EQ(explained.rules.size(), 2u);
  EXPECT_TRUE(explained.rules[0].unmet.has(Condition::user));
  EXPECT_TRUE(explained.rules[0].unmet.has(Condition::hours));
  EXPECT_TRUE(explained.rules[1].unmet.only({Condition::password}));
  EXPECT_TRUE(explained.asks_password);
  EXPECT_FALSE(explained.decision.has_value());
  EXPECT_EQ(why_unmet(Condition::user, office, peer(1001)), "wanted is app (uid 1000), this is uid 1001");
  EXPECT_EQ(why_unmet(Condition::hours, office, peer(1001)), "outside Mon-Fri 07:00-20:00 UTC");
  EXPECT_EQ(why_unmet(Condition::password, r.allow[1], peer(1001)), "no password was proven");
}

TEST(PolicyExplain, AgreesWithTheDecision) {
  auto office = user_rule(1000, "rw");
  office.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  const auto r = route({office, password_rule({"alice"}, "ro"), user_rule(1001, "ro")});
  for (const auto uid : {std::optional<std::uint32_t>{}, std::optional{1000U}, std::optional{1001U}}) {
    for (const std::string login : {"", "alice", "bob"}) {
      for (const auto now : {monday(), sunday()}) {
        const auto explained = explain(r, target(), peer(uid, login), {"ro", ""}, now);
        bool any = false;
        for (const auto& verdict : explained.rules) any = any || verdict.unmet.none();
        EXPECT_EQ(explained.decision.has_value(), any);
        if (explained.decision) {
          EXPECT_TRUE(explained.rules[explained.decision->rule].unmet.none());
        }
        EXPECT_FALSE(any && explained.asks_password);
      }
    }
  }
}

TEST(PolicyExplain, DescribesRulesAsTheyAreWritten) {
  auto rule = user_rule(1000, "rw");
  rule.gid = 50;
  rule.group_name = "staff";
  rule.addresses = {*parse_address_range("10.0.0.0/8"), *parse_address_range("::1")};
  rule.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  rule.connections_max = 3;
  rule.replication = true;
  EXPECT_EQ(describe_rule(rule),
            "user app, group staff, from 10.0.0.0/8 or ::1, Mon-Fri 07:00-20:00 UTC, also for replication, "
            "at most 3 "
            "sessions at once");
  EXPECT_EQ(describe_rule(password_rule({"alice", "bob"}, "ro")), "password alice or bob in /etc/pw");
  EXPECT_EQ(describe_rule(password_rule({"a", "b", "c", "d"}, "ro")), "password of 4 names in /etc/pw");
}

TEST(PolicyOverlap, ARuleIsOvershadowedByAWiderOneOfTheSameRole) {
  auto narrow = user_rule(1000, "rw");
  narrow.hours = {*parse_hours("Mon 08:00-09:00 UTC")};
  const auto wide = user_rule(1000, "rw");
  EXPECT_EQ(overshadowed_by({wide, narrow}, 1), 0u);
  EXPECT_EQ(overshadowed_by({narrow, wide}, 0), 1u);
  auto limited = narrow;
  limited.connections_max = 1;
  EXPECT_EQ(overshadowed_by({limited, wide}, 0), 2u) << "it is the first that limits them";
  EXPECT_EQ(overshadowed_by({wide, limited}, 1), 0u);
  auto replicating = user_rule(1000, "rw");
  replicating.replication = true;
  EXPECT_EQ(overshadowed_by({wide, replicating}, 1), 2u);
  EXPECT_EQ(overshadowed_by({wide, wide}, 0), 2u);
  EXPECT_EQ(overshadowed_by({wide, wide}, 1), 0u);
  EXPECT_EQ(overshadowed_by({password_rule({"a", "b"}, "rw"), password_rule({"b"}, "rw")}, 1), 0u);
  EXPECT_EQ(overshadowed_by({password_rule({"a"}, "rw"), password_rule({"b"}, "rw")}, 1), 2u);
}

TEST(PolicyOverlap, NobodyMeetsConditionsThatHaveNothingInCommon) {
  auto r = route({});
  r.hours = {*parse_hours("Mon-Fri 07:00-20:00 UTC")};
  r.addresses = {*parse_address_range("10.0.0.0/8")};
  auto rule = user_rule(1000, "rw");
  EXPECT_EQ(impossible_condition(r, rule), "");
  rule.hours = {*parse_hours("Sat 07:00-20:00 UTC")};
  EXPECT_EQ(impossible_condition(r, rule), "hours");
  rule.hours = {*parse_hours("Sat 07:00-20:00 Europe/Berlin")};
  EXPECT_EQ(impossible_condition(r, rule), "") << "of two zones nothing is known";
  rule.addresses = {*parse_address_range("192.0.2.0/24")};
  EXPECT_EQ(impossible_condition(r, rule), "addresses");
  rule.addresses = {*parse_address_range("10.7.0.0/16")};
  EXPECT_EQ(impossible_condition(r, rule), "");
}

}  // namespace
}  // namespace sallyport::policy::conditions_test
