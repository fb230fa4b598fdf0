// `gcp-sm:`: names, versions, checksums, and what each refusal is told as. `gcp-cloudsql-iam:` without an instance: the
// token as the password, and whose it is.
#include "test/secrets/gcp_world.h"

namespace sallyport::gcp_secret_test {
namespace {

std::string payload(const std::string& data, const std::string& sum) {
  return R"({"name":"projects/1/secrets/db/versions/3","payload":{"data":")" + data + "\"" +
         (sum.empty() ? "" : R"(,"dataCrc32c":)" + sum) + "}}";
}

TEST(GcpSecret, ALocatorNamesASecretAndMayNameALocationAndAVersion) {
  const std::pair<const char*, const char*> rows[] = {
      {"projects/p/secrets/db",
       "secretmanager.googleapis.com/v1/projects/p/secrets/db/versions/latest:access"},
      {"projects/123/secrets/a_b-C/versions/7",
       "secretmanager.googleapis.com/v1/projects/123/secrets/a_b-C/versions/7:access"},
      {"projects/example.com:p/secrets/db/versions/prod",
       "secretmanager.googleapis.com/v1/projects/example.com%3Ap/secrets/db/versions/prod:access"},
      {"projects/p/locations/europe-west1/secrets/db",
       "secretmanager.europe-west1.rep.googleapis.com/v1/projects/p/locations/europe-west1/secrets/db/"
       "versions/latest:access"}};
  for (const auto& [locator, url] : rows) {
    GcpWorld world;
    world.on("GET https://secretmanager.europe-west1.rep.googleapis.com/",
             {200, std::string{contract::gcp_secret}});
    ASSERT_TRUE(gcp_fetch(world, std::string{"gcp-sm:"} + locator)) << locator;
    EXPECT_EQ(world.asked.back().line, std::string{"GET https://"} + url);
  }
}

TEST(GcpSecret, AnotherLocatorIsRefusedBeforeAnybodyIsAsked) {
  for (const auto* locator :
       {"p/db", "projects/p", "projects/p/secrets/db/7", "projects/p/secrets/d%20b", "secrets/db/projects/p",
        "projects/p/secrets/db/versions/1%3Fx", "projects/p/locations/a.b/secrets/db"}) {
    const auto session = gcp_session(std::string{"gcp-sm:"} + locator);
    ASSERT_FALSE(session) << locator;
    EXPECT_TRUE(has(session.error().hint, "gcp-sm:projects/PROJECT/secrets/NAME"));
  }
}

TEST(GcpSecret, ComesWithTheNumberOfItsVersion) {
  GcpWorld world;
  const auto fetched = gcp_fetch(world);
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->credential.user, "app");
  EXPECT_TRUE(fetched->credential.secret.equals("canary-password"));
  EXPECT_EQ(fetched->credential.version, "3");
}

TEST(GcpSecret, AWrongChecksumIsAnErrorAndNoneIsNone) {
  GcpWorld world;
  world.on(access_url, {200, payload("MTIzNDU2Nzg5", "\"3808858755\"")});
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  world.on(access_url, {200, payload("MTIzNDU2Nzg5", "\"3808858756\"")});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "dataCrc32c"));
  world.on(access_url, {200, payload("MTIzNDU2Nzg5", "\"none\"")});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "dataCrc32c"));
  world.on(access_url, {200, payload("MTIzNDU2Nzg5", "")});
  EXPECT_TRUE(gcp_fetch(world));
  world.on(access_url, {200, payload("MTIz!", "")});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "no base64"));
  world.on(access_url, {200, payload("", "")});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "is empty"));
}

TEST(GcpSecret, EachRefusalNamesTheServiceAndTheFix) {
  struct Row {
    int status;
    const char* body;
    ErrorCode code;
    const char* what;
    const char* hint;
  };
  const Row rows[] = {
      {400,
       R"({"error":{"status":"FAILED_PRECONDITION","message":"Secret Version [x] is in DISABLED state."}})",
       ErrorCode::denied, "version latest of db is disabled", "gcloud secrets versions enable"},
      {400,
       R"({"error":{"status":"FAILED_PRECONDITION","message":"Secret Version [x] is in DESTROYED state."}})",
       ErrorCode::not_found, "version latest of db is destroyed", "gcloud secrets versions add db"},
      {404, R"({"error":{"status":"NOT_FOUND"}})", ErrorCode::not_found,
       "there is no secret db in the project p", "gcloud secrets list --project p"},
      {403, R"({"error":{"status":"PERMISSION_DENIED"}})", ErrorCode::denied, "does not let",
       "gcloud secrets add-iam-policy-binding db --project p --member PRINCIPAL --role "
       "roles/secretmanager.secretAccessor"},
      {403, R"({"error":{"status":"PERMISSION_DENIED","details":[{"reason":"SERVICE_DISABLED"}]}})",
       ErrorCode::denied, "is not enabled",
       "gcloud services enable secretmanager.googleapis.com --project p"},
      {403, R"({"error":{"details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}})", ErrorCode::denied,
       "too narrow a scope", "cloud-platform"},
      {429, R"({"error":{"status":"RESOURCE_EXHAUSTED"}})", ErrorCode::retry_later, "over its quota",
       "quota"},
      {503, "canary", ErrorCode::retry_later, "the status 503", ""},
      {302, "", ErrorCode::peer_misbehaved, "redirects", ""},
      {200, "canary", ErrorCode::invalid_message, "payload.data", ""}};
  for (const auto& row : rows) {
    GcpWorld world;
    world.on(access_url, {row.status, row.body});
    const auto fetched = gcp_fetch(world);
    ASSERT_FALSE(fetched) << row.what;
    EXPECT_EQ(fetched.error().code, row.code) << told(fetched);
    EXPECT_TRUE(has(told(fetched), row.what));
    EXPECT_TRUE(has(fetched.error().hint, row.hint));
    EXPECT_EQ(fetched.error().where, "gcp-sm:projects/p/secrets/db");
  }
}

