// Secrets Manager and Parameter Store: what is asked, what comes of it, and what every refusal is told as.
#include "crypto/hash.h"
#include "secrets/aws/aws.h"
#include "secrets/json.h"
#include "secrets/time_text.h"
#include "test/secrets/cloud_world.h"

#include <gtest/gtest.h>

namespace sallyport::secrets::aws_manager_test {
namespace {

using namespace std::chrono_literals;

const std::string sm = "POST https://secretsmanager.eu-west-1.amazonaws.com/";
const std::string ssm = "POST https://ssm.eu-west-1.amazonaws.com/";

std::string secret_json(const std::string& value, const std::string& version = "v1") {
  return R"({"Name":"prod/db","VersionId":")" + version + R"(","SecretString":)" + value + "}";
}

Told refusal(const std::string& type, const std::string& message = "", int status = 400) {
  return {status, R"({"__type":")" + type + R"(","Message":")" + message + R"("})", {}};
}

class AwsManager : public testing::Test {
 protected:
  AwsManager() {
    world.variables = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                       {"AWS_SECRET_ACCESS_KEY", "canary-key"},
                       {"AWS_REGION", "eu-west-1"},
                       {"HOME", "/home/app"}};
  }

  static std::unique_ptr<SourceSession> open(const std::string& text) {
    const auto reference = parse_reference(text);
    EXPECT_TRUE(reference) << describe(reference.error());
    const auto source = text.starts_with("aws-sm:") ? aws_secrets_manager_source() : aws_parameter_source();
    auto session = source->open(*reference, {});
    EXPECT_TRUE(session) << describe(session.error());
    return std::move(*session);
  }

  Result<Fetched> fetch(const std::string& text) { return world.fetch(*open(text)); }

  std::string failure_of(const std::string& text) {
    const auto fetched = fetch(text);
    if (fetched) return "no failure";
    EXPECT_EQ(describe(fetched.error()).find("canary"), std::string::npos);
    EXPECT_TRUE(fetched.error().where.starts_with(text.substr(0, text.find(':') + 1)))
        << fetched.error().where;
    return describe(fetched.error());
  }

