// RSA as cloud identities need it: RS256 signatures (RFC 7518 3.3), new keys, and a certificate's SHA-1 thumbprint
// (RFC 7515 4.1.7). All of it is libcrypto's.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

/// RSASSA-PKCS1-v1_5 with SHA-256. `key`: PEM, PKCS #8 or PKCS #1, not encrypted.
///
/// Errors  invalid_message: no RSA private key in `key`, or one shorter than 2048 bits.
Result<std::vector<std::uint8_t>> sign_rs256(const Secret& key, Bytes message);

/// A new key of 2048 bits as PKCS #8 PEM; some 100 ms of one processor.
/// Errors  internal: libcrypto cannot.
Result<Secret> new_rsa_key();

/// The public half's SubjectPublicKeyInfo, DER.
/// Errors  invalid_message: as sign_rs256.
Result<std::vector<std::uint8_t>> public_key_info(const Secret& key);

/// The public half alone (PKCS #1 RSAPublicKey), DER.
/// Errors  invalid_message: as sign_rs256.
Result<std::vector<std::uint8_t>> public_key_pkcs1(const Secret& key);

/// SHA-1 of the first certificate of `pem`, as JWT's `x5t` wants it (before base64url).
/// Errors  invalid_message: no certificate.
Result<std::vector<std::uint8_t>> certificate_sha1(std::string_view pem);

}  // namespace sallyport::crypto
