#include "crypto/saslprep.h"

#include "crypto/scram.h"

#include <gtest/gtest.h>

namespace sallyport::saslprep_test {
namespace {

std::string prepared(std::string_view password) {
  return std::string{crypto::saslprep_or_raw(Secret::copy_of(password)).reveal()};
}

TEST(Saslprep, MatchesTheExamplesOfRfc4013) {
  EXPECT_EQ(prepared("I\xc2\xadX"), "IX");  // soft hyphen: mapped to nothing
  EXPECT_EQ(prepared("user"), "user");
  EXPECT_EQ(prepared("USER"), "USER");
  EXPECT_EQ(prepared("\xc2\xaa"), "a");       // feminine ordinal: NFKC
  EXPECT_EQ(prepared("\xe2\x85\xa8"), "IX");  // roman numeral nine
}

TEST(Saslprep, KeepsRawBytesWhereTheRfcRefuses) {
  EXPECT_EQ(prepared("\x07"), "\x07");                  // a control
  EXPECT_EQ(prepared("\xc3\xa9\x07"), "\xc3\xa9\x07");  // a control beside a letter
  EXPECT_EQ(prepared("\xd8\xa7\x31"), "\xd8\xa7\x31");  // right-to-left and a digit at the end
  EXPECT_EQ(prepared("\xc2\xadI\xee\x80\x80"), "\xc2\xadI\xee\x80\x80");        // private use
  EXPECT_EQ(prepared("\xc2\xad\xf0\x9f\x98\x80"), "\xc2\xad\xf0\x9f\x98\x80");  // unassigned in Unicode 3.2
  EXPECT_EQ(prepared("\xc2\xad"), "\xc2\xad");                                  // nothing would be left
}

TEST(Saslprep, KeepsRawBytesThatAreNotUtf8) {
  for (const auto* text : {"\xff", "a\xc2", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x85",
                           "\x80", "\xe0\x80\xaf", "\xc2\xad\xfe"}) {
    EXPECT_EQ(prepared(text), text);
  }
}

TEST(Saslprep, MapsOtherSpacesToSpace) {
  EXPECT_EQ(prepared("a\xc2\xa0"
                     "b\xe3\x80\x80"
                     "c"),
            "a b c");
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

TEST(Saslprep, GivesTheVerifiersThatPostgresqlMade) {
  // rolpassword of roles that PostgreSQL 15 created with these passwords.
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"I\xc2\xadX\xe2\x85\xa8",
       "SCRAM-SHA-256$4096:IkTnaLVm+9ePY19pjXYMGw==$Vgo9glneNuRIL5tXsoXysSaLwg1F6CJ3/3heAmRUIvE=:"
       "prFJOg+BPa5l58jGvsdEhUVO5S1YPXlsWWCdDIuSQ94="},
      {"\xf0\xaf\xa1\xa8",
       "SCRAM-SHA-256$4096:oKdwMplwkCZ95qhSx1WBAQ==$4HHpePCiXf5gONYefTILUWSd3osGrPHA9lFwfKCh0Dw=:"
       "pzVWPKmDAjLpKfqOgLc/MoCbmc6zylCWGd2LdZhT0bk="},
      {"\xd8\xa7\x31",
       "SCRAM-SHA-256$4096:7G/aKWdfGyngY9Y6sSFQ3w==$UO+ugUARd+aREIw4whgSa3DU65PM/rts/PTGF3XMZxQ=:"
       "Xj4O7AwE3vFMasQCC5NZxrf/6APuXJbbdtk35z8iIvM="},
      {"\xc2\xa0"
       "a\xe3\x80\x80",
       "SCRAM-SHA-256$4096:HpngVR45blqKBFmS4FoT3A==$nitu53bnbepbLhIUwx2dfDdoC8R3b8XD1UO1WXKBBEA=:"
       "EAdlQ5qVgRbo+dMagyXlhdYCY/8b1n0vJiRgv5NE1/w="},
      {"\xf0\x9f\x98\x80\xc2\xad",
       "SCRAM-SHA-256$4096:EC3a1J14D8RmUNX1wQtBOQ==$0e/I5e4gB6XASBAzVCmW+/sLDNUflrmvwzwIZBHByL4=:"
       "S9VQLB5XlHM6ZPH3H4ivQrYB5kIjCWVkiYbRKWlZrHk="},
  };
  for (const auto& [password, verifier] : rows) {
    const auto theirs = crypto::parse_scram_verifier(verifier);
    ASSERT_TRUE(theirs);
    const auto ours = crypto::make_scram_verifier_from_password(Secret::copy_of(password), theirs->salt,
                                                                theirs->iterations);
    EXPECT_EQ(crypto::print_scram_verifier(ours), verifier);
  }
}

TEST(Saslprep, EmptyStaysEmpty) { EXPECT_EQ(prepared(""), ""); }

}  // namespace
}  // namespace sallyport::saslprep_test
