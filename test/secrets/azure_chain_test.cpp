// Who gives a token: the order, what is skipped and what ends the search.
#include "crypto/hash.h"
#include "secrets/json.h"
#include "test/secrets/azure_world.h"

#include <gtest/gtest.h>

namespace sallyport::azure_chain_test {
namespace {

std::string decoded(std::string_view part) {
  std::string text{part};
  for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text.push_back('=');
  const auto bytes = crypto::base64_decode(text);
  return bytes ? std::string{as_text(*bytes)} : std::string{};
}

std::string field_of(const std::string& form, const std::string& name) {
  const auto at = ("&" + form).find("&" + name + "=");
  if (at == std::string::npos) return {};
  const auto from = at + name.size() + 1;
  return form.substr(from, form.find('&', from) - from);
}

TEST(AzureChain, AClientSecretIsSentToTheAuthorityForTheDatabasesScope) {
  auto world = service_principal();
  const auto got = fetched(world);
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_TRUE(got->credential.secret.equals(app_token));
  EXPECT_EQ(got->credential.kind, CredentialKind::token);
  EXPECT_EQ(got->credential.expires, world.now.wall + std::chrono::seconds{3599});
  ASSERT_EQ(world.asked.size(), 1U);
  EXPECT_EQ(world.asked[0].line, token_line);
  EXPECT_EQ(
      world.asked[0].body,
      "grant_type=client_credentials&client_id=client-1&scope=https%3A%2F%2Fossrdbms-aad.database.windows."
      "net%2F.default&client_secret=canary-client-secret");
}

TEST(AzureChain, ACertificateSignsAnAssertionForTheTokenEndpoint) {
  auto world = service_principal();
  world.variables.erase("AZURE_CLIENT_SECRET");
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/sp.pem";
  world.files["/run/sp.pem"] = azure_certificate();
  ASSERT_TRUE(fetched(world));
  const auto& body = world.asked.at(0).body;
  EXPECT_EQ(field_of(body, "client_assertion_type"),
            "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer");
  const auto assertion = field_of(body, "client_assertion");
  const auto first = assertion.find('.');
  const auto second = assertion.find('.', first + 1);
  const auto head = secrets::Json::parse(decoded(assertion.substr(0, first)), "head");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->root()["alg"].text(), "RS256");
  EXPECT_EQ(head->root()["x5t"].text(),
            crypto::base64url_encode(*crypto::certificate_sha1(azure_certificate_alone())));
  const auto claims =
      secrets::Json::parse(decoded(assertion.substr(first + 1, second - first - 1)), "claims");
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->root()["aud"].text(), token_line.substr(5));
  EXPECT_EQ(claims->root()["iss"].text(), "client-1");
  EXPECT_EQ(claims->root()["sub"].text(), "client-1");
  EXPECT_EQ(claims->root()["jti"].text().size(), 36U);
  EXPECT_EQ(claims->root()["exp"].integer(), world_now + 600);
  const auto signature =
      crypto::sign_rs256(Secret::copy_of(azure_certificate_key()), as_bytes(assertion.substr(0, second)));
  EXPECT_EQ(assertion.substr(second + 1), crypto::base64url_encode(*signature));
}

TEST(AzureChain, WhatIsWrongWithACertificateFileIsSaidBeforeAnybodyIsAsked) {
  for (const auto& [content, words] : {std::pair{azure_certificate_alone(), "no private RSA key"},
                                       {azure_certificate_key(), "no certificate"},
                                       {std::string{"canary"}, "no certificate"},
                                       {std::string{}, "no certificate"}}) {
    auto world = service_principal();
    world.variables.erase("AZURE_CLIENT_SECRET");
    world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/sp.pem";
    world.files["/run/sp.pem"] = content;
    const auto error = refusal(world);
    EXPECT_TRUE(says(error, words)) << describe(error);
    EXPECT_TRUE(says(error, "/run/sp.pem"));
    EXPECT_TRUE(world.asked.empty());
  }
}

TEST(AzureChain, TheFederatedTokenIsReadAnewForEachFetch) {
  auto world = service_principal();
  world.variables.erase("AZURE_CLIENT_SECRET");
  world.variables["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/secrets/azure/tokens/azure-identity-token";
  auto& file = world.files["/var/run/secrets/azure/tokens/azure-identity-token"];
  const auto session = open_azure("azure-entra:");
  for (const auto* token : {"first", "second\n"}) {
    file = token;
    ASSERT_TRUE(world.fetch(*session));
    EXPECT_EQ(field_of(world.asked.back().body, "client_assertion"),
              std::string{token}.substr(0, file.find('\n')));
  }
  file = "";
  auto got = world.fetch(*session);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::retry_later) << "whoever writes it may be about to";
}

