// The worlds of `azure-kv:` and `azure-entra:`, for source_fixtures.h: one for each provider of the chain.
#pragma once

#include "test/contract/source_world.h"
#include "test/secrets/azure_certificate.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::contract {

struct AzureWorld {
  std::string_view name, reference;
  SourceWorld world;
};

inline constexpr std::string_view azure_reply =
    R"({"token_type":"Bearer","expires_in":3599,"access_token":"canary-password"})";
inline constexpr std::string_view azure_managed_reply =
    R"({"access_token":"canary-password","expires_on":"1800003600","resource":"x","token_type":"Bearer"})";
inline constexpr std::string_view azure_cli_reply =
    R"({"accessToken":"canary-password","expires_on":1800003600,"tokenType":"Bearer"})";
inline constexpr std::string_view azure_secret =
    R"({"value":"{\"username\":\"app\",\"password\":\"canary-password\"}","id":"https://my-vault.vault.azure.net/secrets/db/0123","attributes":{"enabled":true}})";

inline SourceWorld azure_service_principal() {
  SourceWorld world;
  world.variables["AZURE_TENANT_ID"] = "tenant-1";
  world.variables["AZURE_CLIENT_ID"] = "client-1";
  world.http["POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"] = {200, azure_reply};
  return world;
}

inline SourceWorld azure_certificate_world() {
  auto world = azure_service_principal();
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/secrets/sp.pem";
  world.files["/run/secrets/sp.pem"] = azure_certificate();
  return world;
}

inline SourceWorld azure_vault_world() {
  auto world = azure_service_principal();
  world.variables["AZURE_CLIENT_SECRET"] = "canary-client-secret";
  const std::string url = "GET https://my-vault.vault.azure.net/secrets/db?api-version=7.4";
  world.challenges[url] = {
      401,
      "",
      {{"www-authenticate",
        R"(Bearer authorization="https://login.microsoftonline.com/tenant-1", resource="https://vault.azure.net")"}}};
  world.http[url] = {200, azure_secret};
  return world;
}

inline SourceWorld azure_arc_world() {
  SourceWorld world;
  const std::string address = "http://localhost:40342/metadata/identity/oauth2/token";
  world.variables["IDENTITY_ENDPOINT"] = address;
  world.variables["IMDS_ENDPOINT"] = "http://localhost:40342";
  const std::string url =
      "GET " + address + "?api-version=2020-06-01&resource=https%3A%2F%2Fossrdbms-aad.database.windows.net";
  world.challenges[url] = {401, "", {{"www-authenticate", "Basic realm=/var/opt/azcmagent/tokens/1.key"}}};
  world.http[url] = {200, azure_managed_reply};
  world.files["/var/opt/azcmagent/tokens/1.key"] = "canary-key";
  return world;
}

inline std::vector<AzureWorld> azure_worlds() {
  const std::string resource = "resource=https%3A%2F%2Fossrdbms-aad.database.windows.net";
  std::vector<AzureWorld> out;
  out.push_back({"azure_vault", "azure-kv:my-vault/db", azure_vault_world()});
  auto secret = azure_service_principal();
  secret.variables["AZURE_CLIENT_SECRET"] = "canary-client-secret";
  out.push_back({"azure_secret", "azure-entra:", std::move(secret)});
  out.push_back({"azure_certificate", "azure-entra:", azure_certificate_world()});
  auto workload = azure_service_principal();
  workload.variables["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/secrets/azure/tokens/azure-identity-token";
  workload.files["/var/run/secrets/azure/tokens/azure-identity-token"] = "canary-federated-token";
  out.push_back({"azure_workload", "azure-entra:", std::move(workload)});
  SourceWorld machine;
  machine.http["GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"] = {
      400, R"({"error":"invalid_request"})"};
  machine.http["GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&" +
               resource] = {200, azure_managed_reply};
  out.push_back({"azure_imds", "azure-entra:", std::move(machine)});
  SourceWorld service;
  service.variables["IDENTITY_ENDPOINT"] = "http://127.0.0.1:41741/msi/token/";
  service.variables["IDENTITY_HEADER"] = "canary-header";
  service.http["GET http://127.0.0.1:41741/msi/token/?api-version=2019-08-01&" + resource] = {
      200, azure_managed_reply};
  out.push_back({"azure_app_service", "azure-entra:", std::move(service)});
  out.push_back({"azure_arc", "azure-entra:", azure_arc_world()});
  SourceWorld shell;
  shell.variables["MSI_ENDPOINT"] = "http://localhost:50342/oauth2/token";
  shell.http["POST http://localhost:50342/oauth2/token"] = {200, azure_managed_reply};
  out.push_back({"azure_cloud_shell", "azure-entra:", std::move(shell)});
  SourceWorld developer;
  developer.programs["/usr/bin/az"] = azure_cli_reply;
  out.push_back({"azure_cli", "azure-entra:?credential=dev", std::move(developer)});
  return out;
}

}  // namespace sallyport::contract
