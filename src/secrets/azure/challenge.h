// Key Vault's challenge: who answers without a token says which resource a token has to be for. A token for it is sent to the
// vault only if the vault's host is below the resource's, so that a false vault cannot ask for a token of another service.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

struct Challenge {
  std::string scope;   ///< "https://vault.azure.net/.default"
  std::string tenant;  ///< of the vault; empty: not said. Never asked for a token: a hint in errors.
};

/// `Bearer authorization="https://login.microsoftonline.com/TENANT", resource="https://vault.azure.net"`, or with `scope`.
///
/// `vault_host` without a port. `named`: a person wrote the vault's address into the reference; then it may be anywhere,
/// but the resource has to be one of a cloud's vaults all the same.
/// Errors  peer_misbehaved: no such challenge, or a resource that the vault's host is not below.
Result<Challenge> read_challenge(std::string_view header, std::string_view vault_host, bool named);

}  // namespace sallyport::secrets::azure