TEST(GcpSecret, TheEndpointIsTheAttributesThenGcloudsVariables) {
  GcpWorld world;
  world.variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"] = "https://private.example/";
  world.on("GET https://private.example/v1/", {200, std::string{contract::gcp_secret}});
  world.on("GET https://own.example/v1/", {200, std::string{contract::gcp_secret}});
  ASSERT_TRUE(gcp_fetch(world));
  ASSERT_TRUE(gcp_fetch(world, "gcp-sm:projects/p/secrets/db?endpoint=https://own.example"));
  EXPECT_EQ(world.count(access_url), 0);
  EXPECT_TRUE(
      has(told(gcp_fetch(world, "gcp-sm:projects/p/secrets/db?endpoint=http://own.example")), "plain http"));
}

TEST(GcpSecret, TheQuotaProjectIsSentAlong) {
  GcpWorld world{GcpWorld::person(R"(,"quota_project_id":"billing")")};
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.asked.back().header("x-goog-user-project"), "billing");
  world.variables["GOOGLE_CLOUD_QUOTA_PROJECT"] = "other";
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.asked.back().header("x-goog-user-project"), "other");
}

TEST(GcpToken, IsAPasswordForTheDatabaseUserOfTheIdentity) {
  const std::pair<const char*, const char*> rows[] = {
      {"postgresql", "app@p.iam"}, {"mysql", "app"}, {"", "app@p.iam"}};
  for (const auto& [engine, user] : rows) {
    GcpWorld world{contract::gcp_key_file()};
    const auto fetched = gcp_fetch(world, "gcp-cloudsql-iam:", {engine, {}, ""});
    ASSERT_TRUE(fetched);
    EXPECT_EQ(fetched->credential.user, user);
    EXPECT_EQ(fetched->credential.kind, CredentialKind::token);
    EXPECT_EQ(fetched->credential.expires, test_moment(std::chrono::seconds{3600}).wall);
    EXPECT_TRUE(fetched->credential.secret.equals("ya29.one"));
  }
}

TEST(GcpToken, OfAPersonNeedsItsUserSaid) {
  GcpWorld world;
  EXPECT_TRUE(has(told(gcp_fetch(world, "gcp-cloudsql-iam:")), "Say user=NAME"));
  const auto fetched = gcp_fetch(world, "gcp-cloudsql-iam:", {"postgresql", {}, "me@example.com"});
  ASSERT_TRUE(fetched);
  EXPECT_EQ(fetched->credential.user, "me@example.com");
  EXPECT_TRUE(has(world.last_body(oauth_url), "sqlservice.login"));
  world.credentials_are(GcpWorld::person(R"(,"account":"you@example.com")"));
  EXPECT_EQ(gcp_fetch(world, "gcp-cloudsql-iam:")->credential.user, "you@example.com");
}

TEST(GcpToken, EachFetchAsksForANewOne) {
  GcpWorld world{contract::gcp_key_file()};
  auto session = gcp_session("gcp-cloudsql-iam:");
  ASSERT_TRUE(world.fetch(**session));
  ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(world.count(oauth_url), 2);
  world.on(oauth_url, {503, ""});
  EXPECT_FALSE(world.fetch(**session));
}

TEST(GcpToken, AnAttributeOfTheConnectorsNeedsAnInstance) {
  EXPECT_FALSE(gcp_session("gcp-cloudsql-iam:?ip_type=private"));
  EXPECT_FALSE(gcp_session("gcp-cloudsql-iam:#password"));
  EXPECT_FALSE(gcp_session("gcp-cloudsql-iam:?instanse=x"));
}

}  // namespace
}  // namespace sallyport::gcp_secret_test
