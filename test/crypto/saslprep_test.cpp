#include "crypto/saslprep.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

std::string prepared(std::string_view password) {
  return std::string{crypto::saslprep_or_raw(Secret::copy_of(password)).reveal()};
}

TEST(Saslprep, MatchesTheExamplesOfRfc4013) {
  EXPECT_EQ(prepared("I\xc2\xadX"), "IX");          // soft hyphen: mapped to nothing
  EXPECT_EQ(prepared("user"), "user");
  EXPECT_EQ(prepared("USER"), "USER");
  EXPECT_EQ(prepared("\xc2\xaa"), "a");              // feminine ordinal: NFKC
  EXPECT_EQ(prepared("\xe2\x85\xa8"), "IX");         // roman numeral nine
}

TEST(Saslprep, KeepsRawBytesWhereTheRfcRefuses) {
  EXPECT_EQ(prepared("\x07"), "\x07");                                  // a control
  EXPECT_EQ(prepared("\xc3\xa9\x07"), "\xc3\xa9\x07");                  // a control beside a letter
  EXPECT_EQ(prepared("\xd8\xa7\x31"), "\xd8\xa7\x31");                  // right-to-left and a digit at the end
  EXPECT_EQ(prepared("\xc2\xadI\xee\x80\x80"), "\xc2\xadI\xee\x80\x80");  // private use
  EXPECT_EQ(prepared("\xc2\xad\xf0\x9f\x98\x80"), "\xc2\xad\xf0\x9f\x98\x80");  // unassigned in Unicode 3.2
  EXPECT_EQ(prepared("\xc2\xad"), "\xc2\xad");                          // nothing would be left
}

TEST(Saslprep, KeepsRawBytesThatAreNotUtf8) {
  for (const auto* text : {"\xff", "a\xc2", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x85", "\x80", "\xe0\x80\xaf", "\xc2\xad\xfe"}) {
    EXPECT_EQ(prepared(text), text);
  }
}

TEST(Saslprep, MapsOtherSpacesToSpace) {
  EXPECT_EQ(prepared("a\xc2\xa0" "b\xe3\x80\x80" "c"), "a b c");
}

TEST(Saslprep, SurvivesTheLongestExpansion) {
  std::string ligatures;
  for (int i = 0; i < 200; ++i) ligatures += "\xef\xb7\xba";  // U+FDFA: 18 code points in NFKC
  EXPECT_EQ(prepared(ligatures).size(), 200U * 33U);
}

TEST(Saslprep, ChecksTheMappedTextAsPostgresqlDoes) {
  // U+0340 is prohibited, and normalises to U+0300, which is not. Compared with a real server's verifiers.
  EXPECT_EQ(prepared("x\xcd\x80"), "x\xcd\x80");
}

TEST(Saslprep, EmptyStaysEmpty) { EXPECT_EQ(prepared(""), ""); }

}  // namespace
}  // namespace sallyport
