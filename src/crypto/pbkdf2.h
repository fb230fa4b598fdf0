// PBKDF2-HMAC-SHA-256, one block: the slow step of SCRAM.
//
// libcrypto's PKCS5_PBKDF2_HMAC takes three times as long for the same result, because it goes through
// its generic interface twice per iteration (docs/performance.md); ours clones two half-done hashes.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace sallyport::crypto {

/// 32 bytes. `password` is already normalised (saslprep.h).
///
/// Limits  `iterations` is the caller's to bound (limits::scram_iterations_max); 0 counts as 1.
/// Source  RFC 8018, PBKDF2; SCRAM's Hi() of RFC 5802.
Secret pbkdf2_sha256(const Secret& password, Bytes salt, unsigned iterations);

}  // namespace sallyport::crypto
