// The file of `sallyport vault plan|apply` (docs/vault-setup.md): how Vault's database engine shall be set up.
//
// It is checked like the configuration, with the same errors. A configuration beside it (-c) says what the two would
// say twice: where the targets are, and which of their roles are Vault's.
#pragma once

#include "config/reader.h"
#include "secrets/vault/engine/wanted.h"

namespace sallyport::config {

struct VaultFile {
  std::string reference;                  ///< "vault:database?addr=…": where, and as whom
  secrets::vault::engine::Wanted wanted;  ///< statements complete
  std::vector<std::string> warnings;      ///< each names its line
  std::vector<std::string>
      other_roles;  ///< of the configuration's: "production.app: vault:kv/…" is not set up here
};

/// `config`: may be null.
/// Errors  bad_config: as parse() of config.h.
boost::system::result<VaultFile, std::vector<Error>> parse_vault_file(std::string_view yaml,
                                                                      std::string_view file,
                                                                      const Surroundings& around,
                                                                      const Config* config = nullptr);

/// As load() of config.h.
boost::system::result<VaultFile, std::vector<Error>> load_vault_file(const std::string& file, WallTime now,
                                                                     const Config* config = nullptr);

}  // namespace sallyport::config
