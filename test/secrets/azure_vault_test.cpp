// `azure-kv:`: the challenge, where a token goes, and what a vault's refusals mean.
#include "test/secrets/azure_world.h"

#include <gtest/gtest.h>

namespace sallyport::azure_vault_test {
namespace {

const std::string vault = "azure-kv:my-vault/db";

Told forbidden(const std::string& inner) {
  return {403,
          R"({"error":{"code":"Forbidden","message":"canary","innererror":{"code":")" + inner + R"("}}})",
          {}};
}

TEST(AzureVault, AsksWithoutATokenFirstAndThenWithOneForTheChallengesResource) {
  auto world = vault_world();
  const auto got = fetched(world, vault);
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_TRUE(got->credential.secret.equals("canary-password"));
  EXPECT_EQ(got->credential.version, "0123");
  EXPECT_EQ(got->origin, "https://my-vault.vault.azure.net, as environment (client secret)");
  ASSERT_EQ(world.asked.size(), 3U);
  EXPECT_EQ(world.asked[0].line, vault_line);
  EXPECT_EQ(world.asked[0].header("authorization"), "");
  EXPECT_NE(world.asked[1].body.find("scope=https%3A%2F%2Fvault.azure.net%2F.default"), std::string::npos);
  EXPECT_EQ(world.asked[2].line, vault_line);
  EXPECT_EQ(world.asked[2].header("authorization"), "Bearer " + app_token);
}

TEST(AzureVault, LaterFetchesReadTheSecretAlone) {
  auto world = vault_world();
  const auto session = open_azure(vault);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.asked.size(), 7U);
  EXPECT_EQ(world.count("POST"), 1) << "one token";
  EXPECT_EQ(world.count(vault_line), 6) << "one challenge";
}

TEST(AzureVault, ATokenIsReplacedFiveMinutesBeforeItsEnd) {
  auto world = vault_world();
  const auto session = open_azure(vault);
  ASSERT_TRUE(world.fetch(*session));
  const auto pass = [&](std::chrono::seconds time) {
    world.now = {world.now.wall + time, world.now.mono + time};
  };
  pass(std::chrono::seconds{3599 - 376});  // a quarter more by chance, and never before that
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.count("POST"), 1);
  pass(std::chrono::seconds{77});
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.count("POST"), 2);
}

TEST(AzureVault, ATokenThatIsValidServesWhileItsRefreshFails) {
  auto world = vault_world();
  const auto session = open_azure(vault);
  ASSERT_TRUE(world.fetch(*session));
  const auto pass = [&](std::chrono::seconds time) {
    world.now = {world.now.wall + time, world.now.mono + time};
  };
  world.on(token_line, {503, "", {}});
  pass(std::chrono::seconds{3400});
  ASSERT_TRUE(world.fetch(*session));
  const auto tries = world.count("POST");
  EXPECT_EQ(tries, 5) << "one with its retries";
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.count("POST"), tries) << "a pause follows";
  pass(std::chrono::seconds{200});
  EXPECT_FALSE(world.fetch(*session)) << "it has ended";
}

TEST(AzureVault, ATokenThatTheVaultRefusesIsReplacedOnce) {
  auto world = vault_world();
  int minted = 0;
  world.http[token_line] = [&](const Asked&) { return entra_reply("token-" + std::to_string(++minted)); };
  world.http["GET https://my-vault.vault.azure.net/"] = [&](const Asked& asked) {
    const bool good = asked.header("authorization") == "Bearer token-2";
    return good ? secret_reply("canary-password") : challenge();
  };
  ASSERT_TRUE(fetched(world, vault));
  EXPECT_EQ(minted, 2);
  world.http["GET https://my-vault.vault.azure.net/"] = [](const Asked&) { return challenge(); };
  minted = 0;
  const auto error = refusal(world, vault);
  EXPECT_EQ(error.code, ErrorCode::denied);
  EXPECT_EQ(minted, 2);
}

TEST(AzureVault, AVaultOfAnotherTenantIsNamedWithTheFix) {
  auto world = vault_world();
  world.http["GET https://my-vault.vault.azure.net/"] = [](const Asked&) { return challenge(); };
  const auto error = refusal(world, vault);
  EXPECT_TRUE(says(error, "it is of tenant tenant-1, and the vault belongs to tenant tenant-9"))
      << describe(error);
  EXPECT_TRUE(says(error, "tenant=tenant-9"));
}

