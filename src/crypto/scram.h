// What both sides of SCRAM-SHA-256 share: keys, the stored verifier, channel binding.
//
// Nobody's password is compared anywhere: the client proves that it knows ClientKey, the server that it
// knows ServerKey, and a verifier holds only StoredKey = H(ClientKey) and ServerKey. The conversations
// are in scram_client.h and scram_server.h; the slow step (pbkdf2.h) is left to the caller, so that it
// can be remembered.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/hash.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

inline constexpr std::string_view scram_sha_256 = "SCRAM-SHA-256";
inline constexpr std::string_view scram_sha_256_plus = "SCRAM-SHA-256-PLUS";

/// Random bytes in each side's nonce; PostgreSQL uses 18 as well (24 characters of base64).
inline constexpr std::size_t scram_nonce_bytes = 18;

/// One SCRAM message. The longest part that is not ours to choose is the nonce; PostgreSQL's messages
/// stay under 200 bytes.
inline constexpr std::size_t scram_message_bytes_max = 4'096;

/// A salt. PostgreSQL writes 16 bytes.
inline constexpr std::size_t scram_salt_bytes_max = 1'024;

/// What a server keeps of a password. Not reversible, but enough to impersonate the server: not for logs.
struct ScramVerifier {
  unsigned iterations = 0;
  std::vector<std::uint8_t> salt;
  Sha256Digest stored_key{};
  Sha256Digest server_key{};
  bool operator==(const ScramVerifier&) const = default;  ///< of two files, not of a proof
};

/// `salted_password` is pbkdf2_sha256(saslprep_or_raw(password), salt, iterations).
ScramVerifier make_scram_verifier(const Secret& salted_password, Bytes salt, unsigned iterations);

/// Does the slow step itself; for passwords that we hand out (run tokens).
ScramVerifier make_scram_verifier_from_password(const Secret& password, Bytes salt, unsigned iterations);

/// PostgreSQL's rolpassword: "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey".
///
/// Limits  iterations 1 … limits::scram_iterations_max, salt scram_salt_bytes_max.
/// Errors  invalid_message: names the part that is wrong, never quotes it.
Result<ScramVerifier> parse_scram_verifier(std::string_view text);
std::string print_scram_verifier(const ScramVerifier& verifier);

/// What PostgreSQL writes, and we.
inline constexpr std::size_t scram_salt_bytes = 16;

/// For a user that does not exist: salt and keys that stay the same for the same name while
/// `mock_secret` does, so that a stranger cannot tell unknown names from known ones. No password fits.
/// Limit  salt_bytes 32.
ScramVerifier mock_scram_verifier(Bytes mock_secret, std::string_view user, unsigned iterations,
                                  std::size_t salt_bytes = scram_salt_bytes);

}  // namespace sallyport::crypto
