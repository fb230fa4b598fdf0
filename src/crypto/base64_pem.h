// The other forms of base64: base64url (RFC 4648 5, without padding) for JSON web tokens, and PEM's blocks (RFC 7468).
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

std::string base64url_encode(Bytes bytes);

/// The bytes of the first block with that label, "CERTIFICATE" for example.
/// Errors  invalid_message: none, or no base64 in it.
Result<std::vector<std::uint8_t>> pem_body(std::string_view pem, std::string_view label);

/// A block with lines of 64 characters.
std::string pem_of(Bytes der, std::string_view label);

}  // namespace sallyport::crypto
