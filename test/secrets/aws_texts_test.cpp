// The texts of AWS' tools: profile files, command lines, and STS' XML.
#include "secrets/aws/profiles.h"
#include "secrets/aws/shell_words.h"
#include "secrets/aws/xml.h"

#include <gtest/gtest.h>

namespace sallyport::secrets::aws::aws_texts_test {
namespace {

Result<IniFile> ini(std::string_view text) { return IniFile::parse(Secret::copy_of(text), "/f"); }

Profiles config(std::string_view text) { return {std::move(*ini(text)), {}}; }

TEST(AwsProfiles, KeysAreLowerCaseAndValuesKeepWhatFollowsTheFirstSign) {
  const auto files = config("[default]\nRegion = a=b:c # d\nx:y=z\n  \n[profile b]\nregion=q\n");
  EXPECT_EQ(files.value("default", "region"), "a=b:c # d");
  EXPECT_EQ(files.value("default", "x"), "y=z");
  EXPECT_EQ(files.value("b", "region"), "q");
  EXPECT_FALSE(files.has("profile b"));
}

TEST(AwsProfiles, IndentedLinesBelongToTheKeyAbove) {
  const auto files =
      config("[services s]\nssm =\n  # no\n\n  endpoint_url = https://a\n  b = c\nsts=x\n  y\n");
  EXPECT_EQ(files.services("s", "ssm", "endpoint_url"), "https://a");
  EXPECT_EQ(files.services("s", "ssm", "b"), "c");
  EXPECT_EQ(files.services("s", "sts", "endpoint_url"), "");
}

TEST(AwsProfiles, AValueOverTwoLinesIsNoPlainText) {
  const auto files = config("[default]\nregion = a\n  b\n");
  EXPECT_EQ(files.value("default", "region"), "a\n  b");
  const auto text = files.text("default", "region");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().where, "profile default");
}

TEST(AwsProfiles, CredentialsWinKeyByKey) {
  const Profiles files{std::move(*ini("[profile a]\nregion=c\nkey=c\n")), std::move(*ini("[a]\nkey=d\n"))};
  EXPECT_EQ(files.value("a", "key"), "d");
  EXPECT_EQ(files.value("a", "region"), "c");
  EXPECT_EQ(files.value("a", "key", Profiles::In::config), "c");
}

TEST(AwsProfiles, ErrorsNameTheLineAndQuoteNothing) {
  for (const auto* text : {"canary\n", "[a]\n\ncanary\n", "[a\n", "[]\n", "[a]\nk=canary\nk=canary\n",
                           "[canary]\n[canary]\n", "[a]\n=canary\n", "[a]\nk=\n  canary\n"}) {
    const auto parsed = ini(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().where.starts_with("/f line ")) << parsed.error().where;
    EXPECT_EQ(describe(parsed.error()).find("canary"), std::string::npos) << describe(parsed.error());
  }
}

/// As Python's shlex.split() splits them (3.11).
TEST(AwsShellWords, AreThoseOfShlex) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(shell_words(R"(/a 'b c' "d e" f\ g)"), (Words{"/a", "b c", "d e", "f g"}));
  EXPECT_EQ(shell_words(R"(a"b"'c' "" '')"), (Words{"abc", "", ""}));
  EXPECT_EQ(shell_words(R"("a\"b\\c\d" 'e\f')"), (Words{R"(a"b\c\d)", R"(e\f)"}));
  EXPECT_EQ(shell_words("$HOME | ; * #x ~"), (Words{"$HOME", "|", ";", "*", "#x", "~"}));
  EXPECT_EQ(shell_words("a\n\tb"), (Words{"a", "b"}));
  EXPECT_EQ(shell_words(""), Words{});
  EXPECT_FALSE(shell_words("'a"));
  EXPECT_FALSE(shell_words("\"a"));
  EXPECT_FALSE(shell_words("a\\"));
}

TEST(AwsXml, FindsTheTextAtItsPath) {
  constexpr std::string_view document =
      "<?xml version=\"1.0\"?>\n<A xmlns='u>v'><B><C>no</C></B><C>  yes </C><C>late</C><D/></A>\n";
  EXPECT_EQ(xml_text(document, {"A", "C"}), "  yes ");
  EXPECT_EQ(xml_text(document, {"A", "B", "C"}), "no");
  EXPECT_EQ(xml_text(document, {"A", "D"}), "");
  EXPECT_FALSE(xml_text(document, {"A", "B"})) << "holds an element";
  EXPECT_FALSE(xml_text(document, {"A", "E"}));
  EXPECT_FALSE(xml_text(document, {"C"}));
}

TEST(AwsXml, WhatIsNoSuchXmlHasNoTexts) {
  for (const auto* document :
       {"", "text", "<A><B>x</B>", "<A><B>x</A></B>", "<A><B>x</B></A><A/>", "<A><B>x</B></A>x",
        "<A><B>&amp;</B></A>", "<!DOCTYPE A><A><B>x</B></A>", "<A><B><![CDATA[x]]></B></A>",
        "<A><B><!-- c -->x</B></A>", "<A><B>x</B><", "<A><B a='>x</B></A>", "<A><B>x<?p?></B></A>", "</A>",
        "<A><B>x</B></A", "<A><B>x</ B></A>"}) {
    EXPECT_FALSE(xml_text(document, {"A", "B"})) << document;
  }
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += "<A>";
  EXPECT_FALSE(xml_text(deep, {"A"}));
}

}  // namespace
}  // namespace sallyport::secrets::aws::aws_texts_test
