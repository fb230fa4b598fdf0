// An Azure in memory: the addresses and answers that the tests of its sources share.
#pragma once

#include "crypto/base64_pem.h"
#include "secrets/azure/azure.h"
#include "test/secrets/azure_certificate.h"
#include "test/secrets/cloud_world.h"

#include <string>
#include <string_view>

namespace sallyport {

inline const std::string token_line = "POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
inline const std::string imds_line = "GET http://169.254.169.254/metadata/identity/oauth2/token";
inline const std::string vault_line = "GET https://my-vault.vault.azure.net/secrets/db?api-version=7.4";
inline const std::string database_resource = "https%3A%2F%2Fossrdbms-aad.database.windows.net";
inline constexpr std::int64_t world_now = 1'800'000'000;

inline std::string jwt_with(std::string_view claims) {
  return "eyJhbGciOiJSUzI1NiJ9." + crypto::base64url_encode(as_bytes(claims)) + ".c2lnbmF0dXJl";
}

inline const std::string app_token =
    jwt_with(R"({"appid":"client-1","idtyp":"app","tid":"tenant-1","exp":1800003600})");

inline Told entra_reply(const std::string& token = app_token, const std::string& life = "3599") {
  return {200, R"({"token_type":"Bearer","expires_in":)" + life + R"(,"access_token":")" + token + "\"}", {}};
}

inline Told managed_reply(const std::string& expires = R"("expires_on":"1800003600")",
                          const std::string& token = app_token) {
  return {200, R"({"access_token":")" + token + "\"," + expires + R"(,"token_type":"Bearer"})", {}};
}

inline CloudWorld service_principal() {
  CloudWorld world;
  world.variables = {{"AZURE_TENANT_ID", "tenant-1"},
                     {"AZURE_CLIENT_ID", "client-1"},
                     {"AZURE_CLIENT_SECRET", "canary-client-secret"}};
  world.on(token_line, entra_reply());
  return world;
}

/// A virtual machine with an identity: it says no to who asks without the header.
inline CloudWorld machine() {
  CloudWorld world;
  world.http[imds_line] = [](const Asked& asked) {
    return asked.header("metadata") == "true" ? managed_reply()
                                              : Told{400, R"({"error":"invalid_request"})", {}};
  };
  return world;
}

inline Told challenge(const std::string& resource = "https://vault.azure.net") {
  return {401,
          R"({"error":{"code":"Unauthorized"}})",
          {{"www-authenticate",
            R"(Bearer authorization="https://login.microsoftonline.com/tenant-9", resource=")" + resource +
                "\""}}};
}

inline Told secret_reply(const std::string& value) {
  return {200, R"({"value":")" + value + R"(","id":"https://my-vault.vault.azure.net/secrets/db/0123"})", {}};
}

/// A vault that gives `answer` to whoever has a token.
inline CloudWorld vault_world(Told answer = secret_reply("canary-password")) {
  auto world = service_principal();
  world.http["GET https://my-vault.vault.azure.net/"] = [answer](const Asked& asked) -> Told {
    if (asked.header("authorization").empty()) return challenge();
    return asked.line.find("/deletedsecrets/") == std::string::npos ? answer : Told{404, "{}", {}};
  };
  return world;
}

inline Result<std::unique_ptr<secrets::SourceSession>> try_open(std::string_view text,
                                                                const secrets::Purpose& purpose = {}) {
  const auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  const auto source =
      reference->scheme == "azure-kv" ? secrets::azure_vault_source() : secrets::azure_entra_source();
  return source->open(*reference, purpose);
}

inline std::unique_ptr<secrets::SourceSession> open_azure(std::string_view text,
                                                          const secrets::Purpose& purpose = {}) {
  auto session = try_open(text, purpose);
  EXPECT_TRUE(session) << text << ": " << (session ? "" : describe(session.error()));
  return session ? std::move(*session) : nullptr;
}

inline Result<secrets::Fetched> fetched(CloudWorld& world, std::string_view text = "azure-entra:",
                                        const secrets::Purpose& purpose = {}) {
  return world.fetch(*open_azure(text, purpose));
}

/// The error of a fetch that must fail; its text shows no secret.
inline Error refusal(CloudWorld& world,
                     std::string_view text = "azure-entra:", const secrets::Purpose& purpose = {}) {
  auto got = fetched(world, text, purpose);
  EXPECT_FALSE(got) << text;
  if (got) return {};
  EXPECT_EQ(describe(got.error()).find("canary"), std::string::npos) << describe(got.error());
  return got.error();
}

inline bool says(const Error& error, std::string_view text) {
  return describe(error).find(text) != std::string::npos;
}

inline secrets::WhoAmI whoami(CloudWorld& world) {
  auto identity = secrets::azure_identity();
  const auto done = world.run(*identity);
  EXPECT_TRUE(done) << describe(done.error());
  return identity->take();
}

}  // namespace sallyport