  CloudWorld world;
};

void expect_says(const std::string& text, std::initializer_list<const char*> parts) {
  for (const auto* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in: " << text;
}

TEST_F(AwsManager, ASecretInItsUsualShapeIsAsPlainAsItsRequest) {
  world.on(
      sm, {200,
           secret_json(R"("{\"username\":\"app\",\"password\":\"canary-1\",\"host\":\"db\",\"port\":5432}")"),
           {}});
  const auto fetched = fetch("aws-sm:prod/db");
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_EQ(fetched->credential.user, "app");
  EXPECT_TRUE(fetched->credential.secret.equals("canary-1"));
  EXPECT_EQ(fetched->credential.version, "v1");
  EXPECT_EQ(fetched->endpoint.host, "db");
  EXPECT_EQ(fetched->origin, "secretsmanager.eu-west-1.amazonaws.com");
  ASSERT_EQ(world.asked.size(), 1U);
  const auto& asked = world.asked[0];
  EXPECT_EQ(asked.body, R"({"SecretId":"prod/db","VersionStage":"AWSCURRENT"})");
  EXPECT_EQ(asked.header("content-type"), "application/x-amz-json-1.1");
  EXPECT_EQ(asked.header("x-amz-target"), "secretsmanager.GetSecretValue");
  EXPECT_NE(asked.header("authorization")
                .find("/eu-west-1/secretsmanager/aws4_request, "
                      "SignedHeaders=content-type;host;x-amz-date;x-amz-target,"),
            std::string::npos)
      << asked.header("authorization");
}

TEST_F(AwsManager, StageAndVersionAreAskedForAsTheyAreGiven) {
  world.on(sm, {200, secret_json(R"("canary-1")"), {}});
  EXPECT_TRUE(fetch("aws-sm:prod/db?stage=AWSPREVIOUS"));
  EXPECT_EQ(world.asked.back().body, R"({"SecretId":"prod/db","VersionStage":"AWSPREVIOUS"})");
  EXPECT_TRUE(fetch("aws-sm:prod/db?version=a1b2"));
  EXPECT_EQ(world.asked.back().body, R"({"SecretId":"prod/db","VersionId":"a1b2"})");
}

TEST_F(AwsManager, ABinarySecretThatIsTextIsOneAndAnyOtherIsAnError) {
  const auto binary = [&](std::string_view bytes) {
    world.on(
        sm,
        {200, R"({"VersionId":"v1","SecretBinary":")" + crypto::base64_encode(as_bytes(bytes)) + "\"}", {}});
  };
  binary("canary-1\n");
  EXPECT_TRUE(fetch("aws-sm:prod/db")->credential.secret.equals("canary-1"));
  binary(std::string_view{"canary\0\1\2", 9});
  expect_says(failure_of("aws-sm:prod/db"), {"is binary: 9 bytes", "SecretString"});
  world.on(sm, {200, R"({"SecretBinary":"canary!"})", {}});
  expect_says(failure_of("aws-sm:prod/db"), {"no base64"});
}

TEST_F(AwsManager, AnEmptySecretNoJsonAndAMissingFieldAreToldApart) {
  world.on(sm, {200, secret_json(R"("")"), {}});
  expect_says(failure_of("aws-sm:prod/db"), {"is empty", "put-secret-value"});
  world.on(sm, {200, secret_json(R"("canary-1")"), {}});
  expect_says(failure_of("aws-sm:prod/db#password"), {"no JSON object"});
  world.on(sm, {200, secret_json(R"("{\"user\":\"app\",\"pwd\":\"canary-1\",\"canary 2\":\"x\"}")"), {}});
  expect_says(failure_of("aws-sm:prod/db#password"), {"It has user, pwd and 1 more"});
  EXPECT_TRUE(fetch("aws-sm:prod/db#pwd")->credential.secret.equals("canary-1"));
}

TEST_F(AwsManager, EachRefusalNamesTheFix) {
  const auto told = [&](Told answer, const std::string& reference = "aws-sm:prod/db") {
    world.on(sm, std::move(answer));
    return failure_of(reference);
  };
  expect_says(told(refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")),
              {"no such secret in eu-west-1", "list-secrets --region eu-west-1"});
  expect_says(
      told(refusal("ResourceNotFoundException",
                   "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")),
      {"no version is AWSCURRENT"});
  expect_says(told(refusal("ResourceNotFoundException",
                           "Secrets Manager can't find the specified secret value for VersionId: a1"),
                   "aws-sm:prod/db?version=a1"),
              {"has no version a1", "list-secret-version-ids --secret-id prod/db"});
  expect_says(told(refusal("ResourceNotFoundException"), "aws-sm:prod/db?stage=OLD"),
              {"no such secret, or it has no stage OLD"});
  expect_says(
      told(refusal("InvalidRequestException",
                   "You can't perform this operation on the secret because it was marked for deletion.")),
      {"scheduled for deletion", "restore-secret --secret-id prod/db"});
  expect_says(told(refusal("AccessDeniedException", "User: canary is not authorized")),
              {"secretsmanager.eu-west-1.amazonaws.com answered AccessDeniedException",
               "secretsmanager:GetSecretValue"});
  expect_says(told(refusal("AccessDeniedException", "Access to KMS is not allowed")), {"kms:Decrypt"});
  expect_says(told(refusal("DecryptionFailure")), {"cannot be decrypted"});
  expect_says(told({403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", {}}),
              {"AccessDenied (status 403)"});
  expect_says(told({200, "<html>canary</html>", {}}), {"no JSON object", "proxy"});
  expect_says(told({400, "", {}}), {"status 400"});
}

TEST_F(AwsManager, ThrottlingAndServerErrorsAreTriedThreeTimes) {
  for (const auto& answer : {refusal("ThrottlingException"), refusal("InternalServiceError", "", 500),
                             Told{503, "", {}}, Told{429, "", {}}}) {
    world.asked.clear();
    world.on(sm, answer);
    const auto fetched = fetch("aws-sm:prod/db");
    ASSERT_FALSE(fetched);
    EXPECT_EQ(fetched.error().code, ErrorCode::retry_later);
    EXPECT_EQ(world.count(sm), 3);
  }
}

TEST_F(AwsManager, OnlyErrorsOfAuthenticationHaveTheKeysFoundAnew) {
  world.variables.erase("AWS_ACCESS_KEY_ID");
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:9911/keys";
  int given = 0;
  world.http["GET http://127.0.0.1:9911/keys"] = [&](const Asked&) {
    return Told{200,
                R"({"AccessKeyId":"ASIA)" + std::to_string(++given) +
                    R"(","SecretAccessKey":"canary-key","Token":"canary-token","Expiration":")" +
                    format_utc(world.now.wall + 6h) + R"("})",
                {}};
  };
  world.http[sm] = [&](const Asked& asked) {
    if (asked.header("authorization").find("ASIA1/") != std::string::npos)
      return refusal("ExpiredTokenException");
    return Told{200, secret_json(R"("canary-1")"), {}};
  };
  const auto session = open("aws-sm:prod/db");
  EXPECT_TRUE(world.fetch(*session));
  EXPECT_EQ(given, 2);
  world.on(sm, refusal("AccessDeniedException"));
  EXPECT_FALSE(world.fetch(*session));
  EXPECT_EQ(given, 2);
  world.on(sm, refusal("UnrecognizedClientException"));
  expect_says(describe(world.fetch(*session).error()), {"UnrecognizedClientException", "container"});
  EXPECT_EQ(given, 3) << "once and no more";
}

TEST_F(AwsManager, ASignatureOfAWrongClockIsMadeOnceMoreByAwsClock) {
  const auto date = [&](Duration ahead) {
    const auto wall = world.now.wall + std::chrono::duration_cast<WallTime::duration>(ahead);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(wall);
    const auto time = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(seconds));
    std::array<char, 64> text{};
    std::tm parts{};
    gmtime_r(&time, &parts);
    (void)std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return std::string{text.data()};
  };
  for (const auto ahead : {Duration{10min}, Duration{-10min}}) {
    world.asked.clear();
    world.http[sm] = [&](const Asked& asked) {
      const auto wanted =
          format_basic(world.now.wall + std::chrono::duration_cast<WallTime::duration>(ahead));
      if (asked.header("x-amz-date").substr(0, 13) != wanted.substr(0, 13)) {
        auto told = refusal("InvalidSignatureException", "Signature expired");
        told.headers.emplace_back("date", date(ahead));
        return told;
      }
      return Told{200, secret_json(R"("canary-1")"), {{"date", date(ahead)}}};
    };
    const auto session = open("aws-sm:prod/db");
    EXPECT_TRUE(world.fetch(*session));
    EXPECT_EQ(world.count(sm), 2);
    EXPECT_TRUE(world.fetch(*session));
    EXPECT_EQ(world.count(sm), 3) << "the difference is remembered";
  }
}

TEST_F(AwsManager, TheRegionIsTheArnsAndNobodyMayContradictIt) {
  world.on("POST https://secretsmanager.us-east-1.amazonaws.com/", {200, secret_json(R"("canary-1")"), {}});
  const std::string arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf";
  ASSERT_TRUE(fetch("aws-sm:" + arn));
  EXPECT_NE(world.asked.back().body.find(arn), std::string::npos);
  EXPECT_NE(world.asked.back().header("authorization").find("/us-east-1/secretsmanager/"), std::string::npos);
  EXPECT_TRUE(fetch("aws-sm:" + arn + "?region=us-east-1"));
  const auto refused = [](const std::string& text) {
    const auto session = aws_secrets_manager_source()->open(*parse_reference(text), {});
    return session ? std::string{} : describe(session.error());
  };
  expect_says(refused("aws-sm:" + arn + "?region=eu-west-1"),
              {"wrong region in ARN", "us-east-1", "eu-west-1"});
  expect_says(refused("aws-sm:arn:aws-cn:secretsmanager:us-east-1:1:secret:x"), {"partition"});
  expect_says(refused("aws-sm:arn:aws:ssm:us-east-1:1:parameter/x"), {"of ssm"});
  expect_says(refused("aws-sm:arn:aws:secretsmanager"), {"cut off"});
  expect_says(refused("aws-sm:prod/d%20b"), {"characters"});
}

TEST_F(AwsManager, WithoutARegionNothingIsAsked) {
  world.variables.erase("AWS_REGION");
  expect_says(failure_of("aws-sm:prod/db"), {"no region", "?region=eu-west-1"});
  EXPECT_TRUE(world.asked.empty());
}

/// A secret with its versions by label; answers GetSecretValue.
struct Versions {
  std::map<std::string, std::pair<std::string, std::string>> by_stage;  ///< version and value

  Told operator()(const Asked& asked) const {
    const auto json = Json::parse(asked.body, "body");
    const auto found = by_stage.find(std::string{json->root()["VersionStage"].text()});
    if (found == by_stage.end())
      return refusal("ResourceNotFoundException", "can't find the specified secret value for staging label");
    return {200, secret_json("\"" + found->second.second + "\"", found->second.first), {}};
  }
};

TEST_F(AwsManager, AfterARefusalThePendingVersionIsGivenUntilTheLabelHasMoved) {
  Versions versions{{{"AWSCURRENT", {"v1", "canary-old"}}, {"AWSPENDING", {"v2", "canary-new"}}}};
  world.http[sm] = [&](const Asked& asked) { return versions(asked); };
  const auto session = open("aws-sm:prod/db");
  const auto value = [&] {
    const auto fetched = world.fetch(*session);
    return fetched ? std::string{fetched->credential.secret.reveal()} : describe(fetched.error());
  };
  const auto pending = [&]() -> std::string {
    auto conversation = session->fetch_pending();
    if (!conversation) return "none";
    if (auto done = world.run(*conversation); !done) return describe(done.error());
    return std::string{conversation->take().credential.secret.reveal()};
  };
  EXPECT_EQ(session->fetch_pending(), nullptr) << "nothing was refused yet";
  EXPECT_EQ(value(), "canary-old");
  session->on_refused();
  EXPECT_EQ(value(), "canary-old");
  EXPECT_EQ(pending(), "canary-new");
  EXPECT_EQ(value(), "canary-new") << "the label has not moved";
  versions.by_stage = {{"AWSCURRENT", {"v2", "canary-new"}}};
  EXPECT_EQ(value(), "canary-new");
  versions.by_stage["AWSPENDING"] = {"v3", "canary-later"};
  EXPECT_EQ(value(), "canary-new") << "a later rotation has not begun in the database";
  session->on_refused();
  EXPECT_EQ(value(), "canary-new");
  EXPECT_EQ(pending(), "canary-later");
  session->on_refused();
  EXPECT_EQ(value(), "canary-new") << "the pending one was refused, too";
  versions.by_stage["AWSPENDING"] = versions.by_stage["AWSCURRENT"];
  expect_says(pending(), {"its pending version is the current one"});
}

TEST_F(AwsManager, AStageThatWasChosenHasNoOtherBesideIt) {
  world.on(sm, {200, secret_json(R"("canary-1")"), {}});
  const auto session = open("aws-sm:prod/db?stage=AWSCURRENT");
  EXPECT_TRUE(world.fetch(*session));
  session->on_refused();
  EXPECT_EQ(session->fetch_pending(), nullptr);
}

TEST_F(AwsManager, AParameterIsDecryptedAndAPlainOneIsWarnedOf) {
  world.on(
      ssm,
      {200, R"({"Parameter":{"Name":"/prod/db","Type":"SecureString","Value":"canary-1","Version":3}})", {}});
  const auto session = open("aws-ssm:/prod/db:3");
  const auto fetched = world.fetch(*session);
  ASSERT_TRUE(fetched) << describe(fetched.error());
  EXPECT_TRUE(fetched->credential.secret.equals("canary-1"));
  EXPECT_EQ(fetched->credential.version, "3");
  EXPECT_EQ(world.asked[0].body, R"({"Name":"/prod/db:3","WithDecryption":true})");
  EXPECT_EQ(world.asked[0].header("x-amz-target"), "AmazonSSM.GetParameter");
  EXPECT_TRUE(session->warnings().empty());
  world.on(ssm, {200, R"({"Parameter":{"Type":"String","Value":"canary-1","Version":3}})", {}});
  EXPECT_TRUE(world.fetch(*session));
  EXPECT_NE(session->warnings().at(0).find("SecureString"), std::string::npos);
}

TEST_F(AwsManager, AParametersRefusalsNameTheFix) {
  const auto told = [&](Told answer, const std::string& reference = "aws-ssm:/prod/db") {
    world.on(ssm, std::move(answer));
    return failure_of(reference);
  };
  expect_says(told(refusal("ParameterNotFound")), {"no such parameter in eu-west-1"});
  expect_says(told(refusal("ParameterVersionNotFound"), "aws-ssm:/prod/db:live"),
              {"no such version or label", "get-parameter-history --name /prod/db"});
  expect_says(told(refusal("AccessDeniedException")), {"ssm:GetParameter"});
  expect_says(told(refusal("InvalidKeyId")), {"KMS"});
  expect_says(told({200, R"({"Parameter":{"Value":""}})", {}}), {"is empty"});
}

}  // namespace
}  // namespace sallyport::secrets::aws_manager_test
