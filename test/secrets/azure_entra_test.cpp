// `azure-entra:` as a login wants it, and `whoami azure`: whose the token is, and what is certain of that.
#include "test/secrets/azure_world.h"

#include <gtest/gtest.h>

namespace sallyport::azure_entra_test {
namespace {

const secrets::Purpose login{"postgresql", {{"db.postgres.database.azure.com", 5432}}, ""};

Result<secrets::Fetched> with_claims(const std::string& claims, const secrets::Purpose& purpose) {
  auto world = service_principal();
  world.on(token_line, entra_reply(jwt_with(claims)));
  return fetched(world, "azure-entra:", purpose);
}

TEST(AzureEntra, TheUserIsTheRolesOwnOrThePersonWhomTheTokenNames) {
  auto own = login;
  own.user = "app";
  EXPECT_EQ(with_claims(R"({"upn":"ann@example.org","idtyp":"user"})", own)->credential.user, "app");
  EXPECT_EQ(with_claims(R"({"upn":"ann@example.org"})", login)->credential.user, "ann@example.org");
  EXPECT_EQ(with_claims(R"({"unique_name":"ann@example.org"})", login)->credential.user, "ann@example.org");
}

TEST(AzureEntra, AnApplicationsTokenDoesNotHoldItsNameInTheDatabase) {
  for (const auto* claims :
       {R"({"appid":"c-1","idtyp":"app"})", R"({"appid":"c-1","app_displayname":"shop"})", "{}", "",
        R"({"unique_name":"live.com#ann@example.org","appid":"c-1"})", R"({"upn":"a\nb"})"}) {
    const auto got = with_claims(claims, login);
    ASSERT_FALSE(got) << claims;
    EXPECT_EQ(got.error().code, ErrorCode::bad_config);
    EXPECT_TRUE(says(got.error(), "user=NAME")) << describe(got.error());
    EXPECT_TRUE(says(got.error(), "pgaadauth_list_principals"));
    EXPECT_TRUE(with_claims(claims, {})) << "a token alone needs no user";
  }
}

TEST(AzureEntra, ATokenOfSevenKilobytesIsAToken) {
  auto world = service_principal();
  const auto token = jwt_with(R"({"upn":"a@b","groups":")" + std::string(7000, 'x') + "\"}");
  world.on(token_line, entra_reply(token));
  const auto got = fetched(world);
  ASSERT_TRUE(got);
  EXPECT_GT(got->credential.secret.size(), 9000U);
  for (const auto& wrong : {std::string(40'000, 'x'), std::string{"a b"}, std::string{}}) {
    world.on(token_line, entra_reply(wrong));
    EXPECT_TRUE(
        says(refusal(world), "the answer has no access_token; it has token_type, expires_in, access_token"));
  }
}

TEST(AzureEntra, EachFetchAsksForANewToken) {
  auto world = service_principal();
  const auto session = open_azure("azure-entra:");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.count("POST"), 3) << "the slot asks when it wants another one";
}

TEST(AzureEntra, AnotherScopeMayBeAskedFor) {
  for (const auto* scope : {"https://database.windows.net/.default", "https://database.windows.net/",
                            "https://database.windows.net"}) {
    auto world = service_principal();
    ASSERT_TRUE(fetched(world, "azure-entra:?scope=" + std::string{scope}));
    EXPECT_NE(world.asked[0].body.find("scope=https%3A%2F%2Fdatabase.windows.net%2F.default"),
              std::string::npos);
    auto vm = machine();
    ASSERT_TRUE(fetched(vm, "azure-entra:?scope=" + std::string{scope}));
    EXPECT_TRUE(vm.asked[1].line.ends_with("resource=https%3A%2F%2Fdatabase.windows.net"))
        << "no suffix there";
  }
}

// ±10 minutes: nothing of ours compares Entra's clock with this machine's.
TEST(AzureEntra, AClockThatIsWrongDoesNotShortenOrLengthenAToken) {
  for (const auto* date : {"Fri, 15 Jan 2027 08:10:00 GMT", "Fri, 15 Jan 2027 07:50:00 GMT"}) {
    const std::int64_t skew = std::string_view{date}.find("08:10") != std::string_view::npos ? 600 : -600;
    auto world = machine();
    auto told = managed_reply(R"("expires_on":)" + std::to_string(world_now + skew + 3600));
    told.headers.emplace_back("date", date);
    world.on(imds_line + "?api-version=2018-02-01&resource=", told);
    EXPECT_EQ(fetched(world)->credential.expires, WallTime{std::chrono::seconds{world_now + 3600}}) << date;
    auto entra = service_principal();
    auto reply = entra_reply();
    reply.headers.emplace_back("date", date);
    entra.on(token_line, reply);
    EXPECT_EQ(fetched(entra)->credential.expires, WallTime{std::chrono::seconds{world_now + 3599}}) << date;
  }
}

TEST(AzureEntra, ATokenThatEndsWithTimeItselfHasNotExpired) {
  auto world = machine();
  auto told = managed_reply(R"("expires_on":"9999-12-31T23:59:59Z")");
  told.headers.emplace_back("date", "Fri, 15 Jan 2027 07:50:00 GMT");
  world.on(imds_line + "?api-version=2018-02-01&resource=", told);
  const auto got = fetched(world);
  EXPECT_TRUE(got) << describe(got.error());
}

TEST(AzureEntra, AnAssertionOfAWrongClockIsMadeOnceMoreWithEntrasTime) {
  auto world = service_principal();
  world.variables.erase("AZURE_CLIENT_SECRET");
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/sp.pem";
  world.files["/run/sp.pem"] = azure_certificate();
  std::vector<std::string> bodies;
  world.http[token_line] = [&](const Asked& asked) -> Told {
    bodies.push_back(asked.body);
    if (bodies.size() > 1) return entra_reply();
    return {401,
            R"({"error":"invalid_client","error_codes":[700024]})",
            {{"date", "Fri, 15 Jan 2027 08:20:00 GMT"}}};
  };
  ASSERT_TRUE(fetched(world));
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_NE(bodies[0], bodies[1]);
  world.http[token_line] = [](const Asked&) -> Told {
    return {401,
            R"({"error":"invalid_client","error_codes":[700024]})",
            {{"date", "Fri, 15 Jan 2027 08:00:00 GMT"}}};
  };
  EXPECT_TRUE(says(refusal(world), "clock"));
}

TEST(AzureWhoAmI, SaysWhoWonAndWhyTheOthersDidNot) {
  auto world = machine();
  world.on(
      imds_line + "?api-version=2018-02-01&resource=",
      managed_reply(
          R"("expires_in":3600)",
          jwt_with(
              R"({"appid":"c-7","idtyp":"app","xms_mirid":"/subscriptions/s/userAssignedIdentities/shop"})")));
  const auto who = whoami(world);
  EXPECT_EQ(who.cloud, "azure");
  EXPECT_EQ(who.provider, "managed identity (IMDS)");
  EXPECT_EQ(who.identity, "shop, client id c-7");
  ASSERT_EQ(who.tried.size(), 2U);
  EXPECT_EQ(who.tried[0].provider, "environment");
  EXPECT_TRUE(world.asked[1].line.ends_with("resource=https%3A%2F%2Fmanagement.azure.com"));
}

TEST(AzureWhoAmI, NobodyIsAnAnswerToo) {
  CloudWorld world;
  const auto who = whoami(world);
  EXPECT_EQ(who.provider, "");
  EXPECT_EQ(who.tried.size(), 4U);
  EXPECT_NE(who.fix.find("az login"), std::string::npos);
  EXPECT_EQ(world.waited, Duration::zero()) << "somebody waits for it";
}

TEST(AzureWhoAmI, WhatEndedTheSearchIsListed) {
  auto world = service_principal();
  world.on(token_line, {400, R"({"error":"invalid_request","error_codes":[90002]})", {}});
  const auto who = whoami(world);
  EXPECT_EQ(who.provider, "");
  ASSERT_EQ(who.tried.size(), 1U);
  EXPECT_EQ(who.tried[0].provider, "environment (client secret)");
  EXPECT_NE(who.tried[0].reason.find("no such tenant"), std::string::npos);
  EXPECT_NE(who.fix.find("AZURE_AUTHORITY_HOST"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::azure_entra_test
