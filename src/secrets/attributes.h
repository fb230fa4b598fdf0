// Attributes of a reference: each source names its own, so that a typing error is an error and not silence.
//
// A bare reference in DATABASE_URL carries the target's attributes as well. They belong to whoever
// builds the target; a source accepts and ignores them.
#pragma once

#include "secrets/reference.h"

#include <array>
#include <span>
#include <string_view>

namespace sallyport::secrets {

/// As docs/exec.md lists them.
inline constexpr std::array<std::string_view, 19> target_attributes{"engine",
                                                                    "host",
                                                                    "port",
                                                                    "dbname",
                                                                    "user",
                                                                    "run_as",
                                                                    "sslmode",
                                                                    "sslrootcert",
                                                                    "sslcrl",
                                                                    "sslcert",
                                                                    "sslkey",
                                                                    "server_name",
                                                                    "tls_reason",
                                                                    "tls_until",
                                                                    "dialect",
                                                                    "login_methods",
                                                                    "login_reason",
                                                                    "target_session_attrs",
                                                                    "load_balance_hosts"};

/// Attributes that make a source less strict. Configuration warns of them until they are gone; the environment
/// may not say them (threat 14).
inline constexpr std::array<std::string_view, 3> weakening_attributes{"allow_world_readable",
                                                                      "insecure_reason", "allow_root_token"};

/// Errors  bad_config: an attribute that is neither among `own` nor the target's; names the nearest.
Result<void> check_attributes(const Reference& reference, std::span<const std::string_view> own);

/// The attribute's value, or an empty text.
std::string attribute_of(const Reference& reference, std::string_view name);

/// `true` or `false`; false when absent.
/// Errors  bad_config: any other text.
Result<bool> flag_of(const Reference& reference, std::string_view name);

Error wrong_attribute(std::string_view name, std::string what, std::string hint);

}  // namespace sallyport::secrets
