#include "trail_fixture.h"

#include "trail/reader.h"

namespace sallyport::trail::reader_test {
namespace {

namespace fs = std::filesystem;

class TrailReader : public TrailDirectory {
 protected:
  /// Reads all there is; findings go to findings_.
  std::vector<LogRecord> read_all() {
    TrailLog log{settings().directory};
    std::vector<LogRecord> all;
    for (;;) {
      auto next = log.next();
      if (!next) {
        ADD_FAILURE() << describe(next.error());
        break;
      }
      if (!*next) break;
      all.push_back(std::move(**next));
    }
    findings_ = log.take_findings();
    return all;
  }

  [[nodiscard]] std::vector<FindingKind> kinds() const {
    std::vector<FindingKind> kinds;
    for (const auto& finding : findings_) kinds.push_back(finding.kind);
    return kinds;
  }

  /// `count` records in segments of about `per_segment`.
  std::string write(int count, std::size_t segment_bytes = 64U << 20) {
    auto small = settings();
    small.segment_bytes_max = segment_bytes;
    const auto writer = open_or_fail(small);
    for (int i = 0; i < count; ++i) {
      writer->add(session_start(i));
      EXPECT_TRUE(writer->commit());
    }
    return writer->directory();
  }

  static void put(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::binary | std::ios::trunc} << text;
  }

  std::vector<Finding> findings_;
};

std::vector<std::uint64_t> sequences(const std::vector<LogRecord>& records) {
  std::vector<std::uint64_t> all;
  for (const auto& record : records) all.push_back(record.record.sequence);
  return all;
}

using Numbers = std::vector<std::uint64_t>;
using Kinds = std::vector<FindingKind>;

TEST_F(TrailReader, MergesWritersByTime) {
  const auto first = open_or_fail();
  const auto second = open_or_fail();
  for (int i = 0; i < 40; ++i) {
    auto& writer = i % 3 == 0 ? *first : *second;
    writer.add(session_start(i));
    ASSERT_TRUE(writer.commit());
  }
  const auto all = read_all();
  ASSERT_EQ(all.size(), 40U);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].record.event.at, moment(i));
  EXPECT_TRUE(findings_.empty());
}

TEST_F(TrailReader, ReadsAcrossSegmentsWithoutFindings) {
  write(30, 2048);
  EXPECT_EQ(read_all().size(), 30U);
  EXPECT_TRUE(findings_.empty());
}

TEST_F(TrailReader, FollowsALiveWriterAcrossSegments) {
  auto small = settings();
  small.segment_bytes_max = 2048;
  const auto writer = open_or_fail(small);
  TrailLog log{settings().directory};
  for (int i = 0; i < 20; ++i) {
    ASSERT_FALSE(*log.next());
    writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
    const auto next = log.next();
    ASSERT_TRUE(next && *next) << i;
    EXPECT_EQ((*next)->record.sequence, static_cast<std::uint64_t>(i + 1));
  }
  EXPECT_TRUE(log.take_findings().empty());
}

TEST_F(TrailReader, ToleratesATornTailAndTakesTheRecordOnceItIsWhole) {
  const auto file = write(2) + "/00000001.seg";
  const auto whole = content_of(file);
  for (auto size = whole.size() - 200; size < whole.size(); size += 13) {
    put(file, whole.substr(0, size));
    std::vector<Finding> findings;
    WriterLog log{settings().directory, fs::path{file}.parent_path().filename().string()};
    ASSERT_TRUE(*log.next(findings));
    ASSERT_FALSE(*log.next(findings));
    put(file, whole);
    ASSERT_TRUE(*log.next(findings));
    EXPECT_TRUE(findings.empty());
  }
}

TEST_F(TrailReader, ToleratesASegmentThatIsBeingMade) {
  const auto directory = write(2);
  for (const std::size_t size : {0, 1, 100, 511}) {
    put(directory + "/00000002.seg",
        encode_header({fs::path{directory}.filename(), 2, 3, moment(0)}).substr(0, size));
    EXPECT_EQ(read_all().size(), 2U);
    EXPECT_TRUE(findings_.empty()) << size;
  }
}

TEST_F(TrailReader, TellsDamageWithFileAndOffsetAndReadsOnBehindIt) {
  const auto file = write(3) + "/00000001.seg";
  auto text = content_of(file);
  const auto line = (text.size() - segment_header_bytes) / 3;
  text[segment_header_bytes + line + 100] ^= 1;
  put(file, text);
  EXPECT_EQ(sequences(read_all()), (Numbers{1, 3}));
  ASSERT_EQ(kinds(), (Kinds{FindingKind::damaged_record, FindingKind::missing_records}));
  EXPECT_EQ(findings_[0].file, file);
  EXPECT_EQ(findings_[0].offset, segment_header_bytes + line);
  EXPECT_NE(describe(findings_[0]).find("checksum"), std::string::npos);
}

