// The connectors: names of instances, what a control plane's answer becomes, when it is asked again, and how often.
#include "crypto/certificate.h"
#include "secrets/gcp/instance.h"
#include "test/secrets/azure_certificate.h"
#include "test/secrets/gcp_world.h"

namespace sallyport::gcp_connector_test {
namespace {

using secrets::gcp::Limiter;
using secrets::gcp::parse_instance;

std::string settings(
    const std::string& more =
        R"(,"ipAddresses":[{"type":"PRIMARY","ipAddress":"34.1.2.3"},{"type":"PRIVATE","ipAddress":"10.0.0.3"}])") {
  return R"({"region":"r1","databaseVersion":"POSTGRES_15","backendType":"SECOND_GEN","serverCaCert":{"cert":")" +
         certificate_in_json() + "\"}" + more + "}";
}

class GcpConnector : public testing::Test {
 protected:
  GcpConnector() : world(contract::gcp_key_file()) {
    world.on("GET https://sqladmin.googleapis.com/", {200, settings()});
    world.on("POST https://sqladmin.googleapis.com/",
             {200, R"({"ephemeralCert":{"cert":")" + certificate_in_json() + "\"}}"});
  }

  Result<secrets::Fetched> fetch(const std::string& more = "",
                                 const secrets::Purpose& purpose = {"postgresql", {}, ""}) {
    return gcp_fetch(world, "gcp-cloudsql-iam:?instance=p:r1:db" + more, purpose);
  }

  GcpWorld world;
};

TEST(GcpInstance, HasThreePartsOrADomainsProjectOrIsAlloyDbs) {
  EXPECT_EQ(parse_instance("p:r1:db")->path(), "/sql/v1beta4/projects/p/instances/db");
  EXPECT_EQ(parse_instance("example.com:p:r1:db")->project, "example.com:p");
  EXPECT_EQ(parse_instance("projects/p/locations/r1/clusters/c/instances/i")->path(),
            "/v1/projects/p/locations/r1/clusters/c/instances/i");
  for (const auto* wrong :
       {"", "p", "p:r1", "p:r1:db:x:y", ":r1:db", "p::db", "p:r1:", "p:r1:d/b", "p:r1:d b", "::r:d",
        "projects/p/locations/r1/instances/i", "projects/../locations/r/clusters/c/instances/i/"}) {
    EXPECT_FALSE(parse_instance(wrong)) << wrong;
  }
}

TEST_F(GcpConnector, LeadsToTheInstanceWithItsAuthorityAndItsName) {
  const auto fetched = fetch();
  ASSERT_TRUE(fetched) << told(fetched);
  ASSERT_NE(fetched->access, nullptr);
  EXPECT_EQ(fetched->access->addresses,
            (std::vector<secrets::SuppliedHost>{secrets::SuppliedHost{"34.1.2.3", 3307}}));
  EXPECT_EQ(fetched->access->common_name, "p:db");
  EXPECT_TRUE(has(fetched->access->authorities_pem, "BEGIN CERTIFICATE"));
  EXPECT_TRUE(fetched->access->preamble.empty());
  EXPECT_EQ(fetched->credential.kind, CredentialKind::client_certificate);
  EXPECT_EQ(fetched->credential.user, "app@p.iam");
  EXPECT_TRUE(has(std::string{fetched->credential.secret.reveal()}, "PRIVATE KEY"));
}

