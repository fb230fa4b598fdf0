// Federation: where a subject token comes from, and what STS is sent.
#include "test/secrets/gcp_world.h"

#include <algorithm>

namespace sallyport::gcp_subject_test {
namespace {

std::string subject_sent(const GcpWorld& world) {
  const auto body = world.last_body(sts_url);
  const auto at = body.find("&subject_token=");
  return at == std::string::npos ? "" : body.substr(at + 15, body.find('&', at + 1) - at - 15);
}

TEST(GcpSubject, AFilesTokenIsExchangedWithoutTheWhiteSpaceAroundIt) {
  GcpWorld world{GcpWorld::federated(R"({"file":"/t"})")};
  world.files["/t"] = "abc.def\n";
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(
      world.last_body(sts_url),
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.googleapis."
      "com%2F"
      "projects%2F1%2Fx&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&requested_token_type="
      "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token=abc.def&subject_token_type="
      "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt");
}

TEST(GcpSubject, AFileIsReadAnewForEachToken) {
  GcpWorld world{GcpWorld::federated(R"({"file":"/t"})")};
  world.files["/t"] = "one";
  auto session = gcp_session("gcp-sm:projects/p/secrets/db");
  ASSERT_TRUE(world.fetch(**session));
  world.files["/t"] = "two";
  world.now = test_moment(std::chrono::seconds{3590});
  ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(subject_sent(world), "two");
}

TEST(GcpSubject, OfJsonAMemberIsTakenAndOneThatIsNotThereNamesThoseThatAre) {
  const std::string format = R"(,"format":{"type":"json","subject_token_field_name":"t"}})";
  GcpWorld world{GcpWorld::federated(R"({"file":"/t")" + format)};
  world.files["/t"] = R"({"t":"inner"})";
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(subject_sent(world), "inner");
  world.files["/t"] = R"({"token":"canary"})";
  EXPECT_TRUE(has(told(gcp_fetch(world)), "it has token"));
}

TEST(GcpSubject, AUrlIsAskedWithTheHeadersThatTheFileNames) {
  GcpWorld world{GcpWorld::federated(
      R"({"url":"http://169.254.169.254/metadata/identity","headers":{"Metadata":"True"},)"
      R"("format":{"type":"json","subject_token_field_name":"access_token"}})")};
  world.on("GET http://169.254.169.254/metadata/identity", {200, R"({"access_token":"az"})"});
  ASSERT_TRUE(gcp_fetch(world));
  EXPECT_EQ(subject_sent(world), "az");
  EXPECT_EQ(world.asked.front().header("metadata"), "True");
  world.credentials_are(GcpWorld::federated(R"({"url":"http://169.254.169.254.example.com/x"})"));
  EXPECT_TRUE(has(told(gcp_fetch(world)), "plain http"));
}

TEST(GcpSubject, AProgramRunsOnlyWhereTheEnvironmentAllowsIt) {
  GcpWorld world{
      GcpWorld::federated(R"({"executable":{"command":"/bin/token --for 'a b'"}})", GcpWorld::impersonating)};
  world.programs["/bin/token --for a b"] =
      R"({"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"canary-id"})";
  EXPECT_TRUE(has(told(gcp_fetch(world)), "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1"));
  world.variables["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  EXPECT_EQ(subject_sent(world), "canary-id");
}

TEST(GcpSubject, WhatAProgramSaysIsCheckedAndNotShown) {
  GcpWorld world{GcpWorld::federated(R"({"executable":{"command":"/bin/token"}})")};
  world.variables["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  const std::pair<const char*, const char*> rows[] = {
      {R"({"version":1,"success":false,"code":"401","message":"canary"})", "did not succeed (code 401)"},
      {R"({"version":1,"success":true,"token_type":"x","id_token":"canary"})",
       "none of jwt, id_token and saml2"},
      {R"({"version":1,"success":true,"expiration_time":1,"token_type":"x"})", "has expired"},
      {R"({"version":2,"success":true})", "none of version 1"},
      {"canary", "is no JSON"}};
  for (const auto& [output, words] : rows) {
    world.programs["/bin/token"] = output;
    EXPECT_TRUE(has(told(gcp_fetch(world)), words));
  }
}

TEST(GcpSubject, AnOutputFileThatIsStillGoodSavesTheProgram) {
  GcpWorld world{GcpWorld::federated(R"({"executable":{"command":"/bin/token","output_file":"/cache"}})")};
  world.variables["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  world.files["/cache"] =
      R"({"version":1,"success":true,"expiration_time":1800000100,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"saml"})";
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  EXPECT_EQ(subject_sent(world), "saml");
  world.now = test_moment(std::chrono::seconds{101});
  EXPECT_TRUE(has(told(gcp_fetch(world)), "/bin/token"));
}

TEST(GcpSubject, WhatChoosesWhoGetsATokenIsObeyedOnlyWhereNobodyElseWritesIt) {
  GcpWorld world{GcpWorld::federated(R"({"certificate":{"certificate_config_location":"/config"}})")};
  world.files["/config"] = R"({"cert_configs":{"workload":{"cert_path":"/cert","key_path":"/key"}}})";
  EXPECT_TRUE(has(told(gcp_fetch(world)), "/cert"));
  world.credentials_are(
      GcpWorld::federated(R"({"executable":{"command":"/bin/token","output_file":"/cache"}})"));
  world.variables["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  EXPECT_TRUE(has(told(gcp_fetch(world)), "/bin/token"));
  for (const auto* file : {"/c.json", "/config", "/cache"})
    EXPECT_EQ(world.trusted[file].front(), FileTrust::only_we_write) << file;
}

TEST(GcpSubject, OnASourceThereIsExactlyOne) {
  GcpWorld world{GcpWorld::federated(R"({"file":"/t","url":"https://x/"})")};
  EXPECT_TRUE(has(told(gcp_fetch(world)), "names several sources"));
  world.credentials_are(GcpWorld::federated("{}"));
  EXPECT_TRUE(has(told(gcp_fetch(world)), "names no source"));
}

TEST(GcpSubject, TheKeysOfAwsThatItReadsAreNotTheChilds) {
  for (const auto& source : {secrets::gcp_secret_manager_source(), secrets::gcp_cloudsql_source()}) {
    const auto consumed = source->authority().variables;
    for (const auto* name : {"GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                             "AWS_SESSION_TOKEN"})
      EXPECT_NE(std::find(consumed.begin(), consumed.end(), name), consumed.end())
          << source->scheme() << ": " << name;
  }
}

TEST(GcpSubject, InAwsTheTokenIsASignedRequestForGoogleToMake) {
  GcpWorld world{GcpWorld::federated(
      R"({"environment_id":"aws1","regional_cred_verification_url":)"
      R"("https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"})",
      "", "urn:ietf:params:aws:token-type:aws4_request")};
  world.variables["AWS_REGION"] = "eu-west-1";
  world.variables["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
  world.variables["AWS_SECRET_ACCESS_KEY"] = "canary-key";
  world.variables["AWS_SESSION_TOKEN"] = "session/token+";
  ASSERT_TRUE(gcp_fetch(world)) << told(gcp_fetch(world));
  const auto twice = subject_sent(world);
  EXPECT_TRUE(begins(twice, "%257B%2522headers%2522%253A"));  // quoted, and then a form's field
  EXPECT_TRUE(has(twice, "https%253A%2F%2Fsts.eu-west-1.amazonaws.com"));
  EXPECT_EQ(twice.find("canary"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::gcp_subject_test