TEST(AzureVault, NoTokenGoesToAHostThatIsNotBelowTheResource) {
  for (const auto* resource :
       {"https://management.azure.com", "https://ossrdbms-aad.database.windows.net",
        "https://graph.microsoft.com", "https://evil.vault.azure.net", "https://azure.net.evil.example",
        "https://my-vault.vault.azure.net", "https://ault.azure.net", "http://vault.azure.net",
        "vault.azure.net", "", "https://", "https://a@vault.azure.net", "https://vault.azure.net/x"}) {
    auto world = vault_world();
    world.http["GET https://my-vault.vault.azure.net/"] = [resource](const Asked&) {
      return challenge(resource);
    };
    const auto error = refusal(world, vault);
    EXPECT_EQ(error.code, ErrorCode::peer_misbehaved) << resource << describe(error);
    EXPECT_EQ(world.count("POST"), 0) << resource;
  }
}

TEST(AzureVault, AnAddressThatAPersonWroteMayBeAnywhereButTheResourceIsAVaultsStill) {
  auto world = service_principal();
  const std::string reference = vault + "?vault_url=https://emulator.example:8443";
  std::string resource = "https://vault.azure.net";
  world.http["GET https://emulator.example:8443/"] = [&](const Asked& asked) {
    return asked.header("authorization").empty() ? challenge(resource) : secret_reply("x");
  };
  EXPECT_TRUE(fetched(world, reference));
  resource = "https://management.azure.com";
  EXPECT_FALSE(fetched(world, reference));
}

TEST(AzureVault, ChallengesAreReadInEveryOrderAndSpelling) {
  for (const auto* header :
       {R"(Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net")",
        R"(bearer resource="https://vault.azure.net" , authorization_uri="https://login.windows.net/t")",
        R"(Bearer authorization=https://login.windows.net/t,resource=https://vault.azure.net/)",
        R"(Bearer authorization="x", scope="https://vault.azure.net/.default")"}) {
    auto world = vault_world();
    world.http["GET https://my-vault.vault.azure.net/"] = [header](const Asked& asked) -> Told {
      if (asked.header("authorization").empty()) return {401, "", {{"www-authenticate", header}}};
      return secret_reply("x");
    };
    EXPECT_TRUE(fetched(world, vault)) << header;
  }
  for (const auto* header : {"", "Bearer", "Basic realm=x", "Bearer realm=\"x\"", "Negotiate"}) {
    auto world = vault_world();
    world.http["GET https://my-vault.vault.azure.net/"] = [header](const Asked&) -> Told {
      return {401, "", {{"www-authenticate", header}}};
    };
    EXPECT_EQ(refusal(world, vault).code, ErrorCode::peer_misbehaved) << header;
  }
}

TEST(AzureVault, EachRefusalHasItsFix) {
  struct Row {
    Told answer;
    ErrorCode code;
    std::vector<std::string> words;
  };
  for (const auto& [answer, code, words] :
       {Row{forbidden("SecretDisabled"),
            ErrorCode::denied,
            {"disabled", "set-attributes --vault-name my-vault --name db --enabled true"}},
        Row{forbidden("ForbiddenByRbac"),
            ErrorCode::denied,
            {"client id client-1 may not read", "Key Vault Secrets User"}},
        Row{forbidden("ForbiddenByPolicy"), ErrorCode::denied, {"az keyvault set-policy --name my-vault"}},
        Row{forbidden("ForbiddenByFirewall"),
            ErrorCode::denied,
            {"firewall", "az keyvault network-rule add --name my-vault"}},
        Row{forbidden(""), ErrorCode::denied, {"may not read"}},
        Row{{404, R"({"error":{"code":"SecretNotFound","message":"canary"}})", {}},
            ErrorCode::not_found,
            {"there is no secret db", "az keyvault secret list --vault-name my-vault"}},
        Row{{429, "{}", {}}, ErrorCode::retry_later, {"too many requests"}},
        Row{{500, "{}", {}}, ErrorCode::retry_later, {"cannot answer now"}},
        Row{{200, "{}", {}}, ErrorCode::peer_misbehaved, {"no value"}},
        Row{{200, R"({"value":"canary","contentType":"application/x-pkcs12"})", {}},
            ErrorCode::peer_unsupported,
            {"PKCS #12"}},
        Row{{301, "", {{"location", "https://login.example/x?canary"}}},
            ErrorCode::peer_misbehaved,
            {"login.example"}}}) {
    auto world = vault_world(answer);
    const auto error = refusal(world, vault);
    EXPECT_EQ(error.code, code) << describe(error);
    for (const auto& text : words) EXPECT_TRUE(says(error, text)) << text << "\n" << describe(error);
    EXPECT_EQ(error.where, vault);
  }
}

