// Azure's clouds: the public one, China's and the US government's. Each has an authority that gives tokens, a suffix of its
// vaults and a name that its databases' tokens are for. What belongs to one cloud is of no use in another.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

struct Cloud {
  std::string_view name;       ///< as `az cloud list` has it
  std::string_view authority;  ///< "login.microsoftonline.com"
  std::string_view
      vaults;  ///< "vault.azure.net": what the host of a vault ends with, and its tokens' audience
  std::string_view
      databases;             ///< "database.windows.net": of SQL; with "ossrdbms-aad." of PostgreSQL and MySQL
  std::string_view servers;  ///< "database.azure.com": what the host of a flexible server ends with
  std::string_view management;  ///< "management.azure.com": a token that every identity may have
};

const Cloud& public_cloud();

/// By an authority's host, its older names included; null: none that we know.
const Cloud* cloud_of_authority(std::string_view host);

/// By the host of a vault or of a database server; null: none that we know.
const Cloud* cloud_of_host(std::string_view host);

/// Whether Azure's own DNS gives out this name, to its database servers alone: a token for databases goes nowhere else.
bool is_database_host(std::string_view host);

/// Whether some cloud's vaults have tokens for this host.
bool is_vault_audience(std::string_view host);

/// "name.vault.azure.net" ends with "vault.azure.net" behind a dot. Letters' case does not matter.
bool is_below(std::string_view host, std::string_view suffix);

}  // namespace sallyport::secrets::azure
