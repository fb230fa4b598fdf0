// Percent-encoding (RFC 3986), for references and for connection strings.
//
// A `+` is a plus sign: none of the grammars that we read is an HTML form. What may be a secret is
// decoded straight into a Secret, so that no std::string keeps it.
#pragma once

#include "base/secret.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::dsn {

/// Nothing when a `%` is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);
std::optional<Secret> percent_decode_secret(std::string_view text);

/// Keeps letters, digits, `-._~` and what `also_kept` names; all other bytes become %XX.
std::string percent_encode(std::string_view text, std::string_view also_kept = {});

/// The same, behind what `out` holds: for what may be a secret.
void percent_encode_secret(WipedBytes& out, std::string_view text, std::string_view also_kept = {});

/// The value of two hexadecimal digits at `text[at]`, or nothing.
std::optional<unsigned char> hex_pair_at(std::string_view text, std::size_t at);

}  // namespace sallyport::dsn
