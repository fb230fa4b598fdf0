#include "crypto/hash.h"

#include "crypto/crc32c.h"

#include <gtest/gtest.h>

namespace sallyport::hash_test {
namespace {

using namespace crypto;

TEST(Sha256, MatchesTheStandardsVectors) {
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, GivesTheSameForPieces) {
  const std::string text(1'000, 'x');
  for (std::size_t at = 0; at <= text.size(); at += 37) {
    Sha256 hash;
    hash.update(as_bytes(text).first(at));
    auto copy = hash;
    copy.update(as_bytes(text).subspan(at));
    EXPECT_EQ(copy.finish(), sha256(as_bytes(text)));
  }
}

TEST(HmacSha256, MatchesRfc4231) {
  const std::vector<std::uint8_t> key1(20, 0x0b);
  EXPECT_EQ(hex(hmac_sha256(key1, as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::vector<std::uint8_t> long_key(131, 0xaa);
  EXPECT_EQ(hex(hmac_sha256(long_key, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSha256, MacBlockIsTheMacOfThirtyTwoBytes) {
  const HmacSha256Key key{as_bytes("key")};
  auto block = sha256(as_bytes("start"));
  for (int i = 0; i < 100; ++i) {
    const auto expected = key.mac(block);
    key.mac_block(block);
    ASSERT_EQ(block, expected);
  }
}

TEST(HmacSha256, PiecesAreOneMessage) {
  const HmacSha256Key key{as_bytes("key")};
  EXPECT_EQ(key.mac({as_bytes("ab"), as_bytes(""), as_bytes("c")}), key.mac(as_bytes("abc")));
}

TEST(Md5, MatchesRfc1321) {
  EXPECT_EQ(md5_hex({}), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex(as_bytes("message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Base64, MatchesRfc4648) {
  const std::pair<std::string_view, std::string_view> rows[] = {{"", ""},
                                                                {"f", "Zg=="},
                                                                {"fo", "Zm8="},
                                                                {"foo", "Zm9v"},
                                                                {"foob", "Zm9vYg=="},
                                                                {"fooba", "Zm9vYmE="},
                                                                {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : rows) {
    EXPECT_EQ(base64_encode(as_bytes(plain)), encoded);
    const auto decoded = base64_decode(encoded);
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Base64, RoundTripsEveryByteAtEveryPlace) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t size = 1; size <= 4; ++size) {
      const std::vector<std::uint8_t> plain(size, static_cast<std::uint8_t>(byte));
      const auto decoded = base64_decode(base64_encode(plain));
      ASSERT_TRUE(decoded);
      ASSERT_EQ(*decoded, plain);
    }
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const auto* text : {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zm 9", "Zm9v\n",
                           "Zg==Zg==", "Zm9-", "Zm\xc3\xa9"}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

// RFC 3720 B.4.
TEST(Crc32c, KnowsTheVectors) {
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0)), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::vector<std::uint8_t>(32, 0xFF)), 0x62A8AB43U);
  EXPECT_EQ(crc32c({}), 0U);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283U);
}

}  // namespace
}  // namespace sallyport::hash_test
