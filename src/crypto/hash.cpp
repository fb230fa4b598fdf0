#include "crypto/hash.h"

#include "base/secret.h"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>

// The low-level functions are deprecated in favour of EVP, whose costs are what hash.h avoids.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace sallyport::crypto {

namespace {

constexpr std::size_t block_bytes = 64;

void store_words(const SHA256_CTX& state, std::uint8_t* out) {
  for (std::size_t i = 0; i < 8; ++i) {
    out[4 * i] = static_cast<std::uint8_t>(state.h[i] >> 24);
    out[4 * i + 1] = static_cast<std::uint8_t>(state.h[i] >> 16);
    out[4 * i + 2] = static_cast<std::uint8_t>(state.h[i] >> 8);
    out[4 * i + 3] = static_cast<std::uint8_t>(state.h[i]);
  }
}

/// The second and last block of an HMAC over 32 bytes: the bytes, a one bit, zeros, and the length in
/// bits of pad block plus message.
struct LastBlock {
  std::array<std::uint8_t, block_bytes> bytes{};
  explicit LastBlock(const Sha256Digest& message) {
    std::copy(message.begin(), message.end(), bytes.begin());
    bytes[message.size()] = 0x80;
    constexpr std::size_t bits = (block_bytes + 32) * 8;
    bytes[62] = static_cast<std::uint8_t>(bits >> 8);
    bytes[63] = static_cast<std::uint8_t>(bits & 0xff);
  }
};

}  // namespace

Sha256::Sha256() { SHA256_Init(&state_); }
Sha256::~Sha256() { wipe_memory(&state_, sizeof state_); }

void Sha256::update(Bytes bytes) { SHA256_Update(&state_, bytes.data(), bytes.size()); }

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  SHA256_Final(digest.data(), &state_);
  return digest;
}

Sha256Digest sha256(Bytes bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

HmacSha256Key::HmacSha256Key(Bytes key) {
  std::array<std::uint8_t, block_bytes> pad{};
  if (key.size() > block_bytes) {
    const auto digest = sha256(key);
    std::copy(digest.begin(), digest.end(), pad.begin());
  } else {
    std::copy(key.begin(), key.end(), pad.begin());
  }
  for (auto& byte : pad) byte ^= 0x36;
  inner_.update(pad);
  for (auto& byte : pad) byte ^= 0x36 ^ 0x5c;
  outer_.update(pad);
  wipe_memory(pad.data(), pad.size());
}

Sha256Digest HmacSha256Key::mac(std::initializer_list<Bytes> pieces) const {
  auto inner = inner_;
  for (const auto piece : pieces) inner.update(piece);
  auto outer = outer_;
  outer.update(inner.finish());
  return outer.finish();
}

void HmacSha256Key::mac_block(Sha256Digest& block) const {
  LastBlock last{block};
  SHA256_CTX state = inner_.state_;
  SHA256_Transform(&state, last.bytes.data());
  store_words(state, last.bytes.data());
  state = outer_.state_;
  SHA256_Transform(&state, last.bytes.data());
  store_words(state, block.data());
}

Sha256Digest hmac_sha256(Bytes key, Bytes message) { return HmacSha256Key{key}.mac(message); }

std::string md5_hex(Bytes bytes) {
  std::array<std::uint8_t, 16> digest{};
  unsigned size = 0;
  // Only a libcrypto without MD5 (a FIPS-only one) fails here.
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) {
    throw std::runtime_error("this libcrypto has no MD5");
  }
  return hex(digest);
}

std::string sha1_hex(Bytes bytes) {
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    throw std::runtime_error("this libcrypto has no SHA-1");
  }
  return hex(digest);
}

std::string hex(Bytes bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace sallyport::crypto
