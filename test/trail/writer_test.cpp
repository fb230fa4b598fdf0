#include "base/limits.h"
#include "trail_fixture.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

namespace sallyport::trail::writer_test {
namespace {

using TrailWriter = TrailDirectory;
namespace fs = std::filesystem;

std::vector<std::uint64_t> sequences_in(const std::string& segment_text) {
  std::vector<std::uint64_t> sequences;
  for (auto rest = std::string_view{segment_text}.substr(segment_header_bytes); !rest.empty();) {
    const auto found = scan_frame(as_bytes(rest));
    const auto* frame = std::get_if<Frame>(&found);
    if (frame == nullptr) {
      ADD_FAILURE() << "no record behind " << sequences.size();
      break;
    }
    sequences.push_back(decode_record(frame->record)->sequence);
    rest.remove_prefix(frame->size);
  }
  return sequences;
}

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> all;
  for (auto n = first; n <= last; ++n) all.push_back(n);
  return all;
}

bool has(const std::vector<Finding>& findings, FindingKind kind) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.kind == kind; });
}

TEST_F(TrailWriter, KeepsDirectoriesAndFilesPrivate) {
  const auto writer = open_or_fail();
  writer->add(session_start());
  ASSERT_TRUE(writer->commit());
  const auto mode = [](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode(settings().directory), 0700U);
  EXPECT_EQ(mode(writer->directory()), 0700U);
  EXPECT_EQ(mode(writer->directory() + "/00000001.seg"), 0600U);
}

TEST_F(TrailWriter, WritesWhatWasAddedAtCommitAndNotBefore) {
  const auto writer = open_or_fail();
  const auto file = writer->directory() + "/00000001.seg";
  writer->add(session_start(1));
  writer->add(session_start(2));
  EXPECT_EQ(content_of(file).size(), segment_header_bytes);
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(sequences_in(content_of(file)), numbers(1, 2));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(sequences_in(content_of(file)), numbers(1, 2));
  EXPECT_TRUE(writer->take_findings().empty());
}

TEST_F(TrailWriter, NextProcessContinuesWhereTheLastOneEnded) {
  std::string first_directory;
  for (int run = 0; run < 3; ++run) {
    const auto writer = open_or_fail();
    if (run == 0) first_directory = writer->directory();
    EXPECT_EQ(writer->directory(), first_directory);
    writer->add(session_start(run));
    ASSERT_TRUE(writer->commit());
  }
  EXPECT_EQ(sequences_in(content_of(first_directory + "/00000001.seg")), numbers(1, 3));
}

TEST_F(TrailWriter, HeldDirectoryIsNotTakenBySecondWriter) {
  const auto first = open_or_fail();
  const auto second = open_or_fail();
  EXPECT_NE(first->directory(), second->directory());
  for (int i = 0; i < 10; ++i) {
    first->add(session_start(i));
    second->add(session_start(i));
    ASSERT_TRUE(first->commit());
    ASSERT_TRUE(second->commit());
  }
  EXPECT_EQ(sequences_in(content_of(first->directory() + "/00000001.seg")), numbers(1, 10));
  EXPECT_EQ(sequences_in(content_of(second->directory() + "/00000001.seg")), numbers(1, 10));
}

TEST_F(TrailWriter, RollsSegmentsWithoutAGap) {
  auto small = settings();
  small.segment_bytes_max = 4096;
  const auto writer = open_or_fail(small);
  for (int i = 0; i < 30; ++i) {
    writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
  }
  std::vector<std::uint64_t> all;
  int segments = 0;
  for (std::uint64_t n = 1; fs::exists(writer->directory() + "/" + segment_file_name(n)); ++n, ++segments) {
    const auto text = content_of(writer->directory() + "/" + segment_file_name(n));
    EXPECT_LE(text.size(), 4096U);
    const auto header = decode_header(as_bytes(text));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->segment, n);
    EXPECT_EQ(header->first, all.size() + 1);
    for (const auto sequence : sequences_in(text)) all.push_back(sequence);
  }
  EXPECT_GT(segments, 5);
  EXPECT_EQ(all, numbers(1, 30));
}

