#include "crypto/rsa.h"

#include "crypto/base64_pem.h"
#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace sallyport::crypto::rsa_test {
namespace {

TEST(Rsa, WhatANewKeySignsItsPublicHalfVerifies) {
  const auto key = new_rsa_key();
  ASSERT_TRUE(key);
  const std::string_view text = "header.payload";
  const auto signature = sign_rs256(*key, as_bytes(text));
  const auto info = public_key_info(*key);
  ASSERT_TRUE(signature && info);
  const auto* at = info->data();
  EVP_PKEY* half = d2i_PUBKEY(nullptr, &at, static_cast<long>(info->size()));
  ASSERT_NE(half, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ASSERT_EQ(EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, half), 1);
  EXPECT_EQ(EVP_DigestVerify(context, signature->data(), signature->size(),
                             reinterpret_cast<const unsigned char*>(text.data()), text.size()),
            1);
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(half);
}

TEST(Rsa, RefusesWhatIsNoKey) {
  for (const auto* bad : {"", "canary", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n"}) {
    const auto signature = sign_rs256(Secret::copy_of(bad), {});
    ASSERT_FALSE(signature);
    EXPECT_EQ(describe(signature.error()).find("canary"), std::string::npos);
  }
}

TEST(Pem, GoesThereAndBack) {
  const std::vector<std::uint8_t> bytes(100, 0xAB);
  const auto pem = pem_of(bytes, "RSA PUBLIC KEY");
  const auto back = pem_body(pem, "RSA PUBLIC KEY");
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, bytes);
  EXPECT_FALSE(pem_body(pem, "CERTIFICATE"));
}

// RFC 4648 10, without padding, and the two characters that differ.
TEST(Base64Url, HasNoPaddingPlusOrSlash) {
  EXPECT_EQ(base64url_encode(as_bytes("fo")), "Zm8");
  EXPECT_EQ(base64url_encode(std::vector<std::uint8_t>{0xFB, 0xFF}), "-_8");
}

}  // namespace
}  // namespace sallyport::crypto::rsa_test
