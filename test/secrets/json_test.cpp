// The wiping JSON reader: what it reads, and that hostile text costs bounded memory and time.
#include "secrets/json.h"

#include <gtest/gtest.h>

namespace sallyport::json_test {
namespace {

using secrets::Json;
using secrets::JsonView;

TEST(SecretJson, ReadsValuesByPath) {
  auto json = Json::parse(
      R"({"a":{"b":"x"},"n":3,"f":3.5,"w":4.0,"s":"17","t":true,"z":null,"l":["p","q"]} )", "test");
  ASSERT_TRUE(json);
  const auto root = json->root();
  EXPECT_EQ(root["a"]["b"].text(), "x");
  EXPECT_EQ(root["n"].integer(), 3);
  EXPECT_EQ(root["w"].integer(), 4);
  EXPECT_EQ(root["s"].integer(), 17);
  EXPECT_FALSE(root["f"].integer());
  EXPECT_EQ(root["t"].boolean(), true);
  EXPECT_EQ(root["z"].kind(), JsonView::Kind::null);
  ASSERT_EQ(root["l"].elements().size(), 2U);
  EXPECT_EQ(root["l"].elements()[1].text(), "q");
  EXPECT_EQ(root["a"].keys(), std::vector<std::string_view>{"b"});
  EXPECT_EQ(root["a"].serialized().reveal(), R"({"b":"x"})");
}

TEST(SecretJson, AbsentMembersCanBeWalked) {
  auto json = Json::parse("[]", "test");
  ASSERT_TRUE(json);
  const auto nothing = json->root()["a"]["b"];
  EXPECT_FALSE(nothing.present());
  EXPECT_EQ(nothing.text(), "");
  EXPECT_FALSE(nothing.integer());
  EXPECT_FALSE(nothing.boolean());
  EXPECT_TRUE(nothing.elements().empty());
  EXPECT_TRUE(nothing.keys().empty());
}

TEST(SecretJson, RefusesWhatIsNotOneDocument) {
  for (const auto* text :
       {"", " ", "{", "{\"a\":", "\"", "{}{}", "{} x", "nul", "<html>", "{\"a\":\"\xFF\"}", "{'a':1}"}) {
    auto json = Json::parse(text, "test");
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().code, ErrorCode::invalid_message) << text;
    EXPECT_EQ(json.error().where, "test");
  }
}

TEST(SecretJson, RefusesDepthAndSizeBeyondItsLimits) {
  EXPECT_TRUE(Json::parse(
      std::string(secrets::json_depth_max, '[') + std::string(secrets::json_depth_max, ']'), "test"));
  EXPECT_EQ(Json::parse(std::string(100'000, '['), "test").error().code, ErrorCode::limit_exceeded);
  std::string many = "[1";
  for (int i = 0; i < 2'000'000; ++i) many += ",1";
  EXPECT_EQ(Json::parse(many + "]", "test").error().code, ErrorCode::limit_exceeded);
}

TEST(SecretJson, NumbersOutsideTheRangeAreNoIntegers) {
  auto json =
      Json::parse(R"([18446744073709551615, 1e300, -1e300, "99999999999999999999", "1x", ""])", "test");
  ASSERT_TRUE(json);
  for (const auto& element : json->root().elements()) EXPECT_FALSE(element.integer());
}

}  // namespace
}  // namespace sallyport::json_test
