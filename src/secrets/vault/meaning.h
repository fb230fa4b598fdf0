// What a refusal by Vault means, and what to do about it.
//
// Vault's own text is never shown: it may repeat what was sent, or what its database driver said. Its known
// sentences are recognised and told in ours.
#pragma once

#include "secrets/vault/call.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::vault {

/// `path` and `capability` name what the token would need: `path "database/creds/app" { capabilities = ["read"] }`.
Error meaning_of(const State& state, const Reply& reply, std::string_view path, std::string_view capability);

/// An error of ours about what this session reads.
Error wrong_at(ErrorCode code, const State& state, std::string what, std::string hint);

/// Nothing says who we are there.
Error no_token(const State& state);

/// The lines to add to a policy.
std::string policy_lines(std::string_view path, std::string_view capability);

}  // namespace sallyport::secrets::vault
