// Instances of Cloud SQL that are named in DNS: which texts are domains, which record counts, when it is looked up again.
#include "secrets/gcp/instance_domain.h"
#include "test/secrets/azure_certificate.h"
#include "test/secrets/gcp_world.h"

namespace sallyport::gcp_domain_test {
namespace {

using secrets::gcp::choose_instance;
using secrets::gcp::domain_in;
using namespace std::chrono_literals;

constexpr const char* reference = "gcp-cloudsql-iam:?instance=db.example.com";
constexpr const char* settings_url = "GET https://sqladmin.googleapis.com/";

class GcpDomain : public testing::Test {
 protected:
  GcpDomain() : world(contract::gcp_key_file()) {
    world.on(
        settings_url,
        {200,
         R"({"region":"r1","databaseVersion":"POSTGRES_15","backendType":"SECOND_GEN","dnsName":"x.sql.goog.",)"
         R"("ipAddresses":[{"type":"PRIMARY","ipAddress":"34.1.2.3"}],"serverCaCert":{"cert":")" +
             certificate_in_json() + "\"}}"});
    world.on("POST https://sqladmin.googleapis.com/",
             {200, R"({"ephemeralCert":{"cert":")" + certificate_in_json() + "\"}}"});
    world.txt["db.example.com"] = {"p:r1:db"};
    session = *gcp_session(reference, {"postgresql", {}, ""});
  }

  Result<secrets::Fetched> fetch() { return world.fetch(*session); }
  [[nodiscard]] std::string warning() const {
    const auto all = session->warnings();
    return all.empty() ? "" : all.front();
  }

  void pass(Duration time) {
    world.now = {world.now.wall + std::chrono::duration_cast<WallTime::duration>(time),
                 world.now.mono + std::chrono::duration_cast<MonotonicTime::duration>(time)};
  }

  /// The fetch fails in DNS, says this, and shows nothing of the records.
  void expect_failure(ErrorCode code, std::string_view words) {
    const auto failed = fetch();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, code);
    EXPECT_EQ(failed.error().hop, Hop::dns);
    EXPECT_EQ(failed.error().where, "db.example.com");
    EXPECT_TRUE(has(told(failed), words));
    EXPECT_EQ(describe(failed.error()).find("junk"), std::string::npos);
  }

  GcpWorld world;
  std::unique_ptr<secrets::SourceSession> session;
};

TEST(GcpDomainName, HasTwoLabelsOrMoreByTheConnectorsRule) {
  EXPECT_EQ(domain_in("db.example.com"), "db.example.com");
  EXPECT_EQ(domain_in("db.example.com."), "db.example.com");
  EXPECT_EQ(domain_in("_x.a-b.c0"), "_x.a-b.c0");
  const std::string label(63, 'a');
  EXPECT_EQ(domain_in(label + "." + label), label + "." + label);
  for (const auto& wrong :
       {std::string{}, std::string{"."}, std::string{"db"}, std::string{"db."}, std::string{".db.example"},
        std::string{"a..b"}, std::string{"DB.example.com"}, std::string{"-a.b"}, std::string{"a-.b"},
        std::string{"a.b-"}, std::string{"10.0.0.1"}, std::string{"a.b:r:i"}, std::string{"a.b/c"},
        std::string{"a b.c"}, std::string{"a.b.."}, label + "a.b",
        label + "." + label + "." + label + "." + label}) {
    EXPECT_EQ(domain_in(wrong), "") << wrong;
  }
}

TEST(GcpDomainName, OfTheRecordsThatAreNamesTheLexicallyFirstCounts) {
  EXPECT_EQ(choose_instance("d.e", {"p:r:z", "v=spf1 -all", "p:r:b", "a", "p:r:c"})->connection_name(),
            "p:r:b");
  EXPECT_EQ(choose_instance("d.e", {"", "example.com:p:r:i"})->project, "example.com:p");
  for (const auto* wrong : {"", "p:r", " p:r:i", "p:r:i ", "\"p:r:i\"", "x p:r:i y", "p:r:../i", "d.e"})
    EXPECT_FALSE(choose_instance("d.e", {wrong})) << wrong;
}

TEST_F(GcpDomain, LeadsToTheInstanceOfItsRecordAndItsOwnNameMayBeInTheCertificate) {
  const auto fetched = fetch();
  ASSERT_TRUE(fetched) << told(fetched);
  EXPECT_EQ(
      world.count("GET https://sqladmin.googleapis.com/sql/v1beta4/projects/p/instances/db/connectSettings"),
      1);
  EXPECT_EQ(fetched->access->names, (std::vector<std::string>{"db.example.com", "x.sql.goog"}));
  EXPECT_EQ(fetched->access->common_name, "p:db");
  EXPECT_EQ(fetched->refetch_after, Duration{30s});
}