TEST_F(TrailWriter, CutsATornTailAtEveryByte) {
  std::string file;
  {
    const auto writer = open_or_fail();
    file = writer->directory() + "/00000001.seg";
    writer->add(session_start(1));
    ASSERT_TRUE(writer->commit());
    writer->add(session_start(2));
    ASSERT_TRUE(writer->commit());
  }
  const auto whole = content_of(file);
  const auto first_end = segment_header_bytes + (whole.size() - segment_header_bytes) / 2;
  for (auto size = first_end + 1; size < whole.size(); size += 37) {
    std::ofstream{file, std::ios::binary | std::ios::trunc} << whole.substr(0, size);
    const auto writer = open_or_fail();
    const auto findings = writer->take_findings();
    ASSERT_TRUE(has(findings, FindingKind::torn_tail)) << size;
    EXPECT_EQ(findings[0].offset, first_end);
    writer->add(session_start(2));
    ASSERT_TRUE(writer->commit());
    EXPECT_EQ(content_of(file), whole) << size;
  }
}

TEST_F(TrailWriter, RemovesASegmentWhoseHeaderWasNotFinished) {
  std::string directory;
  {
    const auto writer = open_or_fail();
    directory = writer->directory();
    writer->add(session_start(1));
    ASSERT_TRUE(writer->commit());
  }
  std::ofstream{directory + "/00000002.seg"} << "sallyport-trail 1 0000";
  const auto writer = open_or_fail();
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::torn_tail));
  writer->add(session_start(2));
  ASSERT_TRUE(writer->commit());
  EXPECT_FALSE(fs::exists(directory + "/00000002.seg"));
  EXPECT_EQ(sequences_in(content_of(directory + "/00000001.seg")), numbers(1, 2));
}

TEST_F(TrailWriter, LeavesDamageAsEvidenceAndGoesOnBehindIt) {
  std::string directory;
  {
    const auto writer = open_or_fail();
    directory = writer->directory();
    for (int i = 0; i < 3; ++i) writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
  }
  auto text = content_of(directory + "/00000001.seg");
  text[text.size() - 20] = '!';
  std::ofstream{directory + "/00000001.seg", std::ios::binary} << text;
  const auto writer = open_or_fail();
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::damaged_record));
  writer->add(session_start(9));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(content_of(directory + "/00000001.seg"), text);
  EXPECT_EQ(sequences_in(content_of(directory + "/00000002.seg")), numbers(3, 3));
}

TEST_F(TrailWriter, FindsTheEndOfALongSegment) {
  std::string directory;
  {
    const auto writer = open_or_fail();
    directory = writer->directory();
    for (int i = 0; i < 4000; ++i) writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
  }
  ASSERT_GT(fs::file_size(directory + "/00000001.seg"), 4 * frame_bytes_max);
  fs::resize_file(directory + "/00000001.seg", fs::file_size(directory + "/00000001.seg") - 10);
  EXPECT_EQ(open_or_fail()->next_sequence(), 4000U);
}

TEST_F(TrailWriter, RefusesADirectoryThatOthersMayWrite) {
  fs::create_directories(settings().directory);
  ASSERT_EQ(chmod(settings().directory.c_str(), 0777), 0);
  const auto writer = open_writer(settings());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::bad_config);
  EXPECT_EQ(writer.error().hop, Hop::trail);
  EXPECT_NE(writer.error().hint.find("chmod"), std::string::npos);
}

TEST_F(TrailWriter, FollowsNoLinkToItsDirectory) {
  fs::create_directories(base_ + "/elsewhere");
  fs::create_directory_symlink(base_ + "/elsewhere", settings().directory);
  const auto writer = open_writer(settings());
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().code, ErrorCode::bad_config);
}

TEST_F(TrailWriter, NamesThePathThatCannotBeMade) {
  std::ofstream{base_ + "/file"} << "x";
  const auto writer = open_writer({base_ + "/file/audit"});
  ASSERT_FALSE(writer);
  EXPECT_NE(describe(writer.error()).find(base_ + "/file"), std::string::npos) << describe(writer.error());
}

TEST_F(TrailWriter, NoticesThatItsSegmentWasDeleted) {
  const auto writer = open_or_fail();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  fs::remove(writer->directory() + "/00000001.seg");
  writer->add(session_start(2));
  const auto refused = writer->commit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::retry_later);
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::segment_unlinked));
  writer->add(session_start(2));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(sequences_in(content_of(writer->directory() + "/00000002.seg")), numbers(2, 2));
}

TEST_F(TrailWriter, NoticesThatItsSegmentWasShortened) {
  const auto writer = open_or_fail();
  for (int i = 0; i < 3; ++i) writer->add(session_start(i));
  ASSERT_TRUE(writer->commit());
  fs::resize_file(writer->directory() + "/00000001.seg", segment_header_bytes);
  writer->add(session_start(4));
  EXPECT_FALSE(writer->commit());
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::segment_shortened));
  writer->add(session_start(4));
  ASSERT_TRUE(writer->commit());
}