TEST_F(TrailReader, TellsOneFindingForAStretchOfDamage) {
  const auto file = write(30) + "/00000001.seg";
  auto text = content_of(file);
  for (std::size_t i = 2'000; i < 15'000; ++i) {
    if (text[i] != '\n') text[i] = 'x';
  }
  put(file, text);
  read_all();
  EXPECT_EQ(kinds(), (Kinds{FindingKind::damaged_record, FindingKind::missing_records}));
}

TEST_F(TrailReader, TellsARecordThatWasTakenOut) {
  const auto file = write(3) + "/00000001.seg";
  auto text = content_of(file);
  const auto line = (text.size() - segment_header_bytes) / 3;
  text.erase(segment_header_bytes + line, line);
  put(file, text);
  EXPECT_EQ(sequences(read_all()), (Numbers{1, 3}));
  EXPECT_EQ(kinds(), (Kinds{FindingKind::missing_records}));
}

TEST_F(TrailReader, TellsARecordThatWasPutInTwice) {
  const auto file = write(2) + "/00000001.seg";
  const auto text = content_of(file);
  put(file, text + text.substr(segment_header_bytes + (text.size() - segment_header_bytes) / 2));
  EXPECT_EQ(sequences(read_all()), (Numbers{1, 2, 2}));
  EXPECT_EQ(kinds(), (Kinds{FindingKind::missing_records}));
}

TEST_F(TrailReader, TellsAMissingSegmentAndItsRecords) {
  const auto directory = write(30, 2048);
  fs::remove(directory + "/00000002.seg");
  EXPECT_LT(read_all().size(), 30U);
  EXPECT_EQ(kinds(), (Kinds{FindingKind::missing_segment, FindingKind::missing_records}));
  fs::remove(directory + "/00000001.seg");
  read_all();
  EXPECT_EQ(kinds(), (Kinds{FindingKind::missing_segment}));
}

TEST_F(TrailReader, TellsAShortenedSegmentThatIsNotTheLast) {
  const auto directory = write(30, 2048);
  fs::resize_file(directory + "/00000003.seg", 1000);
  read_all();
  EXPECT_EQ(kinds(), (Kinds{FindingKind::damaged_record, FindingKind::missing_records}));
}

TEST_F(TrailReader, TellsThatWhatItHadReadIsGone) {
  const auto directory = write(3);
  std::vector<Finding> findings;
  WriterLog log{settings().directory, fs::path{directory}.filename()};
  while (*log.next(findings)) {}
  fs::resize_file(directory + "/00000001.seg", 600);
  EXPECT_FALSE(*log.next(findings));
  EXPECT_FALSE(*log.next(findings));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, FindingKind::segment_shortened);
}

TEST_F(TrailReader, SkipsASegmentOfALaterVersion) {
  const auto directory = write(2);
  put(directory + "/00000002.seg", "sallyport-trail 9 " + std::string(600, 'x'));
  EXPECT_EQ(read_all().size(), 2U);
  EXPECT_EQ(kinds(), (Kinds{FindingKind::later_version}));
}

TEST_F(TrailReader, ReadsRecordsBehindADamagedHeader) {
  const auto file = write(2) + "/00000001.seg";
  auto text = content_of(file);
  text[25] = '!';
  put(file, text);
  EXPECT_EQ(read_all().size(), 2U);
  EXPECT_EQ(kinds(), (Kinds{FindingKind::damaged_header}));
}

TEST_F(TrailReader, ReadsWhateverBytesASegmentHolds) {
  const auto file = write(4) + "/00000001.seg";
  const auto good = content_of(file);
  std::uint32_t state = 1;
  for (int round = 0; round < 300; ++round) {
    auto text = good;
    for (int change = 0; change < 20; ++change) {
      state = state * 1'664'525U + 1'013'904'223U;
      text[(state >> 8) % text.size()] = static_cast<char>(state >> 24);
    }
    put(file, text.substr(0, (state >> 4) % (text.size() + 1)));
    EXPECT_LE(read_all().size(), 4U);
  }
}

TEST_F(TrailReader, SaysWhenThereIsNoTrail) {
  TrailLog log{base_ + "/nowhere"};
  EXPECT_EQ(log.next().error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace sallyport::trail::reader_test
