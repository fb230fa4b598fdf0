// What an `azure-kv:` reference says, checked without IO.
#pragma once

#include "secrets/azure/settings.h"
#include "secrets/shape.h"

#include <string>

namespace sallyport::secrets::azure {

struct VaultOptions {
  std::string vault;    ///< "my-vault", or the whole host "my-vault.vault.azure.cn"
  std::string secret;   ///< "db-connection"
  std::string version;  ///< empty: the current one
  std::string url;      ///< of vault_url=; empty: by the vault's name
  Choice choice;
  ShapeOptions shape;

  [[nodiscard]] const std::string& where() const { return choice.where; }

  /// "my-vault" also of a whole host: what `az keyvault --vault-name` wants.
  [[nodiscard]] std::string short_name() const { return vault.substr(0, vault.find('.')); }
};

/// Of `azure-kv:`, the identity's included: the table that parse_vault_options() checks against.
Attributes known_attributes();

/// Errors  bad_config: names what is wrong and what it may be.
Result<VaultOptions> parse_vault_options(const Reference& reference);

}  // namespace sallyport::secrets::azure
