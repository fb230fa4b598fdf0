// The worlds of `gcp-sm:` and `gcp-cloudsql-iam:`, for source_fixtures.h: one for each kind of credentials.
#pragma once

#include "test/contract/source_world.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::contract {

struct GcpWorld {
  std::string_view name, reference;
  SourceWorld world;
};

inline constexpr std::string_view gcp_token =
    R"({"access_token":"canary-password","expires_in":3599,"token_type":"Bearer"})";
inline constexpr std::string_view gcp_impersonated =
    R"({"accessToken":"canary-token","expireTime":"2027-01-15T09:00:00Z"})";
inline constexpr std::string_view gcp_secret_url =
    "GET https://secretmanager.googleapis.com/v1/projects/p/secrets/db/versions/latest:access";
/// The pair of all worlds, in base64, with its checksum.
inline constexpr std::string_view gcp_secret =
    R"({"name":"projects/1/secrets/db/versions/3","payload":{"data":")"
    R"(eyJ1c2VybmFtZSI6ImFwcCIsInBhc3N3b3JkIjoiY2FuYXJ5LXBhc3N3b3JkIn0=","dataCrc32c":"81933663"}})";

/// Projects a service account's key into `token_uri`.
inline std::string gcp_key_file() {
  static const auto key = crypto::new_rsa_key();
  std::string pem{key->reveal()};
  for (auto at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) pem.replace(at, 1, "\\n");
  return R"({"type":"service_account","client_email":"app@p.iam.gserviceaccount.com","private_key_id":"k",)"
         R"("token_uri":"https://oauth2.googleapis.com/token","private_key":")" +
         pem + "\"}";
}

inline SourceWorld gcp_world(const std::string& credentials) {
  SourceWorld world;
  world.variables["GOOGLE_APPLICATION_CREDENTIALS"] = "/run/credentials.json";
  world.files["/run/credentials.json"] = credentials;
  world.http["POST https://oauth2.googleapis.com/token"] = {200, gcp_token};
  world.http[std::string{gcp_secret_url}] = {200, gcp_secret};
  return world;
}

inline SourceWorld gcp_federated_world() {
  auto world = gcp_world(
      R"({"type":"external_account","audience":"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",)"
      R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token",)"
      R"("service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/app@p.iam.gserviceaccount.com:generateAccessToken",)"
      R"("credential_source":{"file":"/run/subject"}})");
  world.files["/run/subject"] = "canary-subject";
  world.http["POST https://sts.googleapis.com/v1/token"] = {200, gcp_token};
  world.http
      ["POST "
       "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
       "app@p.iam.gserviceaccount.com:generateAccessToken"] = {200, gcp_impersonated};
  return world;
}

inline SourceWorld gcp_machine_world() {
  SourceWorld world;
  const std::string at = "GET http://169.254.169.254/computeMetadata/v1/";
  const std::vector<std::pair<std::string, std::string>> flavor{{"metadata-flavor", "Google"}};
  const std::string account = at + "instance/service-accounts/default/";
  world.variables["GCE_METADATA_HOST"] = "169.254.169.254";
  world.http[account + "email"] = {200, "machine@p.iam.gserviceaccount.com", flavor};
  world.http[account + "token?scopes=https://www.googleapis.com/auth/sqlservice.login"] = {200, gcp_token,
                                                                                           flavor};
  world.http[at + "universe/universe-domain"] = {200, "googleapis.com", flavor};
  return world;
}

inline std::vector<GcpWorld> gcp_worlds() {
  constexpr std::string_view secret = "gcp-sm:projects/p/secrets/db";
  const std::string person =
      R"({"type":"authorized_user","client_id":"c","client_secret":"canary-client","refresh_token":"canary-refresh"})";
  std::vector<GcpWorld> all;
  all.push_back({"gcp_key", secret, gcp_world(gcp_key_file())});
  all.push_back({"gcp_person", secret, gcp_world(person)});
  all.push_back({"gcp_federated", secret, gcp_federated_world()});
  all.push_back({"gcp_key_token", "gcp-cloudsql-iam:", gcp_world(gcp_key_file())});
  all.push_back({"gcp_machine", "gcp-cloudsql-iam:", gcp_machine_world()});
  return all;
}

}  // namespace sallyport::contract
