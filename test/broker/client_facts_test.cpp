// Clients that are alike share their facts; what differs is not mixed up.
#include "broker/client_facts.h"

#include <gtest/gtest.h>

namespace sallyport::broker::client_facts_test {
namespace {

ClientFacts facts_of(const std::string& name) {
  ClientFacts facts;
  facts.peer.uid = 1000;
  facts.peer.executable = "/usr/bin/app";
  facts.claims.user = "app";
  facts.application_name = name;
  facts.access.decision.identity = "uid:1000";
  return facts;
}

std::shared_ptr<const policy::ClientCertificate> certificate(const std::string& sha256) {
  auto one = std::make_shared<policy::ClientCertificate>();
  one->sha256 = sha256;
  return one;
}

TEST(KnownClients, ThoseThatAreAlikeShareTheirFacts) {
  KnownClients clients;
  const auto a = clients.share(facts_of("a"));
  EXPECT_EQ(clients.share(facts_of("a")), a);
  EXPECT_NE(clients.share(facts_of("b")), a);
}

TEST(KnownClients, EveryFactCounts) {
  KnownClients clients;
  const auto one = clients.share(facts_of("a"));
  auto other = facts_of("a");
  other.peer.cgroup = "/system.slice/app.service";
  EXPECT_NE(clients.share(other), one);
  other = facts_of("a");
  other.access.decision.run_as = "reader";
  EXPECT_NE(clients.share(other), one);
  other = facts_of("a");
  other.key.profile = {{"TimeZone", "UTC"}};
  EXPECT_NE(clients.share(other), one);
  other = facts_of("a");
  other.told.note("TimeZone", "UTC");
  EXPECT_NE(clients.share(other), one);
}

TEST(KnownClients, EachHandshakesCertificateIsTheSameOne) {
  KnownClients clients;
  auto a = facts_of("a"), again = facts_of("a"), other = facts_of("a");
  a.peer.certificate = certificate("01");
  again.peer.certificate = certificate("01");
  other.peer.certificate = certificate("02");
  const auto known = clients.share(a);
  EXPECT_EQ(clients.share(again), known);
  EXPECT_NE(clients.share(other), known);
}

TEST(KnownClients, OfThoseThatHaveLeftNothingStays) {
  KnownClients clients;
  for (int i = 0; i < 10'000; ++i) (void)clients.share(facts_of(std::to_string(i)));
  EXPECT_LT(clients.size(), 100U);
}

}  // namespace
}  // namespace sallyport::broker::client_facts_test
