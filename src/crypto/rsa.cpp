#include "crypto/rsa.h"

#include "crypto/base64_pem.h"

#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <memory>

namespace sallyport::crypto {

namespace {

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;

constexpr int bits_min = 2048;

Error wrong(const char* what) { return {ErrorCode::invalid_message, Hop::none, "private key", what, {}, {}}; }

Result<Key> read_key(const Secret& pem) {
  EVP_PKEY* raw = nullptr;
  const std::unique_ptr<OSSL_DECODER_CTX, decltype(&OSSL_DECODER_CTX_free)> decoder{
      OSSL_DECODER_CTX_new_for_pkey(&raw, "PEM", nullptr, "RSA", EVP_PKEY_KEYPAIR, nullptr, nullptr),
      OSSL_DECODER_CTX_free};
  const auto text = pem.reveal();
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = text.size();
  if (decoder == nullptr || OSSL_DECODER_from_data(decoder.get(), &data, &size) != 1 || raw == nullptr) {
    return wrong("is no RSA key in PEM (an encrypted one is not supported)");
  }
  Key key{raw};
  if (EVP_PKEY_get_bits(key.get()) < bits_min) return wrong("is an RSA key of fewer than 2048 bits");
  return key;
}

}  // namespace

Result<std::vector<std::uint8_t>> sign_rs256(const Secret& pem, Bytes message) {
  const auto key = read_key(pem);
  if (!key) return key.error();
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  std::size_t size = 0;
  if (context == nullptr ||
      EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key->get(), nullptr) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) != 1) {
    return wrong("cannot sign");
  }
  std::vector<std::uint8_t> signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return wrong("cannot sign");
  }
  signature.resize(size);
  return signature;
}

Result<Secret> new_rsa_key() {
  const Error failed{ErrorCode::internal, Hop::none, "RSA", "libcrypto made no key", {}, {}};
  const Key key{EVP_RSA_gen(bits_min)};
  if (key == nullptr) return failed;
  const std::unique_ptr<OSSL_ENCODER_CTX, decltype(&OSSL_ENCODER_CTX_free)> encoder{
      OSSL_ENCODER_CTX_new_for_pkey(key.get(), EVP_PKEY_KEYPAIR, "PEM", "PrivateKeyInfo", nullptr),
      OSSL_ENCODER_CTX_free};
  unsigned char* data = nullptr;
  std::size_t size = 0;
  if (encoder == nullptr || OSSL_ENCODER_to_data(encoder.get(), &data, &size) != 1) return failed;
  auto out = Secret::copy_of(Bytes{data, size});
  OPENSSL_clear_free(data, size);
  return out;
}

Result<std::vector<std::uint8_t>> public_key_info(const Secret& pem) {
  const auto key = read_key(pem);
  if (!key) return key.error();
  const int size = i2d_PUBKEY(key->get(), nullptr);
  if (size <= 0) return wrong("has no public half");
  std::vector<std::uint8_t> out(static_cast<std::size_t>(size));
  auto* at = out.data();
  i2d_PUBKEY(key->get(), &at);
  return out;
}

Result<std::vector<std::uint8_t>> public_key_pkcs1(const Secret& pem) {
  const auto key = read_key(pem);
  if (!key) return key.error();
  const std::unique_ptr<OSSL_ENCODER_CTX, decltype(&OSSL_ENCODER_CTX_free)> encoder{
      OSSL_ENCODER_CTX_new_for_pkey(key->get(), EVP_PKEY_PUBLIC_KEY, "DER", "pkcs1", nullptr),
      OSSL_ENCODER_CTX_free};
  unsigned char* data = nullptr;
  std::size_t size = 0;
  if (encoder == nullptr || OSSL_ENCODER_to_data(encoder.get(), &data, &size) != 1)
    return wrong("has no public half");
  std::vector<std::uint8_t> out{data, data + size};
  OPENSSL_free(data);
  return out;
}

Result<std::vector<std::uint8_t>> certificate_sha1(std::string_view pem) {
  const auto der = pem_body(pem, "CERTIFICATE");
  if (!der) return der.error();
  std::vector<std::uint8_t> out(SHA_DIGEST_LENGTH);
  if (EVP_Digest(der->data(), der->size(), out.data(), nullptr, EVP_sha1(), nullptr) != 1) {
    return Error{ErrorCode::internal, Hop::none, "SHA-1", "libcrypto refuses it", {}, {}};
  }
  return out;
}

}  // namespace sallyport::crypto
