// Application default credentials: which identity is used, what is sent for a token of each type, and what a session keeps.
#include "crypto/hash.h"
#include "test/secrets/gcp_world.h"

namespace sallyport::gcp_identity_test {
namespace {

TEST(GcpIdentity, TheVariableGoesBeforeGcloudsFileAndThatBeforeTheMetadataServer) {
  GcpWorld world;
  world.variables["HOME"] = "/home/me";
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.read[1], "file /c.json");
  world.variables.erase("GOOGLE_APPLICATION_CREDENTIALS");
  world.files["/home/me/.config/gcloud/application_default_credentials.json"] = GcpWorld::person();
  ASSERT_TRUE(gcp_fetch(world));
  world.variables["CLOUDSDK_CONFIG"] = "/elsewhere";
  world.files["/elsewhere/application_default_credentials.json"] = GcpWorld::person();
  world.files.erase("/home/me/.config/gcloud/application_default_credentials.json");
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.count("GET http://"), 0);
}

TEST(GcpIdentity, NobodyAtAllSaysWhatWasTriedAndWhatToDo) {
  GcpWorld world;
  world.variables.clear();
  const auto text = told(gcp_fetch(world));
  EXPECT_TRUE(has(text,
                  "GOOGLE_APPLICATION_CREDENTIALS: is not set; gcloud: HOME and CLOUDSDK_CONFIG are not set; "
                  "metadata server: nothing answers at 169.254.169.254"));
  EXPECT_TRUE(has(text, "gcloud auth application-default login"));
}

TEST(GcpIdentity, SilenceAtTheMetadataAddressIsWaitedForThreeTimesAndARefusalOnce) {
  GcpWorld world;
  world.variables.clear();
  EXPECT_FALSE(gcp_fetch(world));
  EXPECT_EQ(world.count("GET http://169.254.169.254/"), 1);
}

TEST(GcpIdentity, AFileThatIsNamedAndMissingIsAnErrorAndNobodyElseIsTried) {
  GcpWorld world;
  world.files.clear();
  EXPECT_TRUE(has(told(gcp_fetch(world)), "/c.json"));
  EXPECT_EQ(world.asked.size(), 0U);
}

TEST(GcpIdentity, AKeyMustBePrivateAndAConfigurationNeedNotBe) {
  GcpWorld world;
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(std::count(world.read.begin(), world.read.end(), "file /c.json"), 2);
  world.files["/t"] = "subject";
  world.credentials_are(GcpWorld::federated(R"({"file":"/t"})"));
  world.read.clear();
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(std::count(world.read.begin(), world.read.end(), "file /c.json"), 1);
}

TEST(GcpIdentity, ATypeThatIsNotKnownListsThoseThatAre) {
  GcpWorld world{R"({"type":"surprise"})"};
  EXPECT_TRUE(has(told(gcp_fetch(world)), "the type surprise, which is not known"));
  world.credentials_are(R"({"type":"gdch_service_account"})");
  EXPECT_TRUE(has(told(gcp_fetch(world)), "Google Distributed Cloud"));
}

TEST(GcpIdentity, ATokenGoesOverTlsOrToALoopbackLiteralForAReason) {
  for (const auto* uri : {"http://oauth2.googleapis.com/token", "http://127.0.0.1.evil.example/token",
                          "http://localhost:80/token", "ftp://x/", "https://user@host/token", "https://"}) {
    GcpWorld world{GcpWorld::person(R"(,"token_uri":")" + std::string{uri} + "\"")};
    EXPECT_TRUE(has(told(gcp_fetch(world)), "token_uri of /c.json")) << uri;
    EXPECT_EQ(world.asked.size(), 0U) << uri;
  }
  GcpWorld world{GcpWorld::person(R"(,"token_uri":"http://127.0.0.1:80/token")")};
  world.on("POST http://127.0.0.1:80/token", {200, R"({"access_token":"t","expires_in":60})"});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "insecure_reason"));
  EXPECT_TRUE(gcp_fetch(world, "gcp-sm:projects/p/secrets/db?insecure_reason=test"));
}

TEST(GcpIdentity, APersonsRefreshTokenAsksWithItsScope) {
  GcpWorld world;
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.last_body(oauth_url),
            "grant_type=refresh_token&client_id=cid&client_secret=canary-cs&refresh_token=canary-rt&scope="
            "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform");
  EXPECT_EQ(world.asked.back().header("authorization"), "Bearer ya29.one");
}

