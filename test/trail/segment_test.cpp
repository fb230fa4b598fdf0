#include "trail_fixture.h"

#include "trail/segment.h"

namespace sallyport::trail::segment_test {
namespace {

TEST(TrailSegment, HeaderIsOneLineOfFixedSizeAndReadBack) {
  const SegmentHeader header{"w-20261125T100923-1a2b3c4d", 7, 4001, moment(0)};
  const auto line = encode_header(header);
  ASSERT_EQ(line.size(), segment_header_bytes);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(line.starts_with("sallyport-trail 1 "));
  const auto back = decode_header(as_bytes(line));
  ASSERT_TRUE(back) << describe(back.error());
  EXPECT_EQ(back->writer, header.writer);
  EXPECT_EQ(back->segment, 7U);
  EXPECT_EQ(back->first, 4001U);
  EXPECT_EQ(back->created, header.created);
}

TEST(TrailSegment, HeaderWithAnyByteChangedIsRefused) {
  const auto line = encode_header({"w-20261125T100923-1a2b3c4d", 7, 4001, moment(0)});
  const auto used = line.find_last_not_of(" \n");
  for (std::size_t i = 0; i <= used; ++i) {
    auto changed = line;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(decode_header(as_bytes(changed))) << i;
  }
  for (std::size_t size = 0; size < line.size(); ++size) {
    EXPECT_FALSE(decode_header(as_bytes(line).first(size))) << size;
  }
}

TEST(TrailSegment, HeaderOfALaterVersionIsToldApart) {
  EXPECT_EQ(decode_header(as_bytes("sallyport-trail 2 whatever")).error().code, ErrorCode::peer_unsupported);
}

TEST(TrailSegment, FrameIsFoundAndEveryCutIsIncomplete) {
  std::string line;
  append_frame(line, session_start(), 5);
  const auto input = line + "rest";
  const auto found = scan_frame(as_bytes(input));
  const auto* frame = std::get_if<Frame>(&found);
  ASSERT_NE(frame, nullptr);
  EXPECT_EQ(frame->size, line.size());
  EXPECT_EQ(decode_record(frame->record)->sequence, 5U);
  for (std::size_t size = 1; size < line.size(); ++size) {
    EXPECT_TRUE(std::holds_alternative<Incomplete>(scan_frame(as_bytes(line).first(size)))) << size;
  }
}

TEST(TrailSegment, EveryChangedBitIsDamageAndTheNextRecordIsFound) {
  std::string first;
  std::string second;
  append_frame(first, session_start(1), 1);
  append_frame(second, session_start(2), 2);
  for (std::size_t bit = 0; bit < (first.size() - 1) * 8; ++bit) {
    auto changed = first;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto both = changed + second;
    std::string_view rest{both};
    int records = 0;
    bool damage = false;
    while (!rest.empty()) {
      const auto found = scan_frame(as_bytes(rest));
      if (const auto* frame = std::get_if<Frame>(&found)) {
        ++records;
        EXPECT_EQ(decode_record(frame->record)->sequence, 2U);
        rest.remove_prefix(frame->size);
      } else if (const auto* damaged = std::get_if<Damaged>(&found)) {
        damage = true;
        ASSERT_GT(damaged->skip, 0U);
        rest.remove_prefix(damaged->skip);
      } else {
        FAIL() << "incomplete at bit " << bit;
      }
    }
    EXPECT_TRUE(damage) << bit;
    EXPECT_EQ(records, 1) << bit;
  }
}

TEST(TrailSegment, NamesOfFilesAreReadBackAndOthersAreNot) {
  EXPECT_EQ(segment_file_name(1), "00000001.seg");
  EXPECT_EQ(segment_number("00000001.seg"), 1U);
  EXPECT_EQ(segment_number(segment_file_name(123'456'789'012)), 123'456'789'012U);
  for (const auto* name : {"", "1.seg", "00000000.seg", "0000001.seg", "00000001.seg~", "0000000x.seg",
                           "-0000001.seg", "000000001.seg", "99999999999999999999999.seg"}) {
    EXPECT_EQ(segment_number(name), 0U) << name;
  }
}

}  // namespace
}  // namespace sallyport::trail::segment_test
