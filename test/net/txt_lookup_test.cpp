// TXT records out of a name server's answer: what is a message, what is none, and how much of it counts.
#include "net/txt_lookup.h"

#include "base/conversation.h"

#include <gtest/gtest.h>

namespace sallyport::net::txt_lookup_test {
namespace {

using namespace std::string_literals;

std::string number(std::size_t value) {
  return {static_cast<char>(value >> 8U & 0xFFU), static_cast<char>(value & 0xFFU)};
}

/// One string of TXT behind its length.
std::string piece(const std::string& text) { return static_cast<char>(text.size()) + text; }

std::string record(std::uint16_t type, const std::string& data, std::uint16_t kind = 1) {
  return "\xc0\x0c"s + number(type) + number(kind) + "\0\0\0\x05"s + number(data.size()) + data;
}

std::string txt(const std::string& text) { return record(16, piece(text)); }

/// An answer about db.example.
std::string answer(const std::vector<std::string>& records) {
  auto out = "\x12\x34\x81\x80\0\x01"s + number(records.size()) + "\0\0\0\0"s;
  out +=
      "\x02"
      "db\x07"
      "example\0"s +
      "\0\x10\0\x01"s;
  for (const auto& one : records) out += one;
  return out;
}

Result<std::vector<std::string>> decoded(const std::string& message) {
  return decode_txt_answer(as_bytes(message), "db.example");
}

TEST(TxtAnswer, HasEveryRecordWithItsStringsJoined) {
  const auto found = decoded(answer({txt("p:r:i"), record(16, piece("p:") + piece("") + piece("r:j"))}));
  ASSERT_TRUE(found) << describe(found.error());
  EXPECT_EQ(*found, (std::vector<std::string>{"p:r:i", "p:r:j"}));
}

TEST(TxtAnswer, OtherTypesAndClassesDoNotCount) {
  const auto found = decoded(answer({record(5, "\xc0\x0c"s), txt("p:r:i"), record(16, piece("chaos"), 3)}));
  ASSERT_TRUE(found) << describe(found.error());
  EXPECT_EQ(*found, (std::vector<std::string>{"p:r:i"}));
  EXPECT_TRUE(decoded(answer({}))->empty());
}

TEST(TxtAnswer, ARecordThatIsTooLongComesOutEmptyAndTooManyAreRefused) {
  std::string data;
  for (int i = 0; i < 5; ++i) data += piece(std::string(250, 'x'));
  EXPECT_EQ(*decoded(answer({record(16, data)})), (std::vector<std::string>{""}));
  std::vector<std::string> many(LookupTxt::records_max, txt("p:r:i"));
  EXPECT_EQ(decoded(answer(many))->size(), LookupTxt::records_max);
  many.push_back(txt("p:r:i"));
  const auto refused = decoded(answer(many));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(refused.error().hop, Hop::dns);
}

TEST(TxtAnswer, CutAnywhereItIsNoMessage) {
  const auto whole = answer({txt("p:r:i"), txt("p:r:j")});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = decoded(whole.substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::invalid_message);
  }
}

TEST(TxtAnswer, AStringThatIsLongerThanItsRecordIsNoMessage) {
  EXPECT_FALSE(decoded(answer({record(16, "\x09p:r:i"s)})));
  EXPECT_FALSE(decoded("GET / HTTP/1.1\r\n\r\n"));
}

}  // namespace
}  // namespace sallyport::net::txt_lookup_test
