// Which certificates a rule means, and what policy makes of them.
#include "policy/certificate_rule.h"

#include "policy/decide.h"

#include <gtest/gtest.h>

namespace sallyport::policy::certificate_rule_test {
namespace {

CertificateRule rule(const std::string& text) {
  auto parsed = parse_certificate_rule(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed ? *parsed : CertificateRule{};
}

ClientCertificate certificate() {
  ClientCertificate one;
  one.subject = "CN=app,O=Example";
  one.dns_names = {"app.example.com", "b.example.com"};
  one.spiffe_id = "spiffe://example.org/ns/prod/sa/app";
  return one;
}

TEST(CertificateRule, ReadsSubjectsDnsNamesAndSpiffeIds) {
  EXPECT_EQ(rule("CN=app,O=Example").kind, CertificateRule::Kind::subject);
  EXPECT_EQ(rule("dns:App.Example.COM").text, "app.example.com");
  EXPECT_EQ(rule("spiffe://example.org/ns/*/sa/app").kind, CertificateRule::Kind::spiffe);
  for (const auto* text : {"CN=app,O=Example", "dns:app.example.com", "spiffe://example.org/ns/*/sa/app"}) {
    EXPECT_EQ(to_string(rule(text)), text);
  }
}

TEST(CertificateRule, RefusesWhatCouldNeverMatchOrMatchesTooMuch) {
  for (const auto* text : {"",
                           "app",
                           "=app",
                           "dns:",
                           "dns:*.example.com",
                           "dns:a..b",
                           "dns:a b",
                           "spiffe:",
                           "spiffe://",
                           "spiffe://example.org",
                           "spiffe://example.org/",
                           "spiffe://*/ns/app",
                           "spiffe://ex*.org/a",
                           "spiffe://example.org/ns/a*/x",
                           "spiffe://example.org/**",
                           "spiffe://example.org/a/../b",
                           "spiffe://Example.org/a",
                           "spiffe://example.org//a",
                           "https://example.org/a",
                           "*"}) {
    EXPECT_FALSE(parse_certificate_rule(text).has_value()) << text;
  }
}

TEST(CertificateRule, ASubjectMatchesWholeAndExactly) {
  EXPECT_TRUE(matches(rule("CN=app,O=Example"), certificate()));
  for (const auto* text :
       {"CN=app", "O=Example", "CN=app,O=example", "O=Example,CN=app", "CN=app, O=Example"}) {
    EXPECT_FALSE(matches(rule(text), certificate())) << text;
  }
}

TEST(CertificateRule, ADnsNameMatchesAnyOfTheCertificatesInAnyCase) {
  EXPECT_TRUE(matches(rule("dns:app.example.com"), certificate()));
  EXPECT_TRUE(matches(rule("dns:B.example.com"), certificate()));
  EXPECT_FALSE(matches(rule("dns:example.com"), certificate()));
  EXPECT_FALSE(matches(rule("dns:c.app.example.com"), certificate()));
}

TEST(CertificateRule, AStarIsExactlyOneSegment) {
  for (const auto* text : {"spiffe://example.org/ns/prod/sa/app", "spiffe://example.org/ns/*/sa/app",
                           "spiffe://example.org/*/*/*/*"}) {
    EXPECT_TRUE(matches(rule(text), certificate())) << text;
  }
  for (const auto* text :
       {"spiffe://example.org/ns/*/app", "spiffe://example.org/ns/*", "spiffe://example.org/*",
        "spiffe://example.org/ns/*/sa/app/*", "spiffe://example.org/ns/*/sa/other",
        "spiffe://example.org/*/sa/app", "spiffe://example.org/*/*/*"}) {
    EXPECT_FALSE(matches(rule(text), certificate())) << text;
  }
}

TEST(CertificateRule, AnotherTrustDomainNeverMatches) {
  for (const auto* text : {"spiffe://example.com/ns/prod/sa/app", "spiffe://org/ns/prod/sa/app",
                           "spiffe://a.example.org/ns/prod/sa/app", "spiffe://example.org.evil/*/*/*/*"}) {
    EXPECT_FALSE(matches(rule(text), certificate())) << text;
  }
}

TEST(CertificateRule, ACertificateWithoutNamesMatchesNothing) {
  const ClientCertificate nameless;
  for (const auto* text : {"CN=app", "dns:app.example.com", "spiffe://example.org/*"}) {
    EXPECT_FALSE(matches(rule(text), nameless)) << text;
  }
  EXPECT_FALSE(matches({CertificateRule::Kind::subject, ""}, nameless));
}

TEST(CertificateRule, CoversWhatItMatchesAndMore) {
  EXPECT_TRUE(covers(rule("spiffe://example.org/ns/*/sa/app"), rule("spiffe://example.org/ns/prod/sa/app")));
  EXPECT_FALSE(covers(rule("spiffe://example.org/ns/prod/sa/app"), rule("spiffe://example.org/ns/*/sa/app")));
  EXPECT_TRUE(covers(rule("spiffe://example.org/*/x"), rule("spiffe://example.org/*/x")));
  EXPECT_FALSE(covers(rule("dns:a.example"), rule("CN=a.example")));
}

TEST(CertificateRule, ARenewedCertificateHasTheSameOwner) {
  auto renewed = certificate();
  renewed.sha256 = "other";
  renewed.dns_names = {"pod-2.example.com"};
  EXPECT_TRUE(same_owner(certificate(), renewed)) << "the SPIFFE ID is the workload's";
  renewed.spiffe_id = "spiffe://example.org/ns/prod/sa/other";
  EXPECT_FALSE(same_owner(certificate(), renewed));
  renewed.spiffe_id = {};
  EXPECT_FALSE(same_owner(certificate(), renewed));
  ClientCertificate plain;
  plain.subject = "CN=a";
  auto other = plain;
  EXPECT_TRUE(same_owner(plain, other));
  other.subject = "CN=b";
  EXPECT_FALSE(same_owner(plain, other));
}

class DecideByCertificate : public testing::Test {
 protected:
  DecideByCertificate() {
    target.name = "production";
    target.databases = {"production"};
    for (const auto* name : {"rw", "ro"}) target.roles[name].name = name;
    route.name = "tcp:127.0.0.1:6432";
    route.target = "production";
  }
  void allow(const std::string& text, const std::string& role) {
    AllowRule made;
    made.certificate = rule(text);
    made.role = role;
    route.allow.push_back(made);
  }
  [[nodiscard]] Result<Decision> decide_for(const ClientCertificate& one,
                                            const std::string& user = "me") const {
    PeerIdentity peer;
    peer.certificate = std::make_shared<const ClientCertificate>(one);
    return decide(route, target, peer, {user, "production"}, WallTime{});
  }
  Route route;
  Target target;
};

TEST_F(DecideByCertificate, TheIdentityIsTheNameThatWasShownAndNotThePattern) {
  allow("spiffe://example.org/ns/*/sa/app", "rw");
  const auto decision = decide_for(certificate());
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->role, "rw");
  EXPECT_EQ(decision->identity, "cert:spiffe://example.org/ns/prod/sa/app");
}

TEST_F(DecideByCertificate, SeveralRolesAreChosenByTheUserNameAskedFor) {
  allow("dns:app.example.com", "rw");
  allow("CN=app,O=Example", "ro");
  EXPECT_EQ(decide_for(certificate(), "ro")->role, "ro");
  EXPECT_EQ(decide_for(certificate(), "ro")->identity, "cert:CN=app,O=Example");
  EXPECT_EQ(decide_for(certificate(), "rw")->identity, "cert:dns:app.example.com");
  EXPECT_FALSE(decide_for(certificate(), "postgres").has_value());
}

TEST_F(DecideByCertificate, WhoIsUnknownIsToldToTheLogWithARuleThatWouldFit) {
  allow("spiffe://example.com/ns/*/sa/app", "rw");
  const auto decision = decide_for(certificate());
  ASSERT_FALSE(decision.has_value());
  EXPECT_EQ(decision.error().what,
            "a certificate with SPIFFE ID spiffe://example.org/ns/prod/sa/app does not match the route's "
            "only rule");
  EXPECT_NE(decision.error().hint.find("{certificate: \"spiffe://example.org/ns/prod/sa/app\"}"),
            std::string::npos);
}

TEST_F(DecideByCertificate, WithoutACertificateOrAccountNobodyIsAnybody) {
  allow("spiffe://example.org/ns/*/sa/app", "rw");
  AllowRule account;
  account.uid = 0;
  account.role = "ro";
  route.allow.push_back(account);
  const auto decision = decide(route, target, {}, {"ro", "production"}, WallTime{});
  ASSERT_FALSE(decision.has_value());
  EXPECT_EQ(decision.error().what, "a client without a proven identity matches none of the route's 2 rules");
}

TEST_F(DecideByCertificate, AllConditionsOfARuleMustHold) {
  allow("dns:app.example.com", "rw");
  route.allow.front().uid = 1000;
  PeerIdentity peer;
  peer.certificate = std::make_shared<const ClientCertificate>(certificate());
  EXPECT_FALSE(decide(route, target, peer, {"me", "production"}, WallTime{}).has_value())
      << "no account is known";
  peer.uid = 1001;
  EXPECT_FALSE(decide(route, target, peer, {"me", "production"}, WallTime{}).has_value());
  peer.uid = 1000;
  const auto decision = decide(route, target, peer, {"me", "production"}, WallTime{});
  ASSERT_TRUE(decision.has_value());
  EXPECT_EQ(decision->identity, "cert:dns:app.example.com uid:1000");
  peer.certificate = nullptr;
  EXPECT_FALSE(decide(route, target, peer, {"me", "production"}, WallTime{}).has_value());
}

}  // namespace
}  // namespace sallyport::policy::certificate_rule_test
