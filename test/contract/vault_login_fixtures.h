// The worlds of logins to Vault, for source_fixtures.h: each changes the world of AppRole.
#pragma once

#include "test/contract/source_world.h"

#include <string>
#include <string_view>

namespace sallyport::contract {

struct LoginWorld {
  std::string_view name;
  std::string_view reference;
  SourceWorld world;
};

inline std::vector<LoginWorld> login_worlds(const SourceWorld& approle, std::string_view login) {
  const std::string at = "https://vault:8200/v1/";
  std::vector<LoginWorld> out;
  const auto add = [&](std::string_view name, std::string_view reference) -> SourceWorld& {
    out.push_back({name, reference, approle});
    out.back().world.http.erase("POST " + at + "auth/approle/login");
    return out.back().world;
  };
  auto& kubernetes = add("vault_kubernetes", "vault:database/creds/app?auth=kubernetes&role=app");
  kubernetes.files["/var/run/secrets/kubernetes.io/serviceaccount/token"] = "canary.web.token";
  kubernetes.http["POST " + at + "auth/kubernetes/login"] = {200, login};

  auto& jwt = add("vault_jwt", "vault:database/creds/app?auth=jwt&jwt_file=/run/jwt&mount=oidc");
  jwt.files["/run/jwt"] = "canary.web.token";
  jwt.http["POST " + at + "auth/oidc/login"] = {200, login};

  auto& cert =
      add("vault_cert", "vault:database/creds/app?auth=cert&client_cert=/run/c.pem&client_key=/run/k.pem");
  cert.files["/run/c.pem"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  cert.files["/run/k.pem"] = "canary-key";
  cert.http["POST " + at + "auth/cert/login"] = {200, login};

  auto& userpass =
      add("vault_userpass", "vault:database/creds/app?auth=userpass&username=app&password_file=/run/pw");
  userpass.files["/run/pw"] = "canary-login";
  userpass.http["POST " + at + "auth/userpass/login/app"] = {200, login};

  auto& wrapped = add(
      "vault_wrapped",
      "vault:database/creds/app?role_id=role&secret_id_file=/run/secret_id&secret_id_wrapped=true&role=app");
  wrapped.http["POST " + at + "auth/approle/login"] = {200, login};
  wrapped.http["POST " + at + "sys/wrapping/lookup"] = {
      200, R"({"data":{"creation_path":"auth/approle/role/app/secret-id"}})"};
  wrapped.http["POST " + at + "sys/wrapping/unwrap"] = {200, R"({"data":{"secret_id":"canary-inside"}})"};

  auto& azure = add("vault_azure", "vault:database/creds/app?auth=azure&role=app");
  azure.http
      ["GET "
       "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F"
       "management.azure.com%2F"] = {200, R"({"access_token":"canary.web.token"})"};
  azure.http["GET http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01"] = {
      200, R"({"subscriptionId":"s","resourceGroupName":"g","name":"vm"})"};
  azure.http["POST " + at + "auth/azure/login"] = {200, login};
  return out;
}

}  // namespace sallyport::contract