TEST(GcpIdentity, AnEndedLoginSaysTheCommand) {
  GcpWorld world;
  world.on(oauth_url,
           {400, R"({"error":"invalid_grant","error_description":"canary","error_subtype":"invalid_rapt"})"});
  const auto text = told(gcp_fetch(world));
  EXPECT_TRUE(has(text, "the organisation wants a new login"));
  EXPECT_TRUE(has(text, "Run gcloud auth application-default login"));
}

TEST(GcpIdentity, AKeySignsForItsTokenEndpointAndNobodyElse) {
  GcpWorld world{contract::gcp_key_file()};
  ASSERT_TRUE(gcp_fetch(world));
  const auto body = world.last_body(oauth_url);
  EXPECT_TRUE(begins(body, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"));
  const auto assertion = body.substr(body.find("assertion=") + 10);
  auto claims = assertion.substr(assertion.find('.') + 1);
  claims = claims.substr(0, claims.find('.'));
  while (claims.size() % 4 != 0) claims += '=';
  const auto decoded = crypto::base64_decode(claims);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(
      as_text(*decoded),
      R"({"iss":"app@p.iam.gserviceaccount.com","aud":"https://oauth2.googleapis.com/token","scope":"https://www.googleapis.com/auth/cloud-platform","iat":1800000000,"exp":1800003600})");
}

TEST(GcpIdentity, AClockThatTheEndpointRefusesIsReplacedByItsOwn) {
  GcpWorld world{contract::gcp_key_file()};
  int calls = 0;
  world.http[oauth_url] = [&](const Asked&) -> Told {
    if (++calls == 1)
      return {400, R"({"error":"invalid_grant"})", {{"date", "Fri, 15 Jan 2027 08:10:00 GMT"}}};
    return {
        200, R"({"access_token":"ya29.one","expires_in":3600})", {{"date", "Fri, 15 Jan 2027 08:10:00 GMT"}}};
  };
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(calls, 2);
}

TEST(GcpIdentity, ARefusedKeySaysWhereItsKeysAreListedAndHowFarTheClocksAreApart) {
  GcpWorld world{contract::gcp_key_file()};
  world.on(oauth_url, {400, R"({"error":"invalid_grant"})", {{"date", "Fri, 15 Jan 2027 08:10:00 GMT"}}});
  const auto text = told(gcp_fetch(world));
  EXPECT_TRUE(has(text, "the server's clock is 10 min ahead of ours"));
  EXPECT_TRUE(has(text, "gcloud iam service-accounts keys list"));
}

TEST(GcpIdentity, InAnotherUniverseAKeySignsItsOwnToken) {
  auto file = contract::gcp_key_file();
  file.insert(file.size() - 1, R"(,"universe_domain":"example-cloud.test")");
  GcpWorld world{file};
  world.on("GET https://secretmanager.example-cloud.test/v1/", {200, std::string{contract::gcp_secret}});
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  EXPECT_EQ(world.count("POST"), 0);
  EXPECT_TRUE(begins(world.asked.back().header("authorization"), "Bearer eyJ"));
  world.variables["GOOGLE_CLOUD_UNIVERSE_DOMAIN"] = "googleapis.com";
  EXPECT_TRUE(has(told(gcp_fetch(world)), "another universe than the credentials (example-cloud.test)"));
}

TEST(GcpIdentity, ImpersonationGoesByWayOfItsDelegates) {
  GcpWorld world{R"({"type":"impersonated_service_account","delegates":["projects/-/serviceAccounts/d@p"],)"
                 R"("source_credentials":)" +
                 GcpWorld::person() + GcpWorld::impersonating + "}"};
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  EXPECT_EQ(
      world.last_body(iam_url),
      R"({"delegates":["projects/-/serviceAccounts/d@p"],"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"3600s"})");
  EXPECT_EQ(world.asked.back().header("authorization"), "Bearer ya29.other");
}

TEST(GcpIdentity, AnImpersonationThatEndsWithTimeItselfHasNotExpired) {
  GcpWorld world{R"({"type":"impersonated_service_account","source_credentials":)" + GcpWorld::person() +
                 GcpWorld::impersonating + "}"};
  world.on(iam_url, {200,
                     R"({"accessToken":"ya29.other","expireTime":"9999-12-31T23:59:59Z"})",
                     {{"date", "Fri, 15 Jan 2027 07:00:00 GMT"}}});
  EXPECT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
}

TEST(GcpIdentity, ARefusedImpersonationNamesTheRoleToGrant) {
  GcpWorld world{R"({"type":"impersonated_service_account","source_credentials":)" + GcpWorld::person() +
                 GcpWorld::impersonating + "}"};
  world.on(iam_url, {403, R"({"error":{"code":403,"status":"PERMISSION_DENIED"}})"});
  const auto text = told(gcp_fetch(world));
  EXPECT_TRUE(has(text, "impersonation of t@p.iam.gserviceaccount.com: the status 403 (PERMISSION_DENIED)"));
  EXPECT_TRUE(has(text, "roles/iam.serviceAccountTokenCreator"));
}

TEST(GcpIdentity, AnExternalUsersTokenEndpointGetsTheClientInAHeader) {
  GcpWorld world{
      R"({"type":"external_account_authorized_user","client_id":"a","client_secret":"b","refresh_token":"r",)"
      R"("token_url":"https://sts.googleapis.com/v1/oauthtoken"})"};
  world.on("POST https://sts.googleapis.com/v1/oauthtoken",
           {200, R"({"access_token":"ya29.x","expires_in":9})"});
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(world.asked.front().header("authorization"), "Basic YTpi");
  EXPECT_EQ(world.asked.front().body, "grant_type=refresh_token&refresh_token=r");
}

TEST(GcpIdentity, ATokenIsKeptUntilItsEndIsNearAndUsedWhileNobodyGivesAnother) {
  GcpWorld world;
  auto session = gcp_session("gcp-sm:projects/p/secrets/db");
  ASSERT_TRUE(session);
  ASSERT_TRUE(world.fetch(**session));
  world.now = test_moment(std::chrono::seconds{3600 - 282});  // 225 s, a quarter more by chance
  ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(world.count(oauth_url), 1);
  world.now = test_moment(std::chrono::seconds{3600 - 224});
  world.on(oauth_url, {500, ""});
  ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(world.count(oauth_url), 4);
  ASSERT_TRUE(world.fetch(**session));  // no new tries within the pause
  EXPECT_EQ(world.count(oauth_url), 4);
  world.now = test_moment(std::chrono::seconds{3600});
  EXPECT_FALSE(world.fetch(**session));
}

TEST(GcpIdentity, ATokenThatTheServiceRefusesIsReplacedOnce) {
  GcpWorld world;
  world.on(access_url, {401, R"({"error":{"status":"UNAUTHENTICATED"}})"});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "Secret Manager does not take the token"));
  EXPECT_EQ(world.count(oauth_url), 2);
  EXPECT_EQ(world.count(access_url), 2);
}

TEST(GcpIdentity, WhoAmISaysTheAddressTheProviderAndWhoCameBefore) {
  GcpWorld world;
  for (const auto& [name, value] : contract::gcp_machine_world().variables) world.variables[name] = value;
  world.variables.erase("GOOGLE_APPLICATION_CREDENTIALS");
  for (const auto& [line, answer] : contract::gcp_machine_world().http)
    world.on(line, {answer.status, std::string{answer.body}, answer.headers});
  auto who = secrets::gcp_identity();
  ASSERT_TRUE(world.run(*who));
  const auto seen = who->take();
  EXPECT_EQ(seen.provider, "metadata server");
  EXPECT_EQ(seen.identity, "machine@p.iam.gserviceaccount.com");
  EXPECT_EQ(seen.tried.size(), 2U);
}

TEST(GcpIdentity, WhoAmIWithNobodyIsNoError) {
  GcpWorld world;
  world.variables.clear();
  auto who = secrets::gcp_identity();
  ASSERT_TRUE(world.run(*who));
  const auto seen = who->take();
  EXPECT_EQ(seen.provider, "");
  EXPECT_EQ(seen.tried.size(), 3U);
  EXPECT_TRUE(has(seen.fix, "gcloud auth application-default login"));
}

}  // namespace
}  // namespace sallyport::gcp_identity_test
