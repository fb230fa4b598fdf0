// Files of verifiers, and what is asked of names that stand in none.
#include "policy/password_file.h"

#include <gtest/gtest.h>

namespace sallyport::policy::password_file_test {
namespace {

std::string verifier(const std::string& password, unsigned iterations = 4096, std::size_t salt_bytes = 16) {
  const std::vector<std::uint8_t> salt(salt_bytes, 7);
  return crypto::print_scram_verifier(
      crypto::make_scram_verifier_from_password(Secret::copy_of(password), salt, iterations));
}

TEST(PasswordFile, HasOneNameALineCommentsAndEmptyLines) {
  const auto parsed =
      parse_password_file("# who may\n\nalice:" + verifier("a") + "\r\n   \nbob x:" + verifier("b"));
  ASSERT_TRUE(parsed.has_value()) << parsed.error().where << " " << parsed.error().what;
  ASSERT_EQ(parsed->size(), 2u);
  EXPECT_TRUE(parsed->contains("alice"));
  EXPECT_TRUE(parsed->contains("bob x"));
}

TEST(PasswordFile, NamesTheLineAndNeverQuotesIt) {
  const auto wrong = [](const std::string& text) {
    const auto parsed = parse_password_file(text);
    EXPECT_FALSE(parsed.has_value()) << text;
    return parsed ? std::string{}
                  : parsed.error().where + " " + parsed.error().what + ". " + parsed.error().hint;
  };
  EXPECT_EQ(wrong("\nalice"),
            "line 2 does not begin with a name and a colon. Write `NAME:SCRAM-SHA-256$…`, as `sallyport "
            "passwd NAME` prints it");
  const auto clear = wrong("alice:hunter2");
  EXPECT_EQ(
      clear,
      "line 1 does not begin with SCRAM-SHA-256$. A password itself may not stand here: make a verifier "
      "with `sallyport passwd NAME`");
  EXPECT_EQ(clear.find("hunter2"), std::string::npos);
  EXPECT_EQ(wrong("alice:" + verifier("a", 4095)),
            "line 1 has fewer than 4096 iterations. Make it anew with `sallyport "
            "passwd NAME`");
  EXPECT_EQ(wrong("a:" + verifier("x") + "\na:" + verifier("y")),
            "line 2 names an account that an earlier line has. Keep one of the two lines");
  EXPECT_NE(wrong(" alice:" + verifier("a")).find("name and a colon"), std::string::npos);
  EXPECT_NE(wrong(std::string(64, 'n') + ":" + verifier("a")).find("name and a colon"), std::string::npos);
  EXPECT_NE(wrong("a\tb:" + verifier("a")).find("name and a colon"), std::string::npos);
}

TEST(PasswordFile, AnUnknownNameLooksLikeTheUsualKnownOne) {
  Verifiers verifiers;
  verifiers.emplace("alice", *crypto::parse_scram_verifier(verifier("a", 10'000)));
  verifiers.emplace("bob", *crypto::parse_scram_verifier(verifier("b", 10'000)));
  verifiers.emplace("old", *crypto::parse_scram_verifier(verifier("c", 4'096, 12)));
  EXPECT_FALSE(have_one_shape(verifiers));
  MockIdentity mock;
  mock.shape = usual_shape(verifiers);
  const auto known = verifier_for(verifiers, "alice", mock);
  EXPECT_FALSE(known.mock);
  EXPECT_EQ(known.verifier, verifiers.at("alice"));
  const auto unknown = verifier_for(verifiers, "mallory", mock);
  EXPECT_TRUE(unknown.mock);
  EXPECT_EQ(unknown.verifier.iterations, 10'000u);
  EXPECT_EQ(unknown.verifier.salt.size(), 16u);
}

TEST(PasswordFile, AnUnknownNameHasTheSameSaltEachTimeAndAnotherThanItsNeighbour) {
  const Verifiers none;
  MockIdentity key;
  MockIdentity other_key;
  other_key.key.fill(2);
  const auto salt = [&](std::string_view name, const MockIdentity& by) {
    return verifier_for(none, name, by).verifier.salt;
  };
  EXPECT_EQ(salt("mallory", key), salt("mallory", key));
  EXPECT_NE(salt("mallory", key), salt("mallorz", key));
  EXPECT_NE(salt("mallory", key), salt("mallory", other_key));
}

}  // namespace
}  // namespace sallyport::policy::password_file_test
