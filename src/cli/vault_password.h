// The password that `sallyport vault apply` gives to Vault.
#pragma once

#include "cli/command.h"
#include "cli/errand.h"
#include "secrets/vault/engine/wanted.h"

namespace sallyport::cli {

/// Of Vault's own user at a database, out of wherever `auth` of the connection says.
///
/// Errors  of the source.  bad_config: the secret is of another user than the connection's.
Result<Secret> fetch_password(Context& context, Errand& errand,
                              const secrets::vault::engine::Connection& connection);

}  // namespace sallyport::cli