TEST_F(GcpConnector, AsksWithTheAdministrationsTokenAndSendsTheLoginsInTheRequest) {
  world.http[oauth_url] = [](const Asked& asked) -> Told {
    // The claims are base64 in the middle of the assertion; the length tells the scopes apart as well as anything.
    const bool login = asked.body.size() % 2 == 0;
    return {200,
            std::string{R"({"access_token":")"} + (login ? "ya29.a" : "ya29.b") + R"(","expires_in":3600})"};
  };
  ASSERT_TRUE(fetch());
  EXPECT_EQ(world.count(oauth_url), 2);
  const auto& sign = world.asked.back();
  EXPECT_EQ(sign.line,
            "POST https://sqladmin.googleapis.com/sql/v1beta4/projects/p/instances/db:generateEphemeralCert");
  EXPECT_TRUE(has(sign.body, R"({"public_key":"-----BEGIN RSA PUBLIC KEY-----)"));
  EXPECT_TRUE(has(sign.body, R"("access_token":"ya29.)"));
}

TEST_F(GcpConnector, TheCredentialEndsWithTheCertificateOrTheTokenWhicheverIsFirst) {
  const auto fetched = fetch();
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->credential.expires, test_moment(std::chrono::hours{1}).wall);
  EXPECT_EQ(fetched->refetch_after, Duration{std::chrono::minutes{30}});
}

TEST(GcpRefresh, IsAtHalfOfAnHourElseFourMinutesBeforeTheEnd) {
  using namespace std::chrono_literals;
  EXPECT_EQ(secrets::gcp::refresh_after(2h), Duration{1h});
  EXPECT_EQ(secrets::gcp::refresh_after(59min), Duration{55min});
  EXPECT_EQ(secrets::gcp::refresh_after(4min), std::nullopt);
}

TEST(GcpRefresh, IsLimitedToOneEachHalfMinuteAndTwoAtOnce) {
  using namespace std::chrono_literals;
  Limiter limiter;
  const auto begun = test_moment().mono;
  EXPECT_EQ(limiter.wait_at(begun), 0s);
  limiter.take(begun);
  EXPECT_EQ(limiter.wait_at(begun), 0s);
  limiter.take(begun);
  EXPECT_EQ(limiter.wait_at(begun), 30s);
  EXPECT_EQ(limiter.wait_at(begun + 30s), 0s);
  limiter.take(begun + 30s);
  EXPECT_EQ(limiter.wait_at(begun + 45s), 15s);
  EXPECT_EQ(limiter.wait_at(begun + 10min), 0s);
}

TEST_F(GcpConnector, ThreeRefreshesInARowWaitForTheQuota) {
  auto session = gcp_session("gcp-cloudsql-iam:?instance=p:r1:db");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(world.waited, Duration{std::chrono::seconds{30}});
  EXPECT_EQ(world.count(oauth_url), 4);  // the administration's is kept, the login's is asked for each time
}

TEST(GcpInstance, AProjectLeadsNowhereElse) {
  for (const auto* good :
       {"p:r:n", "example.com:p-1:r:n", "123:r:n", "projects/a.b:p/locations/r/clusters/c/instances/n"})
    EXPECT_TRUE(parse_instance(good)) << good;
  for (const auto* bad :
       {"..:r:n", "a..b:r:n", ".a:r:n", "-a:r:n", "example.com:..:r:n", "example.com:-p:r:n", ":p:r:n",
        "example.com::r:n", "a:b:c:r:n", "projects/../locations/r/clusters/c/instances/n",
        "projects/a::b/locations/r/clusters/c/instances/n", "p:..:n", "p:r:.."})
    EXPECT_FALSE(parse_instance(bad)) << bad;
  for (const auto* bad : {"gcp-sm:projects/../secrets/db", "gcp-sm:projects/x..y/secrets/db"})
    EXPECT_FALSE(gcp_session(bad)) << bad;
}

TEST_F(GcpConnector, ServerErrorsAreRetriedFiveTimesAsTheConnectorsDoAndAQuotaIsNot) {
  world.on("GET https://sqladmin.googleapis.com/", {503, ""});
  EXPECT_FALSE(fetch());
  EXPECT_EQ(world.count("GET https://sqladmin.googleapis.com/"), 5);
  EXPECT_GE(world.waited, std::chrono::milliseconds{324 + 524 + 847 + 1370});
  EXPECT_LE(world.waited, std::chrono::milliseconds{524 + 848 + 1372 + 2219});
  world.on("GET https://sqladmin.googleapis.com/", {429, ""});
  EXPECT_TRUE(has(told(fetch()), "Cloud SQL is over its quota"));
  EXPECT_EQ(world.count("GET https://sqladmin.googleapis.com/"), 6);
}

TEST_F(GcpConnector, AddressesAreOfTheTypeThatIsAskedFor) {
  EXPECT_EQ(fetch("&ip_type=private")->access->addresses.front().host, "10.0.0.3");
  EXPECT_TRUE(has(told(fetch("&ip_type=psc")), "no psc address. Say ip_type=public or ip_type=private"));
  EXPECT_TRUE(has(told(fetch("&ip_type=any")), "ip_type"));
  world.on(
      "GET https://sqladmin.googleapis.com/",
      {200,
       settings(
           R"(,"pscEnabled":true,"dnsName":"x.sql.goog.","dnsNames":[)"
           R"({"name":"own.example.","connectionType":"PRIVATE_SERVICE_CONNECT","dnsScope":"INSTANCE"},)"
           R"({"name":"b.sql-psc.goog.","connectionType":"PRIVATE_SERVICE_CONNECT","dnsScope":"INSTANCE"},)"
           R"({"name":"c.sql-psc.goog.","connectionType":"PRIVATE_SERVICES_ACCESS","dnsScope":"INSTANCE"}])")});
  const auto fetched = fetch("&ip_type=psc");
  ASSERT_TRUE(fetched) << told(fetched);
  EXPECT_EQ(fetched->access->addresses,
            (std::vector<secrets::SuppliedHost>{secrets::SuppliedHost{"b.sql-psc.goog", 3307},
                                                secrets::SuppliedHost{"own.example", 3307}}));
  EXPECT_EQ(fetched->access->names, (std::vector<std::string>{"x.sql.goog"}));
}

TEST_F(GcpConnector, TheMetadataExchangeIsSpokenWhereTheInstanceSpeaksIt) {
  world.on(
      "GET https://sqladmin.googleapis.com/",
      {200,
       settings(
           R"(,"mdxProtocolSupport":["CLIENT_PROTOCOL_TYPE"],"ipAddresses":[{"type":"PRIMARY","ipAddress":"34.1.2.3"}])")});
  const auto fetched = fetch();
  ASSERT_TRUE(fetched) << told(fetched);
  using namespace std::string_view_literals;
  EXPECT_TRUE(fetched->access->preamble.equals("CSQLMDEX\0\0\0\x0d\x0a\x09sallyport\x10\x02"sv));
  EXPECT_EQ(fetched->access->answer, secrets::Access::Answer::cloud_sql);
}

TEST_F(GcpConnector, WhatDoesNotFitTheInstanceSaysWhatDoes) {
  EXPECT_TRUE(has(told(gcp_fetch(world, "gcp-cloudsql-iam:?instance=p:r2:db")), "instance=p:r1:db"));
  EXPECT_TRUE(has(told(fetch("", {"mysql", {}, ""})), "the instance is POSTGRES_15"));
  world.on("GET https://sqladmin.googleapis.com/", {404, R"({"error":{"status":"NOT_FOUND"}})"});
  EXPECT_TRUE(has(told(fetch()), "gcloud sql instances list --project p"));
  world.on("GET https://sqladmin.googleapis.com/", {403, R"({"error":{"status":"PERMISSION_DENIED"}})"});
  EXPECT_TRUE(has(told(fetch()),
                  "--member serviceAccount:app@p.iam.gserviceaccount.com --role roles/cloudsql.client"));
  world.on("GET https://sqladmin.googleapis.com/",
           {200, R"({"region":"r1","databaseVersion":"SQLSERVER_2019","backendType":"SECOND_GEN"})"});
  EXPECT_TRUE(has(told(fetch()), "which has no IAM login"));
}

TEST_F(GcpConnector, AlloyDbGetsTheTokenBeforeTheDatabasesProtocol) {
  world.on(
      "GET https://alloydb.googleapis.com/v1/projects/p/locations/r/clusters/c/instances/i/connectionInfo",
      {200, R"({"ipAddress":"10.0.0.9","instanceUid":"0-1"})"});
  world.on(
      "POST https://alloydb.googleapis.com/v1/projects/p/locations/r/clusters/c:generateClientCertificate",
      {200, R"({"caCert":")" + certificate_in_json() + R"(","pemCertificateChain":[")" +
                certificate_in_json() + "\"]}"});
  const std::string reference =
      "gcp-cloudsql-iam:?instance=projects/p/locations/r/clusters/c/instances/i&ip_type=private";
  const auto fetched = gcp_fetch(world, reference, {"postgresql", {}, ""});
  ASSERT_TRUE(fetched) << told(fetched);
  EXPECT_EQ(fetched->access->addresses,
            (std::vector<secrets::SuppliedHost>{secrets::SuppliedHost{"10.0.0.9", 5433}}));
  EXPECT_EQ(fetched->access->common_name, "0-1.server.alloydb");
  using namespace std::string_view_literals;
  EXPECT_TRUE(fetched->access->preamble.equals("\0\0\0\x17\x0a\x09sallyport\x10\x02\x1a\x08ya29.one"sv));
  EXPECT_TRUE(has(world.asked.back().body, R"("certDuration":"3600s","useMetadataExchange":true)"));
  EXPECT_FALSE(gcp_session(reference, {"mysql", {}, ""}));
}

TEST(CertificateEnd, IsTheFirstCertificates) {
  EXPECT_TRUE(crypto::certificate_end(azure_certificate_alone()));
  EXPECT_FALSE(crypto::certificate_end("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"));
}

}  // namespace
}  // namespace sallyport::gcp_connector_test