TEST_F(GcpDomain, ALookThatFindsTheSameInstanceAsksTheControlPlaneNothing) {
  const auto first = fetch();
  for (int i = 0; i < 5; ++i) {
    pass(30s);
    const auto again = fetch();
    ASSERT_TRUE(again) << told(again);
    EXPECT_TRUE(again->credential.secret.equals(first->credential.secret));
    EXPECT_EQ(again->credential.certificate_pem, first->credential.certificate_pem);
    EXPECT_EQ(again->credential.expires, first->credential.expires);
    EXPECT_EQ(again->access, first->access);
    EXPECT_EQ(again->refetch_after, Duration{30s});
  }
  EXPECT_EQ(world.count(settings_url), 1);
  EXPECT_EQ(world.waited, Duration::zero());
  pass(30min);  // the certificate's half life
  ASSERT_TRUE(fetch());
  EXPECT_EQ(world.count(settings_url), 2);
  EXPECT_EQ(warning(), "");
}

TEST_F(GcpDomain, AnotherRecordLeadsToAnotherInstance) {
  const auto first = fetch();
  world.txt["db.example.com"] = {"p:r1:green"};
  pass(30s);
  const auto second = fetch();
  ASSERT_TRUE(second) << told(second);
  EXPECT_EQ(second->access->common_name, "p:green");
  EXPECT_NE(second->access, first->access);
  EXPECT_TRUE(has(warning(), "db.example.com names another instance now: p:r1:green and not p:r1:db"));
  pass(30s);
  ASSERT_TRUE(fetch());
  EXPECT_EQ(warning(), "");
  EXPECT_EQ(world.count(settings_url), 2);
}

TEST_F(GcpDomain, ALookUpThatFailsKeepsTheInstanceThatIsKnown) {
  const auto first = fetch();
  world.name_servers = ErrorCode::timed_out;
  pass(30s);
  const auto second = fetch();
  ASSERT_TRUE(second) << told(second);
  EXPECT_EQ(second->access, first->access);
  EXPECT_TRUE(has(warning(), "db.example.com: made to fail; the instance that it named last stays in use"));
  pass(30min);
  const auto third = fetch();  // a new certificate, for the same
  ASSERT_TRUE(third) << told(third);
  EXPECT_EQ(third->access->common_name, "p:db");
  world.name_servers.reset();
  for (const auto& records : {std::vector<std::string>{}, std::vector<std::string>{"junk"}}) {
    world.txt["db.example.com"] = records;
    EXPECT_TRUE(fetch());
    EXPECT_TRUE(has(warning(), "stays in use"));
    EXPECT_EQ(warning().find("junk"), std::string::npos);
  }
}

TEST_F(GcpDomain, ARefusedLoginIsFollowedByARefresh) {
  ASSERT_TRUE(fetch());
  session->on_refused();
  ASSERT_TRUE(fetch());
  EXPECT_EQ(world.count(settings_url), 2);
}

TEST_F(GcpDomain, AnInstanceThatCannotBeHadIsToldAndTheNextLookTriesAgain) {
  ASSERT_TRUE(fetch());
  world.txt["db.example.com"] = {"p:r2:db"};
  EXPECT_TRUE(has(told(fetch()), "the instance is in the region r1, not in r2"));
  world.txt["db.example.com"] = {"p:r1:db"};
  pass(30s);
  EXPECT_TRUE(fetch());
  EXPECT_EQ(world.count(settings_url), 2);
}

TEST_F(GcpDomain, WhatDnsLacksIsNamedWithTheRecordToAdd) {
  const std::string add = "Add to its zone: db.example.com. TXT \"PROJECT:REGION:INSTANCE\"";
  world.txt.clear();
  expect_failure(ErrorCode::not_found, "there is no such name. Check the spelling. " + add);
  world.txt["db.example.com"] = {};
  expect_failure(ErrorCode::not_found, "has no TXT record. " + add);
  world.txt["db.example.com"] = {"junk"};
  expect_failure(ErrorCode::bad_config, "has a TXT record, which is not the name of an instance. " + add);
  world.txt["db.example.com"] = {"junk", "junk:junk", "\x1b[31mjunk"};
  expect_failure(ErrorCode::bad_config,
                 "has 3 TXT records, none of which is the name of an instance. " + add);
  world.name_servers = ErrorCode::timed_out;
  expect_failure(ErrorCode::timed_out, "/etc/resolv.conf");
  EXPECT_TRUE(world.asked.empty());
}

TEST_F(GcpDomain, AlloyDbIsNotNamedByDns) {
  world.txt["db.example.com"] = {"projects/p/locations/r/clusters/c/instances/i"};
  expect_failure(ErrorCode::bad_config,
                 "AlloyDB instance, and DNS names instances of Cloud SQL alone. Write the name itself");
  EXPECT_FALSE(gcp_session("gcp-cloudsql-iam:?instance=db"));
}

}  // namespace
}  // namespace sallyport::gcp_domain_test
