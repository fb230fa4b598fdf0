// The worlds of `aws-sm:`, `aws-ssm:` and `aws-rds-iam:`, for source_fixtures.h.
#pragma once

#include "test/contract/source_world.h"

#include <string>
#include <string_view>

namespace sallyport::contract {

inline constexpr std::string_view aws_secret =
    R"({"Name":"prod/db","VersionId":"a1","VersionStages":["AWSCURRENT"],"SecretString":"{\"username\":\"app\",\"password\":\"canary-password\"}"})";
inline constexpr std::string_view aws_parameter =
    R"({"Parameter":{"Name":"/prod/db","Type":"SecureString","Version":3,"Value":"{\"username\":\"app\",\"password\":\"canary-password\"}"}})";
inline constexpr std::string_view aws_container_keys =
    R"({"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"canary-key","Token":"canary-token","Expiration":"2027-01-15T14:00:00Z"})";

inline SourceWorld aws_world() {
  SourceWorld world;
  world.variables["HOME"] = "/home/app";
  world.variables["AWS_REGION"] = "eu-west-1";
  world.variables["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
  world.variables["AWS_SECRET_ACCESS_KEY"] = "canary-key";
  world.http["POST https://secretsmanager.eu-west-1.amazonaws.com/"] = {200, aws_secret};
  world.http["POST https://ssm.eu-west-1.amazonaws.com/"] = {200, aws_parameter};
  return world;
}

/// Keys that end, from an endpoint of the machine's own.
inline SourceWorld aws_container_world() {
  auto world = aws_world();
  world.variables.erase("AWS_ACCESS_KEY_ID");
  world.variables.erase("AWS_SECRET_ACCESS_KEY");
  world.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials";
  world.http["GET http://169.254.170.2/v2/credentials"] = {200, aws_container_keys};
  return world;
}

}  // namespace sallyport::contract
