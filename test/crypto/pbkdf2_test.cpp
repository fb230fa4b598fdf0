#include "crypto/pbkdf2.h"

#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>

namespace sallyport::pbkdf2_test {
namespace {

using namespace crypto;

std::string derive(std::string_view password, std::string_view salt, unsigned iterations) {
  auto key = pbkdf2_sha256(Secret::copy_of(password), as_bytes(salt), iterations);
  return hex(key.writable());
}

TEST(Pbkdf2, MatchesRfc7914) {
  EXPECT_EQ(derive("passwd", "salt", 1), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  EXPECT_EQ(derive("Password", "NaCl", 80'000),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

TEST(Pbkdf2, AgreesWithLibcrypto) {
  for (const std::size_t password_bytes : {0U, 1U, 63U, 64U, 65U, 200U}) {
    for (const std::size_t salt_bytes : {1U, 16U, 60U, 64U, 100U}) {
      for (const unsigned iterations : {1U, 2U, 4'096U}) {
        const std::string password(password_bytes, 'p');
        const std::string salt(salt_bytes, 's');
        std::array<std::uint8_t, 32> expected{};
        ASSERT_EQ(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), as_bytes(salt).data(),
                                    static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                                    static_cast<int>(expected.size()), expected.data()),
                  1);
        EXPECT_EQ(derive(password, salt, iterations), hex(expected)) << password_bytes << ' ' << salt_bytes;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::pbkdf2_test
