// Attributes of a reference: each source names its own and what may be done with each, so that a typing error is an error
// and not silence, and the environment is kept from what it may not decide.
//
// A bare reference in DATABASE_URL carries the target's attributes as well. They belong to whoever
// builds the target; a source accepts and ignores them.
#pragma once

#include "secrets/reference.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace sallyport::secrets {

/// What somebody gains who may say it. The environment may only say what selects (threats 1, 3 and 14).
enum class Effect {
  selects,         ///< which of the secrets that our identity may read, and how it is read
  names_receiver,  ///< who gets our token: an endpoint, who vouches for it, a program; or what the token is good for
  weakens,         ///< one check less; configuration warns of it until it is gone
};

struct Attribute {
  std::string_view name;
  Effect effect = Effect::selects;
};

using Attributes = std::span<const Attribute>;

/// As docs/exec.md lists them. `sslmode` weakens by its value, which is for whoever reads modes.
inline constexpr auto target_attributes = std::to_array<Attribute>({{"engine"},
                                                                    {"host"},
                                                                    {"port"},
                                                                    {"dbname"},
                                                                    {"user"},
                                                                    {"run_as"},
                                                                    {"sslmode"},
                                                                    {"sslrootcert"},
                                                                    {"sslcrl"},
                                                                    {"sslcert"},
                                                                    {"sslkey"},
                                                                    {"server_name"},
                                                                    {"tls_reason", Effect::weakens},
                                                                    {"tls_until", Effect::weakens},
                                                                    {"dialect"},
                                                                    {"login_methods", Effect::weakens},
                                                                    {"login_reason", Effect::weakens},
                                                                    {"target_session_attrs"},
                                                                    {"load_balance_hosts"}});

/// What several sources share, and one's own.
template <std::size_t One, std::size_t Other>
constexpr std::array<Attribute, One + Other> both(const std::array<Attribute, One>& one,
                                                  const std::array<Attribute, Other>& other) {
  std::array<Attribute, One + Other> all;
  std::copy(other.begin(), other.end(), std::copy(one.begin(), one.end(), all.begin()));
  return all;
}

/// Of an attribute of a source or of a target; none: there is no such attribute, and open() says so.
std::optional<Effect> effect_of(std::string_view name, Attributes own);

/// Errors  bad_config: an attribute that is neither among `own` nor the target's; names the nearest.
Result<void> check_attributes(const Reference& reference, Attributes own);

/// The attribute's value, or an empty text.
std::string attribute_of(const Reference& reference, std::string_view name);

/// `true` or `false`; false when absent.
/// Errors  bad_config: any other text.
Result<bool> flag_of(const Reference& reference, std::string_view name);

Error wrong_attribute(std::string_view name, std::string what, std::string hint);

}  // namespace sallyport::secrets