TEST(AzureChain, AProviderThatIsConfiguredAndFailsEndsTheSearch) {
  auto world = service_principal();
  world.http[imds_line] = [](const Asked&) { return managed_reply(); };
  world.on(token_line,
           {401, R"({"error":"invalid_client","error_description":"AADSTS7000215: canary"})", {}});
  const auto error = refusal(world);
  EXPECT_EQ(error.code, ErrorCode::denied);
  EXPECT_TRUE(says(error, "environment (client secret)")) << describe(error);
  EXPECT_TRUE(says(error, "AADSTS7000215"));
  EXPECT_TRUE(says(error, "az ad app credential reset"));
  EXPECT_EQ(world.count(imds_line), 0);
}

TEST(AzureChain, WhoIsNotConfiguredIsSkippedAndListedWithItsReason) {
  CloudWorld world;
  world.variables = {{"AZURE_CLIENT_SECRET", "canary"}};
  const auto error = refusal(world);
  EXPECT_EQ(error.code, ErrorCode::bad_config);
  for (const auto* words :
       {"environment: AZURE_TENANT_ID and AZURE_CLIENT_ID are not set",
        "workload identity: AZURE_FEDERATED_TOKEN_FILE is not set",
        "managed identity (IMDS): no metadata service", "Azure CLI: /usr/bin/az", "az login"}) {
    EXPECT_TRUE(says(error, words)) << words << "\n" << describe(error);
  }
}

TEST(AzureChain, WhoeverGaveTheFirstTokenIsAskedForAllOthers) {
  auto world = machine();
  const auto session = open_azure("azure-entra:");
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.asked.size(), 2U) << "whether it is there, and the token";
  // Somebody sets variables for another one meanwhile: a session does not change who it is.
  world.variables = service_principal().variables;
  world.on(token_line, entra_reply());
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.asked.size(), 3U);
  EXPECT_EQ(world.count("POST"), 0);
}

TEST(AzureChain, AzureTokenCredentialsChoosesAndOthersAreNotAsked) {
  const auto with = [](const std::string& value) {
    auto world = machine();
    for (auto& [name, text] : service_principal().variables) world.variables[name] = text;
    world.variables["AZURE_TOKEN_CREDENTIALS"] = value;
    world.on(token_line, entra_reply());
    world.programs
        ["/usr/bin/az account get-access-token --output json --scope "
         "https://ossrdbms-aad.database.windows.net/.default --tenant tenant-1"] =
        R"({"accessToken":"from-az","expires_on":1800003600,"expiresOn":"2027-01-15 10:00:00.000000"})";
    auto got = fetched(world);
    return got ? got->origin : describe(got.error());
  };
  EXPECT_NE(with("prod").find("environment"), std::string::npos);
  EXPECT_NE(with("EnvironmentCredential").find("environment"), std::string::npos);
  EXPECT_NE(with("managedidentitycredential").find("IMDS"), std::string::npos);
  EXPECT_EQ(with("dev"), "/usr/bin/az, as Azure CLI");
  EXPECT_EQ(with("AzureCliCredential"), "/usr/bin/az, as Azure CLI");
  EXPECT_NE(with("WorkloadIdentityCredential").find("AZURE_FEDERATED_TOKEN_FILE is not set"),
            std::string::npos);
  EXPECT_NE(with("AzurePowerShellCredential").find("only the SDKs have"), std::string::npos);
  EXPECT_NE(with("production").find("Known are prod, dev"), std::string::npos);
}

TEST(AzureChain, TheReferenceGoesBeforeTheEnvironment) {
  auto world = service_principal();
  world.http["POST https://login.microsoftonline.com/other/oauth2"] = [](const Asked&) {
    return entra_reply();
  };
  ASSERT_TRUE(fetched(world, "azure-entra:?tenant=other&client_id=c2&credential=EnvironmentCredential"));
  EXPECT_NE(world.asked[0].body.find("client_id=c2"), std::string::npos);
}

