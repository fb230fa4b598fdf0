// The `vault:` source: HashiCorp Vault and OpenBao over their HTTP API.
//
//   vault:database/creds/app          dynamic credential with lease
//   vault:database/static-creds/app   static role, fetched again when it is rotated
//   vault:secret/prod/db#password     KV, version 1 or 2
//
// Environment: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT; a token as setup.h says. Attributes: options.h.
#pragma once

#include "secrets/source.h"

namespace sallyport::secrets {

std::unique_ptr<Source> vault_source(const SourceSettings& settings = {});

}  // namespace sallyport::secrets