TEST(AzureVault, ADeletedSecretIsToldFromOneThatNeverWas) {
  auto world = vault_world({404, R"({"error":{"code":"SecretNotFound"}})", {}});
  world.on("GET https://my-vault.vault.azure.net/deletedsecrets/db?api-version=7.4",
           {200, R"({"deletedDate":1799999000,"recoveryId":"x"})", {}});
  const auto error = refusal(world, vault);
  EXPECT_TRUE(says(error, "deleted since 2027-01-15T07:43:20")) << describe(error);
  EXPECT_TRUE(says(error, "az keyvault secret recover --vault-name my-vault --name db"));
  auto version = vault_world({404, R"({"error":{"code":"SecretNotFound"}})", {}});
  EXPECT_TRUE(says(refusal(version, vault + "/0123"), "there is no version 0123 of the secret db"));
}

TEST(AzureVault, AVaultThatIsNotThereIsNamed) {
  auto world = service_principal();
  auto session = open_azure("azure-kv:absent/db");
  auto fetch = session->fetch();
  std::optional<Event> event{started()};
  for (int step = 0; step < 50; ++step) {
    auto action = fetch->resume({world.now, std::move(*event)});
    if (!action) {
      EXPECT_TRUE(says(action.error(), "there is no vault absent")) << describe(action.error());
      EXPECT_TRUE(says(action.error(), "az keyvault recover --name absent"));
      return;
    }
    if (std::holds_alternative<ReadVariable>(*action)) {
      event.emplace(VariableRead{std::nullopt});
    } else {
      event.emplace(ActionFailed{test_failure(ErrorCode::not_found)});
    }
  }
  FAIL() << "no end";
}

TEST(AzureVault, ALocatorIsAVaultOrItsHostASecretAndAVersion) {
  for (const auto* text :
       {"azure-kv:my-vault.vault.azure.cn/db", "azure-kv:My-Vault.vault.usgovcloudapi.net/db/0123",
        "azure-kv:my-vault/secrets/db", "azure-kv:v/db?shape=password", "azure-kv:v/db#password"}) {
    EXPECT_TRUE(try_open(text)) << text;
  }
  for (const auto* text :
       {"azure-kv:my-vault", "azure-kv:my-vault.example.com/db", "azure-kv:my_vault/db", "azure-kv:v/a.b",
        "azure-kv:v/db/a/b", "azure-kv:a.vault.azure.net.evil.example/db", "azure-kv:v/db?vault_url=x",
        "azure-kv:v/db?vault_url=http://x", "azure-kv:v/db?vault_url=https://x/y", "azure-kv:v/db?x=1",
        "azure-kv:v/db?vault_url=http://127.0.0.1:1", "azure-kv:x.y.vault.azure.net/db"}) {
    EXPECT_FALSE(try_open(text)) << text;
  }
  auto world = service_principal();
  world.http["POST https://login.chinacloudapi.cn/tenant-1/"] = [](const Asked&) { return entra_reply(); };
  world.http["GET https://my-vault.vault.azure.cn/secrets/db?"] = [](const Asked& asked) {
    return asked.header("authorization").empty() ? challenge("https://vault.azure.cn") : secret_reply("x");
  };
  EXPECT_TRUE(fetched(world, "azure-kv:my-vault.vault.azure.cn/db"));
}

}  // namespace
}  // namespace sallyport::azure_vault_test
