// Which lease a journal entry may make us revoke (threat 10).
#pragma once

#include "base/credential.h"

namespace sallyport::secrets {

/// True when the lease is one that a source of ours can have been given: a dynamic credential of the role that
/// `mount_and_role` names ("database/creds/app-role"), and `id` is that, a slash and one plain part. Address,
/// namespace and run are compared by whoever knows them; the Vault session compares them once more.
bool revocable(const Lease& lease);

}  // namespace sallyport::secrets
