// The grammar of references: what is accepted, what each error points at, and what it must not quote.
#include "secrets/reference.h"

#include "secrets/words.h"

#include <gtest/gtest.h>

namespace sallyport::reference_test {
namespace {

using secrets::parse_reference;
using secrets::Reference;

Reference parsed(std::string_view text) {
  auto reference = parse_reference(text);
  EXPECT_TRUE(reference) << (reference ? "" : describe(reference.error()));
  return reference ? *reference : Reference{};
}

std::string error_of(std::string_view text) {
  auto reference = parse_reference(text);
  EXPECT_FALSE(reference) << text;
  if (reference) return {};
  EXPECT_EQ(reference.error().code, ErrorCode::bad_config);
  EXPECT_EQ(reference.error().hop, Hop::reference);
  return describe(reference.error());
}

/// The column of the caret below the shown text, counted from the text's first character.
std::size_t caret_of(std::string_view text) {
  const auto error = error_of(text);
  const auto line = error.rfind('\n');
  const auto caret = error.find('^', line);
  EXPECT_NE(caret, std::string::npos) << error;
  return caret - line - 1 - 4;
}

TEST(Reference, ReadsSchemeLocatorFieldAndAttributes) {
  const auto r = parsed("vault:database/creds/app-role?engine=postgresql&host=db.example.com#a.b");
  EXPECT_EQ(r.scheme, "vault");
  EXPECT_EQ(r.locator, "database/creds/app-role");
  EXPECT_EQ(r.field, "a.b");
  EXPECT_EQ(r.attributes,
            (std::map<std::string, std::string>{{"engine", "postgresql"}, {"host", "db.example.com"}}));
}

TEST(Reference, AcceptsFieldAndAttributesInEitherOrderAndPrintsOne) {
  for (const auto* text : {"vault:secret/db?version=3#password", "vault:secret/db#password?version=3"}) {
    EXPECT_EQ(to_string(parsed(text)), "vault:secret/db?version=3#password") << text;
  }
}

TEST(Reference, DecodesPercentSigns) {
  const auto r = parsed("file:/run/a%20b%23c?x=%26%3D#f%3Fg");
  EXPECT_EQ(r.locator, "/run/a b#c");
  EXPECT_EQ(r.attributes.at("x"), "&=");
  EXPECT_EQ(r.field, "f?g");
}

TEST(Reference, PlusIsAPlus) { EXPECT_EQ(parsed("vault:secret/a+b").locator, "secret/a+b"); }

TEST(Reference, RoundTrips) {
  for (const auto* text : {"vault:secret/prod/db#password", "file:/run/a%20b%25?allow_world_readable=true#x",
                           "env:DB_PASSWORD", "systemd:db", "exec:/usr/bin/pass show 'a#b?c' \"d e\"?as=b#f",
                           "exec:/bin/x   ", "file:/a%3Fb%C3%A9"}) {
    const auto r = parsed(text);
    const auto again = parsed(to_string(r));
    EXPECT_EQ(again.locator, r.locator) << text;
    EXPECT_EQ(again.field, r.field) << text;
    EXPECT_EQ(again.attributes, r.attributes) << text;
  }
}

TEST(Reference, PointsAtTheWrongCharacter) {
  struct Row {
    const char* text;
    std::size_t at;
    const char* says;
  };
  for (const auto& row : {
           Row{"vault:", 6, "nothing after the colon"},
           Row{"vault:a//b", 8, "an empty part"},
           Row{"vault:a/", 8, "an empty part"},
           Row{"vault:/a", 6, "a slash in front"},
           Row{"vault:a/../b", 8, "leads elsewhere"},
           Row{"vault:a/%2e%2e/b", 8, "leads elsewhere"},
           Row{"vault:a/./b", 8, "leads elsewhere"},
           Row{"vault:a/%2E%2", 11, "two hexadecimal digits"},
           Row{"vault:a%zz", 7, "two hexadecimal digits"},
           Row{"vault:a%00b", 7, "control character"},
           Row{"vault:a%7Fb", 7, "control character"},
           Row{"vault:a\nb", 7, "control character"},
           Row{"vault:a#", 8, "no field"},
           Row{"vault:a?", 8, "no attribute"},
           Row{"vault:a#b#c", 9, "a second one"},
           Row{"vault:a?b=c?d=e", 11, "a second one"},
           Row{"vault:a?B=c", 8, "not a character of an attribute's name"},
           Row{"vault:a?b", 9, "without a value"},
           Row{"vault:a?=c", 8, "without a name"},
           Row{"vault:a?b=c&", 12, "without a name"},
           Row{"vault:a?b=c&b=d", 12, "given before"},
           Row{"file:run/x", 5, "not an absolute path"},
           Row{"file:///run/x", 6, "an empty part"},
           Row{"env:A/B", 5, "a slash in a name"},
           Row{"systemd:..", 8, "leads elsewhere"},
           Row{"exec:pass show", 5, "not an absolute path"},
           Row{"exec:/bin/sh 'a", 13, "nothing ends"},
           Row{"exec:/bin/sh a|b", 14, "no shell"},
           Row{"exec:/bin/sh $A", 13, "no shell"},
           Row{"exec:/bin/../x", 5, "part that is empty"},
           Row{"exec:/bin/sh\ta", 12, "control character"},
       }) {
    const auto error = error_of(row.text);
    EXPECT_NE(error.find(row.says), std::string::npos) << row.text << "\n" << error;
    EXPECT_EQ(caret_of(row.text), row.at) << error;
  }
}

TEST(Reference, NamesTheNearestScheme) {
  EXPECT_NE(error_of("valt:database/creds/x").find("did you mean \"vault:\""), std::string::npos);
  EXPECT_NE(error_of("vualt:x").find("vault:"), std::string::npos);
  EXPECT_NE(error_of("VAULT2:x").find("known scheme"), std::string::npos);
  EXPECT_EQ(secrets::nearest_scheme("fiel:/x"), "file");
  EXPECT_EQ(secrets::nearest_scheme("postgres://u:p@h/db"), "");
  EXPECT_EQ(secrets::nearest_scheme("http:x"), "");
}

TEST(Reference, KnowsSchemesOfLaterVersions) {
  EXPECT_TRUE(secrets::looks_like_reference("issuer:a"));
  EXPECT_NE(error_of("issuer:a").find("not in this version"), std::string::npos);
}

TEST(Reference, LooksLikeOneByItsSchemeOnly) {
  EXPECT_TRUE(secrets::looks_like_reference("vault:"));
  EXPECT_TRUE(secrets::looks_like_reference("exec:/bin/true"));
  EXPECT_FALSE(secrets::looks_like_reference("postgres://u:p@h/db"));
  EXPECT_FALSE(secrets::looks_like_reference("vault"));
  EXPECT_FALSE(secrets::looks_like_reference(""));
  EXPECT_FALSE(secrets::looks_like_reference("Vault:x"));
}

TEST(Reference, NeverQuotesWhatMayBeASecret) {
  const std::string canary = "hunter2canary";
  for (const auto& text : {
           "postgres://u:" + canary + "@h/db",
           canary,
           canary + ":x",
           "valt:" + canary + "//",
           "vault:a//b?password=" + canary,
           "vault:postgres://u:" + canary + "@h//db",
           "file:/x?a=b&token=" + canary + "%zz",
           "vault:a?b=" + canary + "#" + "x#",
           "vault:u:" + canary + "@h//",
       }) {
    EXPECT_EQ(error_of(text).find(canary), std::string::npos) << error_of(text);
  }
}

TEST(Reference, CutsALongTextAroundTheCaret) {
  const auto error = error_of("vault:" + std::string(1000, 'a') + "//" + std::string(1000, 'b'));
  EXPECT_LT(error.size(), 500U);
  EXPECT_NE(error.find('^'), std::string::npos);
}

TEST(Reference, RefusesMoreThanItsLimit) {
  EXPECT_TRUE(parse_reference("vault:" + std::string(secrets::reference_bytes_max - 6, 'a')));
  EXPECT_FALSE(parse_reference("vault:" + std::string(secrets::reference_bytes_max - 5, 'a')));
}

TEST(Words, AreSplitAsAShellWould) {
  secrets::WordsError error;
  EXPECT_EQ(secrets::split_words(R"(/bin/x  a 'b c' "d\"e\\f\n" g\ h '' i'j'"k")", error),
            (std::vector<std::string>{"/bin/x", "a", "b c", "d\"e\\f\\n", "g h", "", "ijk"}));
  EXPECT_EQ(error.what, "");
}

TEST(Words, HashAndQuestionMarkEndThemOutsideQuotes) {
  EXPECT_EQ(secrets::end_of_words("/x 'a#b' \"c?d\" e\\#f#g"), 19U);
  EXPECT_EQ(secrets::end_of_words("/x a"), 4U);
}

TEST(Words, RefusesTooMany) {
  std::string text = "/x";
  for (int i = 0; i < 70; ++i) text += " a";
  secrets::WordsError error;
  secrets::split_words(text, error);
  EXPECT_NE(error.what, "");
}

}  // namespace
}  // namespace sallyport::reference_test
