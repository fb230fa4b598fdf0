#include "base/bytes.h"

#include <gtest/gtest.h>

namespace sallyport::bytes_test {
namespace {

TEST(ByteReader, ReadsFieldsInOrder) {
  const std::vector<std::uint8_t> input{1, 0, 2, 0, 0, 0, 3, 'a', 0, 9};
  ByteReader reader{input};
  EXPECT_EQ(reader.u8(), 1);
  EXPECT_EQ(reader.u16(), 2);
  EXPECT_EQ(reader.u32(), 3U);
  EXPECT_EQ(reader.c_string(), "a");
  EXPECT_EQ(reader.take_rest().size(), 1U);
  EXPECT_TRUE(reader.finish("message"));
}

TEST(ByteReader, ErrorsAreSticky) {
  const std::vector<std::uint8_t> input{1, 2, 3};
  ByteReader reader{input};
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_EQ(reader.u8(), 0);
  const auto end = reader.finish("message");
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::invalid_message);
}

TEST(ByteReader, LeftOverBytesAreAnError) {
  const std::vector<std::uint8_t> input{1, 2};
  ByteReader reader{input};
  (void)reader.u8();
  EXPECT_FALSE(reader.finish("message"));
}

TEST(ByteReader, TextWithoutZeroByteIsAnError) {
  const std::vector<std::uint8_t> input{'a', 'b'};
  ByteReader reader{input};
  EXPECT_EQ(reader.c_string(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, PatchesALengthAfterwards) {
  std::vector<std::uint8_t> out;
  ByteWriter writer{out};
  writer.u32(0);
  writer.c_string("x");
  writer.patch_u32(0, 0x01020304);
  EXPECT_EQ(out, (std::vector<std::uint8_t>{1, 2, 3, 4, 'x', 0}));
}

}  // namespace
}  // namespace sallyport::bytes_test
