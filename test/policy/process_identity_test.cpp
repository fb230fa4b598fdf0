// Control groups and units out of what the kernel prints, and rules that ask for them.
#include "policy/process_identity.h"

#include "policy/conditions.h"
#include "policy/overlap.h"

#include <gtest/gtest.h>

namespace sallyport::policy::process_identity_test {
namespace {

TEST(ProcessIdentity, ReadsTheUnifiedHierarchyOrSystemdsOwn) {
  EXPECT_EQ(parse_cgroup("0::/system.slice/app.service\n"), "/system.slice/app.service");
  EXPECT_EQ(parse_cgroup("4:memory:/x\n1:name=systemd:/system.slice/app.service\n"),
            "/system.slice/app.service");
  EXPECT_EQ(parse_cgroup("1:name=systemd:/system.slice/app.service\n0::/other\n"),
            "/system.slice/app.service");
  EXPECT_EQ(parse_cgroup("0::/other\n1:name=systemd:/system.slice/app.service\n"),
            "/system.slice/app.service");
  EXPECT_EQ(parse_cgroup("0::/"), "/");
}

TEST(ProcessIdentity, SeesNothingInWhatItCannotTell) {
  for (const std::string text : {"", "\n", "0::", "0::x", "4:memory:/x", "0::/../../app.service", "0::/a/./b",
                                 "0:", "name=systemd:/x", "00::/x"}) {
    EXPECT_EQ(parse_cgroup(text), "") << text;
  }
  EXPECT_EQ(parse_cgroup("0::/" + std::string(5'000, 'x')), "");
}

TEST(ProcessIdentity, AUnitIsTheSystemsNotOneThatAUserNames) {
  EXPECT_EQ(unit_of("/system.slice/app.service"), "app.service");
  EXPECT_EQ(unit_of("/system.slice/system-app.slice/app@1.service/inner"), "app@1.service");
  EXPECT_EQ(unit_of("/user.slice/user-1000.slice/user@1000.service/app.slice/postgresql.service"),
            "user@1000.service");
  EXPECT_EQ(unit_of("/user.slice/user-1000.slice/session-3.scope"), "session-3.scope");
  EXPECT_EQ(unit_of("/system.slice/_cgroup.service"), "cgroup.service");
  for (const std::string none : {"", "/", "/system.slice", "/docker/0123", "/system.slice/.service"})
    EXPECT_EQ(unit_of(none), "") << none;
  EXPECT_EQ(unit_of("/docker/app.service"), "") << "the first that is no slice is what the manager started";
}

TEST(ProcessIdentity, AControlGroupHoldsThoseBelowItAndNotItsNamesakes) {
  EXPECT_TRUE(is_in_cgroup("/system.slice/app.service/x", "/system.slice/app.service"));
  EXPECT_TRUE(is_in_cgroup("/system.slice/app.service", "/system.slice/app.service"));
  EXPECT_FALSE(is_in_cgroup("/system.slice/app.service2", "/system.slice/app.service"));
  EXPECT_FALSE(is_in_cgroup("/system.slice", "/system.slice/app.service"));
  EXPECT_TRUE(is_in_cgroup("/x", "/"));
  EXPECT_FALSE(is_in_cgroup("", "/"));
}

Target target() {
  Target out;
  out.name = "t";
  out.databases = {"production"};
  out.roles["rw"] = Role{.name = "rw", .auth = "env:A", .user = {}, .run_as = {}};
  return out;
}

Result<Decision> decide_by(const AllowRule& rule, const PeerIdentity& peer) {
  Route route;
  route.name = "r";
  route.allow = {rule};
  return decide(route, target(), peer, {"me", ""}, WallTime{});
}

TEST(PolicyProcess, AUnitIsAnIdentityWithWhateverUserItHas) {
  AllowRule rule;
  rule.unit = "app.service";
  PeerIdentity peer;
  peer.uid = 33;
  EXPECT_FALSE(decide_by(rule, peer).has_value());
  peer.cgroup = "/system.slice/app.service";
  EXPECT_EQ(decide_by(rule, peer)->identity, "uid:33 unit:app.service");
  peer.cgroup = "/user.slice/user-33.slice/user@33.service/app.service";
  EXPECT_FALSE(decide_by(rule, peer).has_value());
}

TEST(PolicyProcess, AnExecutableOnlyNarrowsAndUnreadableIsNoMatch) {
  AllowRule rule;
  rule.uid = 1000;
  rule.executable = "/usr/bin/app";
  PeerIdentity peer;
  peer.uid = 1000;
  const ExecutableId id{1, 2, 3, 4};
  EXPECT_FALSE(decide_by(rule, peer).has_value()) << "neither is known";
  rule.program = id;
  EXPECT_FALSE(decide_by(rule, peer).has_value()) << "unreadable";
  peer.executable = id;
  EXPECT_TRUE(decide_by(rule, peer).has_value());
  peer.executable->changed_ns = 5;
  EXPECT_FALSE(decide_by(rule, peer).has_value());
  AllowRule nobody;
  nobody.executable = "/usr/bin/app";
  nobody.program = id;
  peer.executable = id;
  EXPECT_FALSE(decide_by(nobody, peer).has_value()) << "a program alone is nobody";
}

TEST(PolicyProcess, OfAnotherUserNamespaceNeedsTheRulesWordButAPasswordDoesNot) {
  AllowRule rule;
  rule.uid = 1000;
  PeerIdentity peer;
  peer.uid = 1000;
  peer.namespaced = true;
  const auto refused = decide_by(rule, peer);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().what, "uid 1000 of another user namespace does not match the route's only rule");
  rule.allow_namespaced = true;
  EXPECT_TRUE(decide_by(rule, peer).has_value());
  AllowRule password;
  password.verifier = "/etc/pw";
  password.logins = {"alice"};
  peer.login = "alice";
  EXPECT_TRUE(decide_by(password, peer).has_value());
}

TEST(PolicyProcess, WiderConditionsCoverNarrowerOnes) {
  AllowRule wide;
  wide.cgroup = "/system.slice";
  AllowRule narrow;
  narrow.cgroup = "/system.slice/app.service";
  EXPECT_TRUE(covers(wide, narrow));
  EXPECT_FALSE(covers(narrow, wide));
  narrow.allow_namespaced = true;
  EXPECT_FALSE(covers(wide, narrow));
  AllowRule unit;
  unit.unit = "app.service";
  EXPECT_FALSE(covers(wide, unit));
  EXPECT_TRUE(covers(unit, unit));
}

}  // namespace
}  // namespace sallyport::policy::process_identity_test
