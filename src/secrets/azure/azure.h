// The sources of Azure: secrets of Key Vault, and tokens of Entra ID that a database takes in place of a password.
//
//   azure-kv:my-vault/db-connection            the current version
//   azure-kv:my-vault/db-connection/VERSION    that one
//   azure-entra:                               a token for PostgreSQL or MySQL flexible server
//   azure-entra:?scope=https://…/.default      for another resource
//
// Attributes: settings.h, and vault_url= and shape= of azure-kv:, scope= of azure-entra:.
#pragma once

#include "secrets/identity.h"
#include "secrets/source.h"

#include <memory>

namespace sallyport::secrets {

std::unique_ptr<Source> azure_vault_source();
std::unique_ptr<Source> azure_entra_source();

/// Who Entra says that we are, by the token's own claims.
std::unique_ptr<IdentityConversation> azure_identity();

}  // namespace sallyport::secrets
