// Endpoints against botocore's resolver (aws_endpoints.json, made by make_aws_endpoints.py), and what is refused.
#include "secrets/aws/endpoints.h"
#include "secrets/json.h"
#include "test/secrets/cloud_world.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sallyport::secrets::aws::aws_endpoints_test {
namespace {

Service service_of(std::string_view name) {
  for (const auto one : {Service::secretsmanager, Service::ssm, Service::sts})
    if (signing_name(one) == name) return one;
  return Service::sso;
}

TEST(AwsEndpoints, AreBotocoresForEachServiceRegionAndVariant) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/test/secrets/aws_endpoints.json"};
  std::stringstream text;
  text << file.rdbuf();
  const auto json = Json::parse(text.str(), "table");
  ASSERT_TRUE(json);
  int seen = 0;
  for (const auto row : json->root().elements()) {
    EndpointOptions options;
    options.fips = *row["fips"].boolean();
    options.dual_stack = *row["dual_stack"].boolean();
    options.sts_global = *row["legacy"].boolean();
    const auto region = row["region"].text();
    const auto endpoint = endpoint_of(service_of(row["service"].text()), region, options, "");
    ASSERT_TRUE(endpoint);
    SCOPED_TRACE(std::string{row["service"].text()} + " " + std::string{region} +
                 (options.fips ? " fips" : "") + (options.dual_stack ? " dual" : "") +
                 (options.sts_global ? " legacy" : ""));
    EXPECT_EQ(endpoint->url, "https://" + std::string{row["host"].text()});
    EXPECT_EQ(endpoint->signing_region, row["signing_region"].text());
    ++seen;
  }
  EXPECT_EQ(seen, 317);
}

TEST(AwsEndpoints, ARegionOutOfAnRdsHostsName) {
  for (const auto& [host, region] : std::vector<std::pair<std::string, std::string>>{
           {"db.c1a2b3.eu-west-1.rds.amazonaws.com", "eu-west-1"},
           {"DB.C1A2B3.EU-WEST-1.RDS.AMAZONAWS.COM.", "eu-west-1"},
           {"app.cluster-c1a2b3.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"},
           {"app.cluster-ro-c1a2b3.us-east-1.rds.amazonaws.com", "us-east-1"},
           {"app.proxy-c1a2b3.us-east-1.rds.amazonaws.com", "us-east-1"},
           {"db.c1a2b3.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"},
           {"db.c1a2b3.cn-north-1.rds.amazonaws.com.cn", "cn-north-1"},
           {"db.c1a2b3.us-iso-east-1.rds.c2s.ic.gov", "us-iso-east-1"},
           {"db.example.com", ""},
           {"eu-west-1.rds.amazonaws.com", "eu-west-1"},
           {"db.rds.amazonaws.com", ""},
           {"db.c1.eu-west-1.rds.amazonaws.com.evil.example", ""},
           {"db.c1.eu-west-1.rds.xamazonaws.com", ""},
           {"rds.amazonaws.com", ""},
           {"", ""}}) {
    EXPECT_EQ(region_of_rds_host(host), region) << host;
  }
}

TEST(AwsEndpoints, WhatIsNoRegionIsPutIntoNoHostName) {
  for (const auto* region :
       {"", "eu-west-1.evil.example", "eu/west", "-eu", "EU-west-1", "eu west", "eu@west"})
    EXPECT_FALSE(check_region(region, "AWS_REGION")) << region;
  EXPECT_TRUE(check_region("eu-west-1", "AWS_REGION"));
}

EndpointOptions at(std::string url) {
  EndpointOptions options;
  options.url = std::move(url);
  options.url_name = "AWS_ENDPOINT_URL";
  return options;
}

TEST(AwsEndpoints, AConfiguredAddressIsTakenAsItIs) {
  const auto endpoint = endpoint_of(Service::ssm, "eu-west-1", at("https://vpce-1.example:443/"), "");
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->url, "https://vpce-1.example");
  EXPECT_EQ(endpoint->signing_region, "eu-west-1");
}

TEST(AwsEndpoints, PlainHttpIsForALiteralLoopbackAddressWithAReason) {
  EXPECT_TRUE(endpoint_of(Service::ssm, "eu-west-1", at("http://127.0.0.1:5000"), "a test")->plain_http);
  for (const auto* url :
       {"http://localhost:5000", "http://192.0.2.1", "http://169.254.169.254", "ftp://x", "x"})
    EXPECT_FALSE(endpoint_of(Service::ssm, "eu-west-1", at(url), "a test")) << url;
  const auto without = endpoint_of(Service::ssm, "eu-west-1", at("http://127.0.0.1:5000"), "");
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().hint.find("insecure_reason="), std::string::npos);
}

TEST(AwsEndpoints, FipsBesideAConfiguredAddressIsAnError) {
  auto options = at("https://vpce-1.example");
  options.fips = true;
  EXPECT_FALSE(endpoint_of(Service::ssm, "eu-west-1", options, ""));
}

/// What read_endpoint_options() makes of these variables.
Result<EndpointOptions> options_from(std::map<std::string, std::string> variables, Service service) {
  CloudWorld world;
  world.variables = std::move(variables);
  EndpointOptions found;
  InquiryRun run{{[&](Inquiry& ask) -> Result<Then> {
                   auto options = read_endpoint_options(ask, service);
                   if (!options) return std::move(options).error();
                   found = *options;
                   return Then::next_step;
                 }},
                 "test"};
  struct Conversation final : sallyport::Conversation {
    explicit Conversation(InquiryRun& run) : run_(run) {}
    Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
    InquiryRun& run_;
  } conversation{run};
  if (auto done = world.run(conversation); !done) return std::move(done).error();
  return found;
}

TEST(AwsEndpoints, AServicesOwnVariableComesFirst) {
  const std::map<std::string, std::string> both{{"AWS_ENDPOINT_URL", "https://all"},
                                                {"AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://one"}};
  EXPECT_EQ(options_from(both, Service::secretsmanager)->url, "https://one");
  EXPECT_EQ(options_from(both, Service::ssm)->url, "https://all");
  auto ignored = both;
  ignored["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "True";
  EXPECT_EQ(options_from(ignored, Service::ssm)->url, "");
  EXPECT_TRUE(options_from({{"AWS_USE_FIPS_ENDPOINT", "true"}}, Service::ssm)->fips);
  EXPECT_TRUE(options_from({{"AWS_USE_DUALSTACK_ENDPOINT", "true"}}, Service::ssm)->dual_stack);
  EXPECT_TRUE(options_from({{"AWS_STS_REGIONAL_ENDPOINTS", "legacy"}}, Service::sts)->sts_global);
  EXPECT_FALSE(options_from({{"AWS_USE_FIPS_ENDPOINT", "yes"}}, Service::ssm));
}

}  // namespace
}  // namespace sallyport::secrets::aws::aws_endpoints_test