TEST(AzureChain, TheCliIsLookedForInItsPlacesAndNeverInPath) {
  CloudWorld world;
  const auto error = refusal(world, "azure-entra:?credential=dev");
  std::vector<std::string> programs;
  for (const auto& line : world.read) {
    if (line.starts_with("program ")) programs.push_back(line.substr(8, line.find(' ', 8) - 8));
  }
  EXPECT_EQ(programs, (std::vector<std::string>{"/usr/bin/az", "/usr/local/bin/az", "/opt/az/bin/az"}));
  CloudWorld other;
  other.programs
      ["/home/a/bin/az account get-access-token --output json --scope "
       "https://ossrdbms-aad.database.windows.net/.default"] =
      R"({"accessToken":")" + app_token + R"(","expiresOn":"2027-01-15 10:00:00.000000"})";
  const auto got = fetched(other, "azure-entra:?credential=dev&az_path=/home/a/bin/az");
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_EQ(got->credential.expires, WallTime{std::chrono::seconds{1'800'003'600}})
      << "the token says it itself";
}

TEST(AzureChain, ASovereignCloudHasItsOwnAuthorityAndScope) {
  struct Row {
    const char *host, *authority, *scope;
  };
  for (const auto& [host, authority, scope] :
       {Row{"a.postgres.database.azure.com", "login.microsoftonline.com", "database.windows.net"},
        Row{"a.postgres.database.chinacloudapi.cn", "login.chinacloudapi.cn", "database.chinacloudapi.cn"},
        Row{"a.mysql.database.usgovcloudapi.net", "login.microsoftonline.us",
            "database.usgovcloudapi.net"}}) {
    auto world = service_principal();
    world.http["POST https://" + std::string{authority}] = [](const Asked&) { return entra_reply(); };
    ASSERT_TRUE(fetched(world, "azure-entra:", {"postgresql", {{host, 5432}}, "app"})) << host;
    EXPECT_NE(
        world.asked[0].body.find("scope=https%3A%2F%2Fossrdbms-aad." + std::string{scope} + "%2F.default"),
        std::string::npos);
  }
  auto world = service_principal();
  world.variables["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.us/";
  world.http["POST https://login.microsoftonline.us/tenant-1/"] = [](const Asked&) { return entra_reply(); };
  ASSERT_TRUE(fetched(world));
  EXPECT_NE(world.asked[0].body.find("usgovcloudapi"), std::string::npos);
}

TEST(AzureChain, NoSecretGoesToAnAuthorityOverPlainHttp) {
  for (const auto* address :
       {"http://login.example.com", "http://127.0.0.1:8080", "http://localhost:1", "ftp://x",
        "https://user@login.example.com", "https://login.example.com/path", "https://a b"}) {
    auto world = service_principal();
    world.variables["AZURE_AUTHORITY_HOST"] = address;
    EXPECT_TRUE(says(refusal(world), "AZURE_AUTHORITY_HOST")) << address;
    EXPECT_TRUE(world.asked.empty());
  }
  auto test = service_principal();
  test.variables["AZURE_AUTHORITY_HOST"] = "http://127.0.0.1:8080";
  test.http["POST http://127.0.0.1:8080/tenant-1/"] = [](const Asked&) { return entra_reply(); };
  EXPECT_TRUE(fetched(test, "azure-entra:?insecure_reason=test"));
}

TEST(AzureChain, WhatCouldBecomeAnotherPathOrArgumentIsRefused) {
  for (const auto* text :
       {"azure-entra:?tenant=a/b", "azure-entra:?tenant=..%2Fx", "azure-entra:?tenant=-x",
        "azure-entra:?tenant=..", "azure-entra:?tenant=.", "azure-entra:?tenant=a..b",
        "azure-entra:?client_id=..", "azure-entra:?client_id=a%26b", "azure-entra:?msi_res_id=x",
        "azure-entra:?az_path=az", "azure-entra:?ca_file=/a/../b", "azure-entra:?scope=management",
        "azure-entra:?credential=x", "azure-entra:?client_id=a&object_id=b", "azure-entra:?secret=x",
        "azure-entra:#field"}) {
    EXPECT_FALSE(try_open(text)) << text;
  }
  auto world = service_principal();
  world.variables["AZURE_TENANT_ID"] = "../common";
  EXPECT_TRUE(says(refusal(world), "AZURE_TENANT_ID"));
}

}  // namespace
}  // namespace sallyport::azure_chain_test
