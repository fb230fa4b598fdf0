// One table of what goes wrong, for each provider and the vault: absent, denied, slow, busy, garbage, truncated, huge, elsewhere.
// (Failures at each step and answers cut anywhere: test/contract/.)
#include "base/limits.h"
#include "test/secrets/azure_world.h"

#include <gtest/gtest.h>

#include <algorithm>
namespace sallyport::azure_trouble_test {
namespace {

struct Provider {
  const char* name;
  const char* reference;
  std::function<CloudWorld()> world;
  std::string line;  ///< the request that is tampered with
};

CloudWorld workload() {
  auto world = service_principal();
  world.variables.erase("AZURE_CLIENT_SECRET");
  world.variables["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/secrets/t";
  world.files["/var/run/secrets/t"] = "canary-federated";
  return world;
}

CloudWorld certificate() {
  auto world = service_principal();
  world.variables.erase("AZURE_CLIENT_SECRET");
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/sp.pem";
  world.files["/run/sp.pem"] = azure_certificate();
  return world;
}

CloudWorld app_service() {
  CloudWorld world;
  world.variables = {{"IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token"},
                     {"IDENTITY_HEADER", "canary-header"}};
  world.on("GET http://127.0.0.1:41741/", managed_reply());
  return world;
}

CloudWorld arc() {
  CloudWorld world;
  world.variables = {{"IDENTITY_ENDPOINT", "http://127.0.0.1:40342/t"},
                     {"IMDS_ENDPOINT", "http://127.0.0.1:40342"}};
  world.files["/var/opt/azcmagent/tokens/1.key"] = "canary-key";
  world.http["GET http://127.0.0.1:40342/"] = [](const Asked& asked) -> Told {
    if (!asked.header("authorization").empty()) return managed_reply();
    return {401, "", {{"www-authenticate", "Basic realm=/var/opt/azcmagent/tokens/1.key"}}};
  };
  return world;
}

CloudWorld cloud_shell() {
  CloudWorld world;
  world.variables = {{"MSI_ENDPOINT", "http://127.0.0.1:50342/oauth2/token"}};
  world.on("POST http://127.0.0.1:50342/", managed_reply());
  return world;
}

const std::vector<Provider>& providers() {
  static const std::vector<Provider> all{
      {"secret", "azure-entra:", service_principal, token_line},
      {"certificate", "azure-entra:", certificate, token_line},
      {"workload", "azure-entra:", workload, token_line},
      {"imds", "azure-entra:", machine, imds_line + "?api-version=2018-02-01&resource="},
      {"app_service", "azure-entra:", app_service, "GET http://127.0.0.1:41741/msi"},
      {"arc", "azure-entra:", arc, "GET http://127.0.0.1:40342/t"},
      {"cloud_shell", "azure-entra:", cloud_shell, "POST http://127.0.0.1:50342/oauth2"},
      {"vault", "azure-kv:my-vault/db", [] { return vault_world(); }, vault_line},
      {"vaults_token", "azure-kv:my-vault/db", [] { return vault_world(); }, token_line},
  };
  return all;
}

struct Trouble {
  const char* name;
  Told answer;
  std::vector<ErrorCode> codes;  ///< any of these
  const char* words;
};

const std::vector<Trouble>& troubles() {
  using enum ErrorCode;
  static const std::vector<Trouble> all{
      {"denied", {403, R"({"error":"access_denied","x":"canary"})", {}}, {denied}, "403"},
      {"unauthorised", {401, R"({"error":"invalid_client"})", {}}, {denied, peer_misbehaved}, ""},
      {"busy", {429, R"({"error":"x"})", {{"retry-after", "1"}}}, {retry_later}, "429"},
      {"error", {500, "canary", {}}, {retry_later}, "500"},
      {"away", {503, "", {}}, {retry_later}, "503"},
      {"garbage", {200, "<html>canary</html>", {}}, {invalid_message, peer_misbehaved}, ""},
      {"truncated", {200, R"({"access_token":"canary)", {}}, {invalid_message, peer_misbehaved}, ""},
      {"empty", {200, "", {}}, {invalid_message, peer_misbehaved}, ""},
      {"no_object", {200, "[]", {}}, {invalid_message, peer_misbehaved}, ""},
      {"no_token", {200, R"({"expires_in":3600,"x":"canary"})", {}}, {invalid_message, peer_misbehaved}, ""},
      {"no_life", {200, R"({"access_token":"canary"})", {}}, {invalid_message, peer_misbehaved}, ""},
      {"another_type",
       {200, R"({"access_token":"canary","expires_in":1,"token_type":"pop"})", {}},
       {invalid_message, peer_misbehaved},
       ""},
      {"huge", {200, std::string(limits::secret_reply_bytes_max + 1, 'x'), {}}, {limit_exceeded}, "1 MiB"},
      {"elsewhere",
       {302, "", {{"location", "https://evil.example/?canary"}}},
       {peer_misbehaved},
       "evil.example"},
  };
  return all;
}

class AzureTrouble : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {};

std::string name_of_case(const testing::TestParamInfo<std::tuple<std::size_t, std::size_t>>& info) {
  return std::string{providers()[std::get<0>(info.param)].name} + "_" +
         troubles()[std::get<1>(info.param)].name;
}

INSTANTIATE_TEST_SUITE_P(All, AzureTrouble,
                         testing::Combine(testing::Range<std::size_t>(0, providers().size()),
                                          testing::Range<std::size_t>(0, troubles().size())),
                         name_of_case);

TEST_P(AzureTrouble, IsAnErrorThatSaysWhatItIsAndTheNextFetchWorks) {
  const auto& provider = providers()[std::get<0>(GetParam())];
  const auto& trouble = troubles()[std::get<1>(GetParam())];
  auto world = provider.world();
  const auto session = open_azure(provider.reference);
  const auto honest = world.http;
  world.on(provider.line, trouble.answer);
  const auto got = world.fetch(*session);
  ASSERT_FALSE(got);
  const auto& error = got.error();
  const auto text = describe(error);
  EXPECT_NE(std::find(trouble.codes.begin(), trouble.codes.end(), error.code), trouble.codes.end())
      << name_of(error.code) << ": " << text;
  EXPECT_NE(text.find(trouble.words), std::string::npos) << text;
  EXPECT_EQ(text.find("canary"), std::string::npos) << text;
  EXPECT_TRUE(error.where.starts_with(std::string{provider.reference}.substr(0, 8))) << error.where;
  EXPECT_LE(world.waited, Duration{std::chrono::seconds{30}});
  world.http = honest;
  EXPECT_TRUE(world.fetch(*session));
}

// Once busy or away and then well: one fetch, and Retry-After is kept to.
TEST(AzureTroubles, WhatPassesIsNotSeen) {
  for (const auto& provider : providers()) {
    for (const auto& [status, header] : {std::pair{429, std::pair{"retry-after", "3"}},
                                         {503, {"retry-after-ms", "3000"}},
                                         {500, {"x", "y"}}}) {
      auto world = provider.world();
      const auto honest = world.http;
      bool once = true;
      world.http[provider.line] = [&, status = status, header = header](const Asked& asked) -> Told {
        if (std::exchange(once, false)) return {status, "", {header}};
        const auto* best = &honest.begin()->second;
        std::size_t length = 0;
        for (const auto& [beginning, answer] : honest) {
          if (asked.line.starts_with(beginning) && beginning.size() >= length)
            best = &answer, length = beginning.size();
        }
        return (*best)(asked);
      };
      const auto got = fetched(world, provider.reference);
      EXPECT_TRUE(got) << provider.name << " " << status;
      EXPECT_FALSE(once);
      if (std::string_view{header.first} != "x" && std::string_view{provider.name} != "imds") {
        EXPECT_GE(world.waited, Duration{std::chrono::seconds{3}}) << provider.name << " " << status;
      }
    }
  }
}

TEST(AzureTroubles, AFileThatIsReplacedWhileItIsReadIsReadAgainAtTheNextFetch) {
  auto world = certificate();
  const auto session = open_azure("azure-entra:");
  const auto whole = world.files["/run/sp.pem"];
  for (const auto part : {whole.size() / 4, whole.size() / 2, whole.size() - 40}) {
    world.files["/run/sp.pem"] = whole.substr(0, part);
    EXPECT_FALSE(world.fetch(*session));
    world.files.erase("/run/sp.pem");
    EXPECT_FALSE(world.fetch(*session));
    world.files["/run/sp.pem"] = whole;
    EXPECT_TRUE(world.fetch(*session));
  }
}

TEST(AzureTroubles, WhatAzPrintsIsChecked) {
  for (const auto& [printed, words] : std::vector<std::pair<std::string, std::string>>{
           {"canary", "printed no JSON"},
           {R"({"accessToken":"canary"})", "does not say when"},
           {R"({"expires_on":1800003600})", "no accessToken"},
           {R"({"accessToken":"canary","expires_on":1700000000})", "expired"},
           {std::string(limits::secret_bytes_max + 1, ' '), "more than 65536"}}) {
    CloudWorld world;
    world.programs
        ["/usr/bin/az account get-access-token --output json --scope "
         "https://ossrdbms-aad.database.windows.net/.default"] = printed;
    EXPECT_TRUE(says(refusal(world, "azure-entra:?credential=dev"), words)) << words;
  }
}

}  // namespace
}  // namespace sallyport::azure_trouble_test
