// What the steps of an `azure-kv:` fetch share.
#pragma once

#include "secrets/azure/chain.h"
#include "secrets/azure/challenge.h"
#include "secrets/azure/vault_options.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

struct VaultState {
  VaultOptions options;
  std::optional<Challenge> challenge;  ///< once the vault has given it
  TokenCache cache;

  /// "https://my-vault.vault.azure.net".
  [[nodiscard]] std::string base(const Settings& settings) const;
  /// Of "secrets" or "deletedsecrets".
  [[nodiscard]] std::string secret_url(const Settings& settings, std::string_view collection) const;
};

Result<Then> ask_challenge(Inquiry& ask, VaultState& state);
Result<Then> read_secret(Inquiry& ask, VaultState& state, Fetched& yield);

/// User and password out of the vault's answer.
Result<Fetched> shaped(const WebReply& reply, const VaultState& state);

/// What a vault means by a refusal, with the command that mends it.
Error vault_meaning(const WebReply& reply, const VaultState& state);

/// `reply` is a deleted secret's.
Error soft_deleted(const WebReply& reply, const VaultState& state);

/// What any reference that needs an Azure identity consumes of the environment (threat 11).
Authority identity_authority();
Authority identity_authority_for(const Reference& reference);

}  // namespace sallyport::secrets::azure
