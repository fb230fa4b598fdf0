// One table: each provider of AWS' keys against each way in which it can fail.
#include "test/secrets/aws_world.h"

namespace sallyport::aws_faults_test {
namespace {

struct Provider {
  const char* name;
  const char* key;  ///< that it gives
  void (AwsWorld::*set_up)();
  std::string request;   ///< the one that gives the keys; empty: none is made
  std::string file;      ///< that holds what it needs
  bool lasting = false;  ///< extends keys that have expired
};

const std::string instance_request =
    "GET " + std::string{metadata} + "meta-data/iam/security-credentials/web-role";

const std::vector<Provider>& providers() {
  static const std::vector<Provider> all{
      {"environment", "AKIDENV", &AwsWorld::environment, "", ""},
      {"profile default (credentials file)", "AKIDFILE", nullptr, "", "/home/a/.aws/credentials"},
      {"profile app (assume role)", "ASIAROLE", &AwsWorld::role, "POST " + std::string{sts},
       "/home/a/.aws/credentials"},
      {"environment (web identity)", "ASIAWEB", &AwsWorld::web_identity, "POST " + std::string{sts},
       "/var/run/token"},
      {"profile app (SSO)", "ASIASSO", &AwsWorld::sso,
       "GET https://portal.sso.us-east-1.amazonaws.com/federation/credentials?", sso_cache},
      {"profile default (credential_process)", "AKIDPROCESS", &AwsWorld::process, "", "/home/a/.aws/config"},
      {"container", "ASIACONTAINER", &AwsWorld::container, "GET http://169.254.170.2/v2/keys", ""},
      {"IMDS", "ASIAINSTANCE", &AwsWorld::instance, instance_request, "", true},
  };
  return all;
}

AwsWorld world_of(const Provider& provider) {
  AwsWorld world;
  if (provider.set_up == nullptr) {
    world.credentials_file();
  } else {
    (world.*provider.set_up)();
  }
  return world;
}

struct Fault {
  const char* name;
  Told told;
  ErrorCode code;
};

std::vector<Fault> faults() {
  return {{"denied", {403, "", {}}, ErrorCode::denied},
          {"slow", {0, "", {}}, ErrorCode::timed_out},
          {"failing", {500, "canary", {}}, ErrorCode::retry_later},
          {"unavailable", {503, "<html>canary</html>", {}}, ErrorCode::retry_later},
          {"busy", {429, "", {}}, ErrorCode::retry_later},
          {"garbage", {200, "<html>canary</html>", {}}, ErrorCode::invalid_message},
          {"empty", {200, "", {}}, ErrorCode::invalid_message},
          {"huge", {200, std::string(1'048'577, ' '), {}}, ErrorCode::limit_exceeded},
          {"redirect", {302, "", {{"location", "https://evil.example/canary"}}}, ErrorCode::peer_misbehaved}};
}

void expect_clean(const Error& error, const std::string& what) {
  EXPECT_TRUE(error.where.starts_with("aws-sm:")) << what << ": " << error.where;
  EXPECT_EQ(error.hop, Hop::secret_source) << what;
  EXPECT_EQ(describe(error).find("canary"), std::string::npos) << what << ": " << describe(error);
}

TEST(AwsProviders, EachGivesItsKeys) {
  for (const auto& provider : providers()) {
    auto world = world_of(provider);
    const auto keys = world.keys();
    ASSERT_TRUE(keys) << provider.name << ": " << describe(keys.error());
    EXPECT_EQ(keys->access_key_id, provider.key);
    EXPECT_EQ(keys->provider, provider.name);
    EXPECT_TRUE(keys->secret_access_key.equals(canary_key)) << provider.name;
  }
}

TEST(AwsProviders, NobodyIsAnErrorThatListsThemAll) {
  AwsWorld world;
  const auto keys = world.keys();
  ASSERT_FALSE(keys);
  expect_clean(keys.error(), "nobody");
  EXPECT_EQ(keys.error().code, ErrorCode::bad_config);
  for (const auto* part : {"environment: AWS_ACCESS_KEY_ID is not set",
                           "web identity: ", "profile default: ", "container: ", "IMDS: does not answer"}) {
    EXPECT_NE(keys.error().what.find(part), std::string::npos) << part << " in " << keys.error().what;
  }
}

TEST(AwsProviders, EachFaultOfAServiceIsItsOwnError) {
  for (const auto& provider : providers()) {
    if (provider.request.empty()) continue;
    for (const auto& fault : faults()) {
      const auto what = std::string{provider.name} + ", " + fault.name;
      auto world = world_of(provider);
      world.on(provider.request, fault.told);
      const auto keys = world.keys();
      ASSERT_FALSE(keys) << what;
      expect_clean(keys.error(), what);
      EXPECT_EQ(name_of(keys.error().code), name_of(fault.code)) << what << ": " << describe(keys.error());
      EXPECT_EQ(keys.error().what.find(provider.name), 0U) << what << ": " << keys.error().what;
      EXPECT_LT(world.waited, std::chrono::seconds{6}) << what;
      EXPECT_EQ(world.count("GET https://evil") + world.count("POST https://evil"), 0) << what;
      if (std::string_view{fault.name} == "redirect")
        EXPECT_NE(keys.error().what.find("evil.example"), std::string::npos) << what;
    }
  }
}

TEST(AwsProviders, ATruncatedReplyIsNoKeysWhereverItEnds) {
  for (const auto& provider : providers()) {
    if (provider.request.empty()) continue;
    auto whole = world_of(provider);
    const auto body = whole.http[provider.request]({}).body;
    for (std::size_t length = 0; length < body.size(); length += 1) {
      auto world = world_of(provider);
      world.on(provider.request, {200, body.substr(0, length), {}});
      const auto keys = world.keys();
      ASSERT_FALSE(keys) << provider.name << " cut at " << length;
      expect_clean(keys.error(), provider.name);
    }
  }
}

TEST(AwsProviders, BusyServicesAreAskedAgainAndTheMetadataServiceIsNot) {
  for (const auto& provider : providers()) {
    if (provider.request.empty()) continue;
    auto world = world_of(provider);
    const auto good = world.http[provider.request];
    auto tries = std::make_shared<int>(0);
    world.http[provider.request] = [good, tries](const Asked& asked) {
      return ++*tries < 3 ? Told{503, "", {}} : good(asked);
    };
    const auto keys = world.keys();
    EXPECT_EQ(keys.has_value(), !provider.lasting) << provider.name;
    EXPECT_EQ(*tries, provider.lasting ? 1 : 3) << provider.name;
  }
}

TEST(AwsProviders, AClockThatIsTenMinutesOffIsNoReasonToFail) {
  for (const auto minutes : {-10, 10}) {
    for (const auto& provider : providers()) {
      auto world = world_of(provider);
      world.now = test_moment(std::chrono::minutes{minutes});
      const auto keys = world.keys();
      EXPECT_TRUE(keys) << provider.name << ": " << describe(keys.error());
    }
  }
}

TEST(AwsProviders, ExpiredKeysAreRefusedAndThoseOfAnInstanceAreUsedOn) {
  for (const auto& provider : providers()) {
    if (provider.request.empty()) continue;
    auto world = world_of(provider);
    world.now = test_moment(std::chrono::hours{7});
    if (std::string_view{provider.name} == "profile app (SSO)") {
      world.files[sso_cache] =
          R"({"accessToken":"canary-sso-token","expiresAt":")" + iso_in(std::chrono::hours{20}) + R"("})";
    }
    const auto keys = world.keys();
    ASSERT_EQ(keys.has_value(), provider.lasting) << provider.name;
    if (provider.lasting) {
      EXPECT_GT(*keys->expires, test_moment(std::chrono::hours{7} + std::chrono::minutes{16}).wall);
      EXPECT_LT(*keys->expires, test_moment(std::chrono::hours{7} + std::chrono::minutes{26}).wall);
    } else {
      EXPECT_EQ(keys.error().code, ErrorCode::denied) << provider.name;
      expect_clean(keys.error(), provider.name);
    }
  }
}

/// What is read while somebody writes it: nothing, the beginning, half a line.
TEST(AwsProviders, AFileThatIsBeingReplacedGivesNoOtherKeys) {
  for (const auto& provider : providers()) {
    if (provider.file.empty()) continue;
    const auto whole = world_of(provider).files[provider.file];
    for (std::size_t length = 0; length < whole.size(); ++length) {
      auto world = world_of(provider);
      world.files[provider.file] = whole.substr(0, length);
      const auto keys = world.keys();
      if (!keys) {
        expect_clean(keys.error(), provider.name);
      } else {
        EXPECT_EQ(keys->access_key_id, provider.key) << length;
      }
    }
  }
}

TEST(AwsProviders, AFileThatIsGoneIsAnErrorWhereItIsConfigured) {
  for (const auto& provider : providers()) {
    if (provider.file.empty() || provider.file.ends_with("/config")) continue;
    auto world = world_of(provider);
    world.files.erase(provider.file);
    const auto keys = world.keys();
    ASSERT_FALSE(keys) << provider.name;
    expect_clean(keys.error(), provider.name);
  }
}

}  // namespace
}  // namespace sallyport::aws_faults_test
