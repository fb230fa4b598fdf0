// Which of Vault's engines answers at a path: it decides how the secret is asked for and what its reply means.
#pragma once

#include "secrets/json.h"
#include "secrets/vault/state.h"

#include <optional>
#include <string_view>

namespace sallyport::secrets::vault {

/// `database/creds/app` and `database/static-creds/app` by their looks alone: for when the policies do not allow
/// us to ask what is mounted.
std::optional<Mount> mount_by_name(std::string_view path);

/// From the answer of sys/internal/ui/mounts.
/// Errors  bad_config: an engine that the vault source does not read.
Result<Mount> mount_from(const State& state, JsonView data);

}  // namespace sallyport::secrets::vault