TEST_F(TrailWriter, NoticesBytesThatItDidNotWrite) {
  const auto writer = open_or_fail();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  std::ofstream{writer->directory() + "/00000001.seg", std::ios::app} << "forged\n";
  writer->add(session_start(2));
  EXPECT_FALSE(writer->commit());
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::segment_changed));
}

TEST_F(TrailWriter, NoticesARewriteOfTheSameLengthWithoutStopping) {
  const auto writer = open_or_fail();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  usleep(20'000);  // the kernel's file times move in steps of a few milliseconds
  {
    std::fstream file{writer->directory() + "/00000001.seg", std::ios::in | std::ios::out};
    file.seekp(700);
    file << "X";
  }
  const auto findings = writer->take_findings();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].kind, FindingKind::segment_changed);
  writer->add(session_start(2));
  EXPECT_TRUE(writer->commit());
}

TEST_F(TrailWriter, NoticesThatItsDirectoryIsGoneAndMakesANewOne) {
  const auto writer = open_or_fail();
  const auto before = writer->directory();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  fs::rename(before, base_ + "/taken");
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::directory_gone));
  writer->add(session_start(2));
  ASSERT_TRUE(writer->commit());
  EXPECT_NE(writer->directory(), before);
  EXPECT_EQ(sequences_in(content_of(writer->directory() + "/00000001.seg")), numbers(2, 2));
}

TEST_F(TrailWriter, SurvivesTheLossOfTheWholeTrail) {
  const auto writer = open_or_fail();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  fs::remove_all(settings().directory);
  writer->add(session_start(2));
  EXPECT_FALSE(writer->commit());
  writer->add(session_start(2));
  ASSERT_TRUE(writer->commit());
  EXPECT_TRUE(has(writer->take_findings(), FindingKind::directory_gone));
  EXPECT_EQ(sequences_in(content_of(writer->directory() + "/00000001.seg")), numbers(2, 2));
}

TEST_F(TrailWriter, NoticesThatAnEarlierSegmentIsGoneOrChanged) {
  auto small = settings();
  small.segment_bytes_max = 2048;
  const auto writer = open_or_fail(small);
  for (int i = 0; i < 20; ++i) {
    writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
  }
  EXPECT_TRUE(writer->take_findings().empty());
  fs::remove(writer->directory() + "/00000002.seg");
  fs::resize_file(writer->directory() + "/00000003.seg", 600);
  const auto findings = writer->take_findings();
  EXPECT_TRUE(has(findings, FindingKind::segment_unlinked));
  EXPECT_TRUE(has(findings, FindingKind::segment_shortened));
  EXPECT_TRUE(writer->take_findings().empty());
}

TEST_F(TrailWriter, FileSizeLimitRefusesAndWorksAgainOnceItIsRaised) {
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const auto writer = open_or_fail();
  writer->add(session_start(1));
  ASSERT_TRUE(writer->commit());
  const auto file = writer->directory() + "/00000001.seg";
  const auto good = content_of(file);
  struct rlimit tight = before;
  tight.rlim_cur = good.size() + 100;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  writer->add(session_start(2));
  writer->add(session_start(3));
  const auto refused = writer->commit();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::retry_later);
  EXPECT_EQ(refused.error().hop, Hop::trail);
  EXPECT_NE(describe(refused.error()).find(file), std::string::npos);
  EXPECT_NE(describe(refused.error()).find("EFBIG"), std::string::npos);
  EXPECT_EQ(content_of(file), good);
  writer->add(session_start(4));
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(sequences_in(content_of(file)), numbers(1, 2));
  EXPECT_TRUE(writer->take_findings().empty());
}

TEST_F(TrailWriter, PendingRecordsAreBounded) {
  const auto writer = open_or_fail();
  auto big = session_start();
  for (int i = 0; i < 16; ++i) big.claimed["key" + std::to_string(i)] = std::string(512, '\x01');
  for (std::size_t bytes = 0; bytes < 2 * limits::trail_commit_bytes_max; bytes += 16 * 512 * 6)
    writer->add(big);
  EXPECT_FALSE(writer->commit());
  writer->add(session_start());
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(writer->next_sequence(), 2U);
}

TEST_F(TrailWriter, FsyncEachCommitWorks) {
  auto power = settings();
  power.fsync_each_commit = true;
  const auto writer = open_or_fail(power);
  writer->add(session_start());
  EXPECT_TRUE(writer->commit());
}

}  // namespace
}  // namespace sallyport::trail::writer_test
