// Tokens of RDS against botocore's (aws_rds_tokens.json, made by make_aws_rds_tokens.py), and the source around them.
#include "secrets/aws/aws.h"
#include "secrets/aws/rds_token.h"
#include "secrets/json.h"
#include "secrets/time_text.h"
#include "test/secrets/cloud_world.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sallyport::secrets::aws::aws_rds_test {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

Keys keys_with(std::string_view token) {
  return {"AKIDEXAMPLE", Secret::copy_of(secret_key), Secret::copy_of(token), std::nullopt, "test"};
}

TEST(AwsRdsToken, IsBotocoresForHostsPortsUsersSessionTokensRegionsAndTimes) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/test/secrets/aws_rds_tokens.json"};
  std::stringstream text;
  text << file.rdbuf();
  const auto json = Json::parse(text.str(), "table");
  ASSERT_TRUE(json);
  int seen = 0;
  for (const auto row : json->root().elements()) {
    SCOPED_TRACE(row["token"].text().substr(0, 200));
    const RdsLogin login{std::string{row["host"].text()}, static_cast<std::uint16_t>(*row["port"].integer()),
                         std::string{row["user"].text()}, std::string{row["region"].text()}};
    const auto token =
        rds_token(login, keys_with(row["session_token"].text()), *parse_iso_time(row["time"].text()));
    EXPECT_EQ(token.reveal(), row["token"].text())
        << "every parameter, in botocore's order, and the signature";
    ++seen;
  }
  EXPECT_EQ(seen, 61);
}

TEST(AwsRdsToken, AHostInCapitalsIsSignedAsItIsAsked) {
  const auto at = *parse_iso_time("2026-01-02T03:04:05Z");
  const auto one = rds_token({"DB.Example", 5432, "app", "eu-west-1"}, keys_with(""), at);
  const auto other = rds_token({"db.example", 5432, "app", "eu-west-1"}, keys_with(""), at);
  EXPECT_TRUE(one.equals(other));
}

constexpr const char* endpoint = "db.c1a2b3.eu-west-1.rds.amazonaws.com";

std::string http_date(WallTime wall) {
  const auto time =
      static_cast<std::time_t>(std::chrono::floor<std::chrono::seconds>(wall.time_since_epoch()).count());
  std::array<char, 64> text{};
  std::tm parts{};
  gmtime_r(&time, &parts);
  (void)std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

class AwsRds : public testing::Test {
 protected:
  AwsRds() {
    world.variables = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                       {"AWS_SECRET_ACCESS_KEY", std::string{secret_key}},
                       {"HOME", "/home/app"}};
  }

  static Result<std::unique_ptr<SourceSession>> open(const std::string& reference, Purpose purpose) {
    return aws_rds_source()->open(*parse_reference(reference), purpose);
  }

  Result<Fetched> fetch(const std::string& reference, Purpose purpose) {
    auto session = open(reference, std::move(purpose));
    if (!session) return std::move(session).error();
    return world.fetch(**session);
  }

  static Purpose purpose_for(std::vector<SuppliedHost> hosts, std::string user = "app") {
    return {"postgresql", std::move(hosts), std::move(user)};
  }

  CloudWorld world;
};

TEST_F(AwsRds, ATokenOfTheHostsRegionForFifteenMinutes) {
  world.variables["AWS_REGION"] = "us-east-1";
  const auto fetched = fetch("aws-rds-iam:", purpose_for({{endpoint, 5432}}));
  ASSERT_TRUE(fetched) << describe(fetched.error());
  const auto& credential = fetched->credential;
  EXPECT_EQ(credential.kind, CredentialKind::token);
  EXPECT_EQ(credential.user, "app");
  EXPECT_EQ(*credential.expires - world.now.wall, 900s);
  EXPECT_TRUE(credential.secret.equals(
      rds_token({endpoint, 5432, "app", "eu-west-1"}, keys_with(""), world.now.wall).reveal()));
  EXPECT_EQ(fetched->origin, "AWS keys of environment");
  EXPECT_TRUE(world.asked.empty()) << "nobody is asked";
  EXPECT_TRUE(credential.per_host.empty());
}

TEST_F(AwsRds, TheRegionIsTheAttributesElseTheHostsElseTheMachines) {
  const auto region = [&](const std::string& reference, const std::string& host) -> std::string {
    const auto fetched = fetch(reference, purpose_for({{host, 5432}}));
    if (!fetched) return describe(fetched.error());
    const std::string token{fetched->credential.secret.reveal()};
    const auto at = token.find("%2Frds-db");
    return token.substr(token.rfind("%2F", at - 1) + 3, at - token.rfind("%2F", at - 1) - 3);
  };
  EXPECT_EQ(region("aws-rds-iam:?region=ap-south-1", endpoint), "ap-south-1");
  EXPECT_EQ(region("aws-rds-iam:", endpoint), "eu-west-1");
  EXPECT_NE(region("aws-rds-iam:", "db.internal").find("add region=eu-west-1"), 0U);
  EXPECT_NE(region("aws-rds-iam:", "db.internal").find("db.internal is not known"), std::string::npos);
  world.variables["AWS_DEFAULT_REGION"] = "ca-central-1";
  EXPECT_EQ(region("aws-rds-iam:", "db.internal"), "ca-central-1");
}

TEST_F(AwsRds, ACnameIsSignedAsTheEndpointThatItStandsFor) {
  const auto fetched =
      fetch(std::string{"aws-rds-iam:?sign_host="} + endpoint, purpose_for({{"db.internal", 6432}}));
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_TRUE(fetched->credential.secret.reveal().starts_with(std::string{endpoint} + ":6432/?"));
  const auto with_port = fetch(std::string{"aws-rds-iam:?sign_host="} + endpoint + ":5432",
                               purpose_for({{"db.internal", 6432}}));
  EXPECT_TRUE(with_port->credential.secret.reveal().starts_with(std::string{endpoint} + ":5432/?"));
}

