// What a configuration's targets say about Vault's database engine: where the database is, and which roles are Vault's.
#pragma once

#include "config/vault_file.h"

namespace sallyport::config {

/// `text` with `{{username}}:{{password}}@` where it names nobody.
/// Errors  bad_config: a user or a password of its own, or no URL of that engine; never quoted.
Result<std::string> templated_url(const std::string& text, secrets::vault::engine::Database database);

/// Errors  bad_config: a Unix socket, or hosts that the secret names: Vault cannot be sent there.
Result<std::string> url_of_target(const Target& target);

/// `run_as` of the target's role whose credential is MOUNT/creds/NAME; empty: there is none.
std::string owner_of_role(const Config& config, const std::string& mount, const std::string& name);

/// Adds the roles that the file does not have and the configuration says enough about, and names the others in
/// `other_roles`.
void add_target_roles(const Config& config, VaultFile& file);

}  // namespace sallyport::config
