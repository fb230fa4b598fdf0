// Attributes of a reference: each source names its own and what may be done with each, so that a typing error is an error
// and not silence, and the environment is kept from what it may not decide.
//
// A bare reference in DATABASE_URL carries the target's attributes as well. They belong to whoever
// builds the target; a source accepts and ignores them.
#pragma once

#include "secrets/reference.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace sallyport::secrets {

/// What somebody gains who may say it. The environment may only say what selects (threats 1, 3, 12 and 14).
enum class Effect {
  names_receiver,  ///< who gets our token: an endpoint, who vouches for it, a program; or what the token is good for
  weakens,         ///< one check less; configuration warns of it until it is gone
  selects,         ///< which of our secrets and which database, or how what was read is taken apart
};

/// Whoever says nothing of an attribute keeps it from the environment.
struct Attribute {
  std::string_view name;
  Effect effect = Effect::names_receiver;

  /// `allow_…=false` says nothing, nor does an empty value.
  [[nodiscard]] bool weakens(std::string_view value) const {
    return effect == Effect::weakens && !value.empty() && !(name.starts_with("allow_") && value == "false");
  }
};

using Attributes = std::span<const Attribute>;

/// As docs/exec.md lists them. `sslmode` weakens by its value, which is for whoever reads modes.
inline constexpr auto target_attributes = std::to_array<Attribute>({{"engine", Effect::selects},
                                                                    {"host", Effect::selects},
                                                                    {"port", Effect::selects},
                                                                    {"dbname", Effect::selects},
                                                                    {"user", Effect::selects},
                                                                    {"run_as", Effect::selects},
                                                                    {"sslmode", Effect::selects},
                                                                    {"sslrootcert", Effect::selects},
                                                                    {"sslcrl", Effect::selects},
                                                                    {"sslcert", Effect::selects},
                                                                    {"sslkey", Effect::selects},
                                                                    {"server_name", Effect::selects},
                                                                    {"tls_reason", Effect::weakens},
                                                                    {"tls_until", Effect::weakens},
                                                                    {"dialect", Effect::selects},
                                                                    {"login_methods", Effect::weakens},
                                                                    {"login_reason", Effect::weakens},
                                                                    {"target_session_attrs", Effect::selects},
                                                                    {"load_balance_hosts", Effect::selects}});

/// What several sources share, and one's own.
template <std::size_t One, std::size_t Other>
constexpr std::array<Attribute, One + Other> combined(const std::array<Attribute, One>& one,
                                                      const std::array<Attribute, Other>& other) {
  std::array<Attribute, One + Other> all;
  std::copy(other.begin(), other.end(), std::copy(one.begin(), one.end(), all.begin()));
  return all;
}

/// Whose certificate a target may show: where a login sends a token in clear, that is who gets it.
inline constexpr auto certificate_attributes = std::to_array<Attribute>(
    {{"sslrootcert", Effect::names_receiver}, {"server_name", Effect::names_receiver}});

/// Of a source (`own`, which may say more of a target's attribute than the target does) or of a target; null: there is no such attribute, and open() says so.
const Attribute* find_attribute(std::string_view name, Attributes own);

/// Errors  bad_config: an attribute that is neither among `own` nor the target's; names the nearest.
Result<void> check_attributes(const Reference& reference, Attributes own);

/// The attribute's value, or an empty text.
std::string attribute_of(const Reference& reference, std::string_view name);

/// `true` or `false`; false when absent.
/// Errors  bad_config: any other text.
Result<bool> flag_of(const Reference& reference, std::string_view name);

Error wrong_attribute(std::string_view name, std::string what, std::string hint);

}  // namespace sallyport::secrets
