// SHA-256, HMAC-SHA-256, MD5 and the two text encodings that logins need.
//
// SHA-256 goes through libcrypto's low-level interface: an EVP fetch and a heap context per hash cost
// more than the hash, and PBKDF2 needs to clone a half-done state (docs/performance.md). It uses the
// processor's SHA instructions either way.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <openssl/sha.h>

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::crypto {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// SHA-256 over bytes that come in pieces. A copy continues from the same state. Wiped when it dies.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = default;
  Sha256& operator=(const Sha256&) = default;
  ~Sha256();

  void update(Bytes bytes);
  /// Ends the hash; the object is not to be used afterwards.
  Sha256Digest finish();

 private:
  friend class HmacSha256Key;
  SHA256_CTX state_;
};

Sha256Digest sha256(Bytes bytes);

/// An HMAC-SHA-256 key with both pads already hashed: each mac() then costs the message only.
class HmacSha256Key {
 public:
  explicit HmacSha256Key(Bytes key);
  [[nodiscard]] Sha256Digest mac(Bytes message) const { return mac({message}); }
  /// Over the pieces in order, as if they were one message.
  [[nodiscard]] Sha256Digest mac(std::initializer_list<Bytes> pieces) const;
  /// For PBKDF2's inner loop: the MAC of exactly one 32-byte block, without the generic padding path.
  void mac_block(Sha256Digest& block) const;

 private:
  Sha256 inner_;
  Sha256 outer_;
};

Sha256Digest hmac_sha256(Bytes key, Bytes message);

/// MD5 as 32 lower-case hex digits. Only for PostgreSQL's `md5` login.
std::string md5_hex(Bytes bytes);

/// SHA-1 as 40 lower-case hex digits. Only for names of files that AWS' tools call so.
std::string sha1_hex(Bytes bytes);

std::string hex(Bytes bytes);

/// RFC 4648 with padding, no line breaks.
std::string base64_encode(Bytes bytes);

/// Errors  invalid_message: a character outside the alphabet, missing or misplaced padding, bits left
/// over in the last group. `where` names the field.
Result<std::vector<std::uint8_t>> base64_decode(std::string_view text, std::string_view where = "base64");

}  // namespace sallyport::crypto
