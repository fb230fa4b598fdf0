#include "cli/known_authority.h"

namespace sallyport::cli {

namespace {

/// Each is a credential, or the address of an endpoint that gives one out.
constexpr const char* variables[] = {
    "VAULT_TOKEN",
    "VAULT_SECRET_ID",
    "BAO_TOKEN",
    "CREDENTIALS_DIRECTORY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
};

/// Each names a file with a credential; counts when that can be read.
constexpr const char* file_variables[] = {
    "VAULT_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE",
};

constexpr const char* files_at_home[] = {
    "/.vault-token",
    "/.aws/credentials",
    "/.aws/sso/cache",
    "/.config/gcloud/application_default_credentials.json",
    "/.config/gcloud/credentials.db",
    "/.azure/msal_token_cache.json",
};

constexpr const char* service_account_token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr const char* azure_asset_tag = "7783-7084-3265-9085-8269-3286-77";

/// Empty: no cloud that we know of.
std::string cloud_of(const DmiTexts& dmi) {
  if (dmi.sys_vendor == "Amazon EC2" || dmi.board_vendor == "Amazon EC2") return "Amazon EC2";
  // Google makes laptops, too.
  const bool google = dmi.sys_vendor == "Google" || dmi.board_vendor == "Google";
  if (dmi.product_name.starts_with("Google") || (google && dmi.product_name.empty())) return "Google Cloud";
  if (dmi.chassis_asset_tag == azure_asset_tag) return "Azure";
  // Hyper-V of one's own has another tag; where it cannot be read, better one name too many.
  const bool hyper_v = dmi.sys_vendor == "Microsoft Corporation" && dmi.product_name == "Virtual Machine";
  return hyper_v && dmi.chassis_asset_tag.empty() ? "Azure" : "";
}

}  // namespace

std::set<std::string> known_authority(const ChildSurroundings& around) {
  std::set<std::string> found;
  for (const std::string name : variables) {
    if (around.has_variable(name)) found.insert("$" + name);
  }
  for (const std::string name : file_variables) {
    if (around.has_variable(name) && around.can_read(around.path_of(name))) found.insert("$" + name);
  }
  for (const auto* file : files_at_home) {
    if (!around.home.empty() && around.can_read(around.home + file)) found.insert(around.home + file);
  }
  if (around.can_read(service_account_token)) found.insert(service_account_token);
  if (const auto cloud = cloud_of(around.dmi); !cloud.empty())
    found.insert("the metadata service of " + cloud);
  return found;
}

}  // namespace sallyport::cli