TEST_F(AwsRds, EachOfSeveralHostsGetsItsOwn) {
  const auto fetched = fetch("aws-rds-iam:?region=eu-west-1", purpose_for({{"a", 5432}, {"b", 5433}}));
  ASSERT_TRUE(fetched);
  const auto& credential = fetched->credential;
  EXPECT_TRUE(credential.secret_for("a", 5432).reveal().starts_with("a:5432/"));
  EXPECT_TRUE(credential.secret_for("b", 5433).reveal().starts_with("b:5433/"));
  EXPECT_TRUE(credential.secret_for("c", 1).reveal().starts_with("a:5432/"));
  EXPECT_TRUE(credential.clone().secret_for("b", 5433).reveal().starts_with("b:5433/"));
}

TEST_F(AwsRds, WhatASignatureNeedsIsAskedForBeforeAnythingRuns) {
  const auto wrong = [](const std::string& reference, const Purpose& purpose) -> std::string {
    const auto session = open(reference, purpose);
    return session ? "" : describe(session.error());
  };
  EXPECT_EQ(wrong("aws-rds-iam:", {}), "") << "the reference alone";
  EXPECT_NE(wrong("aws-rds-iam:", purpose_for({{endpoint, 5432}}, "")).find("user="), std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:", purpose_for({})).find("host="), std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:", purpose_for({{"/run/postgresql", 5432}})).find("Unix socket"),
            std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:?sign_host=a,b", purpose_for({{endpoint, 5432}})).find("2 endpoints"),
            std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:?sign_host=a/b", purpose_for({{endpoint, 5432}})).find("sign_host"),
            std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:?region=x.evil", purpose_for({{endpoint, 5432}})).find("region"),
            std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:?regoin=x", purpose_for({{endpoint, 5432}})).find("region"),
            std::string::npos);
  EXPECT_NE(wrong("aws-rds-iam:", {"mongodb", {{endpoint, 5432}}, "app"}).find("mongodb"), std::string::npos);
}

/// Keys of a container's endpoint, which end.
void give_container_keys(CloudWorld& world, WallTime end, const std::string& id = "ASIAEXAMPLE") {
  world.variables.erase("AWS_ACCESS_KEY_ID");
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:9911/keys";
  const auto text = format_utc(end);
  world.on("GET http://127.0.0.1:9911/keys",
           {200,
            R"({"AccessKeyId":")" + id +
                R"(","SecretAccessKey":"canary-key","Token":"canary-token","Expiration":")" + text + R"("})",
            {}});
}

TEST_F(AwsRds, ATokenEndsWithTheKeysThatSignedIt) {
  give_container_keys(world, world.now.wall + 60s);
  const auto fetched = fetch("aws-rds-iam:", purpose_for({{endpoint, 5432}}));
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_LE(*fetched->credential.expires - world.now.wall, 60s);
  EXPECT_GT(*fetched->credential.expires - world.now.wall, 58s);
  EXPECT_NE(fetched->credential.secret.reveal().find("&X-Amz-Security-Token=canary-token&"),
            std::string_view::npos);
}

TEST_F(AwsRds, ATokenIsDatedByAwsClockWhereThatIsKnownToDiffer) {
  for (const auto& [date, used] :
       std::vector<std::pair<Duration, Duration>>{{10min, 10min}, {-10min, -10min}, {20s, 0s}, {0s, 0s}}) {
    world.variables = {{"AWS_ROLE_ARN", "arn:aws:iam::1:role/app"},
                       {"AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"},
                       {"AWS_REGION", "eu-west-1"}};
    world.files["/run/token"] = "canary-web";
    const auto at = [&](Duration ahead) {
      return std::chrono::floor<std::chrono::seconds>(world.now.wall +
                                                      std::chrono::duration_cast<WallTime::duration>(ahead));
    };
    world.on(
        "POST https://sts.eu-west-1.amazonaws.com/",
        {200,
         "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1"
         "</AccessKeyId><SecretAccessKey>canary</SecretAccessKey><SessionToken>canary-t</"
         "SessionToken><Expiration>" +
             format_utc(at(date + 1h)) +
             "</Expiration></Credentials></AssumeRoleWithWebIdentityResult></"
             "AssumeRoleWithWebIdentityResponse>",
         {{"date", http_date(at(date))}}});
    const auto fetched = fetch("aws-rds-iam:", purpose_for({{endpoint, 5432}}));
    ASSERT_TRUE(fetched) << describe(fetched.error());
    const std::string token{fetched->credential.secret.reveal()};
    EXPECT_NE(token.find("X-Amz-Date=" + format_basic(at(used))), std::string::npos) << token.substr(0, 300);
    EXPECT_EQ(*fetched->credential.expires - world.now.wall, 900s) << "by our clock";
  }
}

TEST_F(AwsRds, KeysAreKeptForTheNextTokenAndAskedForAgainAfterARefusal) {
  give_container_keys(world, world.now.wall + 6h);
  const auto session = open("aws-rds-iam:", purpose_for({{endpoint, 5432}}));
  ASSERT_TRUE(session);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(world.fetch(**session));
    world.now = {world.now.wall + 10min, world.now.mono + 10min};
  }
  EXPECT_EQ(world.count("GET http://127.0.0.1:9911/keys"), 1);
  (*session)->on_refused();
  ASSERT_TRUE(world.fetch(**session));
  EXPECT_EQ(world.count("GET http://127.0.0.1:9911/keys"), 2);
}

}  // namespace
}  // namespace sallyport::secrets::aws::aws_rds_test
