// application_name, options, quote, outside_text: small texts in, small texts out.
#include "wire/postgres/application_name.h"
#include "wire/postgres/options.h"
#include "wire/postgres/outside_text.h"
#include "wire/postgres/quote.h"

#include <gtest/gtest.h>

namespace sallyport::text_test {
namespace {

using namespace postgres;
using namespace std::string_view_literals;

TEST(StartupOptions, AllSpellingsOfASettingAreOne) {
  const Parameters expected{{"search_path", "app"}};
  for (const auto* text : {"-c search_path=app", "-csearch_path=app", "--search_path=app",
                           "--search-path=app", "  -c \t search-path=app\n"}) {
    const auto settings = parse_options(text);
    ASSERT_TRUE(settings) << text;
    EXPECT_EQ(*settings, expected) << text;
  }
}

TEST(StartupOptions, BackslashKeepsTheNextCharacter) {
  const auto settings = parse_options(R"(-c a=b\ c\\d -c e=\f --g=h\)");
  ASSERT_TRUE(settings);
  const Parameters expected{{"a", "b c\\d"}, {"e", "f"}, {"g", "h"}};
  EXPECT_EQ(*settings, expected);
}

TEST(StartupOptions, ValuesMayHoldEqualsSignsAndBeEmpty) {
  const auto settings = parse_options("-c a=b=c -c d=");
  ASSERT_TRUE(settings);
  EXPECT_EQ(*settings, (Parameters{{"a", "b=c"}, {"d", ""}}));
  EXPECT_TRUE(parse_options("")->empty());
  EXPECT_TRUE(parse_options("   ")->empty());
}

TEST(StartupOptions, OtherSwitchesAreNamedAndRefused) {
  for (const auto* text : {"-B 10", "-S 1", "x", "-", "--", "-d 5 -c a=b"}) {
    const auto settings = parse_options(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_EQ(settings.error().code, ErrorCode::peer_unsupported) << text;
  }
  for (const auto* text : {"-c", "-c a", "--a", "-c =b", "-c a=b -c"}) {
    const auto settings = parse_options(text);
    ASSERT_FALSE(settings) << text;
    EXPECT_EQ(settings.error().code, ErrorCode::invalid_message) << text;
  }
}

TEST(StartupOptions, PrintedSettingsParseBack) {
  const Parameters settings{{"a", "b c"}, {"d", "\\"}, {"e", ""}, {"f", "x\ty\nz'\""}};
  const auto again = parse_options(print_options(settings));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, settings);
}

TEST(ApplicationName, IsSpeltAsTheServersVersionSpellsIt) {
  const auto old = [](std::string_view name) { return application_name_of(name, "15.18 (Debian)", "UTF8"); };
  const auto later = [](std::string_view name) { return application_name_of(name, "16beta1", "UTF8"); };
  for (const auto* name : {"", "psql", "it's ~me\\"}) {
    EXPECT_EQ(old(name), name);
    EXPECT_EQ(later(name), name);
  }
  EXPECT_EQ(old("M\xfcller\n\x7f"), "M?ller??");
  EXPECT_EQ(later("M\xfcller\n\x7f"), R"(M\xfcller\x0a\x7f)");
  EXPECT_EQ(application_name_of("\xc3\xa9", "", "UTF8"), "??") << "no version";
}

TEST(ApplicationName, IsCutBetweenCharacters) {
  const auto of = [](const std::string& name, std::string_view encoding) {
    return application_name_of(name, "15.18", encoding);
  };
  const std::string sixty(60, 'x');
  EXPECT_EQ(of(sixty + "abcd", "UTF8"), sixty + "abc");
  EXPECT_EQ(of(sixty + "ab\xc3\xa9", "UTF8"), sixty + "ab");
  EXPECT_EQ(of(sixty + "ab\xc3\xa9", "LATIN1"), sixty + "ab?");
  EXPECT_EQ(of(sixty + "a\xe3\x81", "UTF8"), sixty + "a??") << "nothing to cut";
  EXPECT_EQ(of(sixty + "\xf0\x9f\x98\x80", "UTF8"), sixty);
  EXPECT_EQ(of(std::string(64, '\xff'), "UTF8"), std::string(63, '?'));
  std::string escaped;
  for (int i = 0; i < 15; ++i) escaped += "\\xff";
  EXPECT_EQ(application_name_of(std::string(20, '\xff'), "18.1", "UTF8"), escaped + "\\xf");
}

TEST(QuoteLiteral, IsSafeUnderEverySetting) {
  EXPECT_EQ(quote_literal("app"), "'app'");
  EXPECT_EQ(quote_literal(""), "''");
  EXPECT_EQ(quote_literal("it's"), "'it''s'");
  EXPECT_EQ(quote_literal("a\\b'c"), R"( E'a\\b''c')");
  EXPECT_EQ(quote_literal("\\'; DROP TABLE x; --"), R"( E'\\''; DROP TABLE x; --')");
  EXPECT_EQ(quote_literal("a\0b"sv), "'a'");
}

TEST(QuoteLiteral, IsAsciiSoThatNoEncodingCanHideABackslash) {
  // 0x95 0x5c is one character in SJIS: doubling its backslash there would open the string.
  EXPECT_EQ(quote_literal("\x95\\'"), R"( E'\x95\\''')");
  EXPECT_EQ(quote_literal("\xc3\xa9"), R"( E'\xc3\xa9')");
  for (int byte = 1; byte < 256; ++byte) {
    for (const char c : quote_literal(std::string{static_cast<char>(byte)} + "'\\")) EXPECT_GE(c, 1);
  }
}

TEST(QuoteIdentifier, DoublesQuotes) {
  EXPECT_EQ(quote_identifier("Name"), "\"Name\"");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_identifier("a\0b"sv), "\"a\"");
}

TEST(OutsideText, KeepsTextAndDropsWhatDrivesATerminal) {
  EXPECT_EQ(outside_text("plain é 漢 😀"), "plain é 漢 😀");
  EXPECT_EQ(outside_text("a\x1b[31mb\x07\x7f"), "a?[31mb??");
  EXPECT_EQ(outside_text("a\nb\tc\r"), "a b c ");
  EXPECT_EQ(outside_text("\xff\xc0\x80\xed\xa0\x80\xf5"), "???????");
  EXPECT_EQ(outside_text("\xc2\x9b"
                         "31m"),
            "??31m");  // C1 control
  EXPECT_EQ(outside_text("a\xe2\x80\xae"
                         "b"),
            "a???b");  // right-to-left override
  EXPECT_EQ(outside_text("\0x"sv), "?x");
}

TEST(OutsideText, CutsLongTextAtACharacter) {
  EXPECT_EQ(outside_text("abcdef", 3), "abc…");
  EXPECT_EQ(outside_text("aé", 2), "a…");
  EXPECT_EQ(outside_text("aé", 3), "aé");
  EXPECT_LE(outside_text(std::string(100'000, 'x')).size(), outside_text_bytes_max + 3);
}

}  // namespace
}  // namespace sallyport::text_test
