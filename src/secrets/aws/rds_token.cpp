#include "secrets/aws/rds_token.h"

#include "base/ascii.h"
#include "secrets/aws/sigv4.h"

namespace sallyport::secrets::aws {

Secret rds_token(const RdsLogin& login, const Keys& keys, WallTime at) {
  static constexpr std::string_view scheme = "https://";  // part of what is signed, and not of the token
  std::string url{scheme};
  url.append(to_lower(login.host)).append(":").append(std::to_string(login.port));
  url.append("/?Action=connect&DBUser=").append(uri_encode(login.user));
  const auto whole = presign("GET", url, keys, {login.region, "rds-db", at}, rds_token_life);
  return Secret::copy_of(whole.reveal().substr(scheme.size()));
}

}  // namespace sallyport::secrets::aws
