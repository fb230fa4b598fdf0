#include "secrets/azure/clouds.h"
#include "base/ascii.h"

#include <algorithm>
#include <array>
#include <span>

namespace sallyport::secrets::azure {

namespace {

constexpr std::array<Cloud, 3> clouds{{
    {"AzureCloud", "login.microsoftonline.com", "vault.azure.net", "database.windows.net",
     "database.azure.com", "management.azure.com"},
    {"AzureChinaCloud", "login.chinacloudapi.cn", "vault.azure.cn", "database.chinacloudapi.cn",
     "database.chinacloudapi.cn", "management.chinacloudapi.cn"},
    {"AzureUSGovernment", "login.microsoftonline.us", "vault.usgovcloudapi.net", "database.usgovcloudapi.net",
     "database.usgovcloudapi.net", "management.usgovcloudapi.net"},
}};

struct Alias {
  std::string_view host;
  std::size_t cloud;
};

constexpr std::array<Alias, 5> aliases{{{"login.windows.net", 0},
                                        {"login.microsoft.com", 0},
                                        {"sts.windows.net", 0},
                                        {"login.partner.microsoftonline.cn", 1},
                                        {"login.usgovcloudapi.net", 2}}};

}  // namespace

bool is_below(std::string_view host, std::string_view suffix) {
  const auto whole = to_lower(host);
  return !suffix.empty() && whole.size() > suffix.size() + 1 && whole.ends_with("." + to_lower(suffix));
}

const Cloud& public_cloud() { return clouds[0]; }

const Cloud* cloud_of_authority(std::string_view host) {
  const auto name = to_lower(host);
  for (const auto& cloud : clouds) {
    if (cloud.authority == name) return &cloud;
  }
  const auto* const alias =
      std::find_if(aliases.begin(), aliases.end(), [&](const Alias& one) { return one.host == name; });
  return alias == aliases.end() ? nullptr : &clouds[alias->cloud];
}

const Cloud* cloud_of_host(std::string_view host) {
  const auto found = std::find_if(clouds.begin(), clouds.end(), [&](const Cloud& cloud) {
    return is_below(host, cloud.vaults) || is_below(host, cloud.servers) || is_below(host, cloud.databases);
  });
  return found == clouds.end() ? nullptr : &*found;
}

bool is_database_host(std::string_view host) {
  return std::any_of(clouds.begin(), clouds.end(), [&](const Cloud& cloud) {
    return is_below(host, cloud.servers) || is_below(host, cloud.databases);
  });
}

bool is_vault_audience(std::string_view host) {
  const auto name = to_lower(host);
  return std::any_of(clouds.begin(), clouds.end(), [&](const Cloud& cloud) { return cloud.vaults == name; });
}

}  // namespace sallyport::secrets::azure
