// The password that RDS and Aurora take from an IAM user: a URL with a signed query, for one endpoint and user.
//
// It is made here, without asking AWS, and looked at by the database at login only. PostgreSQL and MySQL take the same.
// Source: botocore's generate_db_auth_token, which test/secrets/aws_rds_tokens.json compares with.
#pragma once

#include "secrets/aws/keys.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace sallyport::secrets::aws {

/// How long RDS takes a token.
inline constexpr auto rds_token_life = std::chrono::seconds{900};

struct RdsLogin {
  std::string host;  ///< the endpoint itself: RDS refuses what is signed for another name of it
  std::uint16_t port = 0;
  std::string user;
  std::string region;  ///< the endpoint's
};

/// `at`: by AWS' clock.
Secret rds_token(const RdsLogin& login, const Keys& keys, WallTime at);

}  // namespace sallyport::secrets::aws
