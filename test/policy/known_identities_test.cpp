// Identities that are known before their clients come are those that decide() gives them.
#include "policy/known_identities.h"

#include "policy/decide.h"

#include <gtest/gtest.h>

namespace sallyport::policy::known_identities_test {
namespace {

using Identities = std::vector<std::string>;

Target target() {
  Target it;
  it.name = "db";
  it.databases = {"app"};
  it.roles["rw"].name = "rw";
  return it;
}

std::string decided(const AllowRule& rule, const PeerIdentity& peer) {
  Route route;
  route.allow = {rule};
  const auto decision = decide(route, target(), peer, {"rw", "app"}, WallTime{});
  return decision ? decision->identity : decision.error().what;
}

TEST(KnownIdentities, AUserIsKnownAsItWillBeDecided) {
  AllowRule rule;
  rule.uid = 1000;
  rule.user_name = "app";
  EXPECT_EQ(known_identities(rule), Identities{"uid:1000(app)"});
  EXPECT_EQ(known_identities(rule).front(), decided(rule, {1000, 1000}));
  rule.unit = "app.service";
  EXPECT_EQ(known_identities(rule), Identities{"uid:1000(app) unit:app.service"});
}

TEST(KnownIdentities, EachNameOfAPasswordFileIsKnown) {
  AllowRule rule;
  rule.verifier = "/etc/users";
  rule.logins = {"alice", "bob"};
  EXPECT_EQ(known_identities(rule), (Identities{"password:alice", "password:bob"}));
  PeerIdentity peer;
  peer.login = "bob";
  EXPECT_EQ(known_identities(rule).back(), decided(rule, peer));
}

TEST(KnownIdentities, ACertificateIsKnownUnlessItsRuleIsAPattern) {
  AllowRule rule;
  for (const auto* text :
       {"spiffe://example.org/ns/prod/sa/app", "dns:app.example.com", "CN=app,O=Example"}) {
    rule.certificate = *parse_certificate_rule(text);
    EXPECT_EQ(known_identities(rule), Identities{std::string{"cert:"} + text});
  }
  rule.certificate = *parse_certificate_rule("spiffe://example.org/ns/*/sa/app");
  EXPECT_TRUE(known_identities(rule).empty());
}

TEST(KnownIdentities, WhoIsInAGroupOrAUnitIsNotKnown) {
  AllowRule rule;
  rule.gid = 50;
  EXPECT_TRUE(known_identities(rule).empty());
  rule = {};
  rule.unit = "app.service";
  EXPECT_TRUE(known_identities(rule).empty());
  EXPECT_TRUE(known_identities(AllowRule{}).empty()) << "a rule for nobody";
}

}  // namespace
}  // namespace sallyport::policy::known_identities_test
