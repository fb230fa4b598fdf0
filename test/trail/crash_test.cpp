// What an audit trail is for: kill -9, full disks and many processes at once.
#include "trail_fixture.h"

#include "trail/reader.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

namespace sallyport::trail::crash_test {
namespace {

namespace fs = std::filesystem;

class TrailCrash : public TrailDirectory {
 protected:
  static std::vector<LogRecord> read_all(const std::string& directory, std::vector<Finding>& findings) {
    TrailLog log{directory};
    std::vector<LogRecord> all;
    for (auto next = log.next(); next && *next; next = log.next()) all.push_back(std::move(**next));
    findings = log.take_findings();
    return all;
  }
};

/// Commits groups of one to seven records for ever; tells on `out` the last record of each commit that
/// returned.
[[noreturn]] void commit_until_killed(const Settings& settings, int out) {
  auto writer = Writer::open(settings);
  if (!writer) _exit(1);
  for (std::uint64_t round = 0;; ++round) {
    const auto first = (*writer)->next_sequence();
    for (std::uint64_t i = 0; i < 1 + round % 7; ++i) {
      auto event = session_start();
      event.session = std::to_string(first + i);
      event.reason = std::string((round * 37) % 400, 'x');
      (*writer)->add(event);
    }
    if (!(*writer)->commit()) _exit(2);
    const auto last = (*writer)->next_sequence() - 1;
    if (::write(out, &last, sizeof last) != sizeof last) _exit(3);
  }
}

TEST_F(TrailCrash, KillNineLosesNoAcceptedRecord) {
  auto small = settings();
  small.segment_bytes_max = 64U << 10;  // so that kills hit the making of segments too
  std::uint64_t accepted = 0;
  for (int round = 0; round < 40; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const auto pid = fork();
    if (pid == 0) {
      close(ends[0]);
      commit_until_killed(small, ends[1]);
    }
    close(ends[1]);
    // Some are killed while they open the trail, the others while they write, however slow the machine is.
    pollfd begun{ends[0], POLLIN, 0};
    if (round % 4 != 0) poll(&begun, 1, 10'000);
    usleep(static_cast<useconds_t>(300 + round * 331 % 3'000));
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << status;
    for (std::uint64_t last = 0; ::read(ends[0], &last, sizeof last) == sizeof last;) accepted = last;
    close(ends[0]);

    std::vector<Finding> findings;
    const auto all = read_all(small.directory, findings);
    EXPECT_TRUE(findings.empty()) << describe(findings[0]);
    ASSERT_GE(all.size(), accepted) << "round " << round;
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(all[i].record.sequence, i + 1);
      ASSERT_EQ(all[i].record.event.session, std::to_string(i + 1));
    }
  }
  EXPECT_GT(accepted, 100U);
  EXPECT_EQ(writers_in(small.directory)->size(), 1U);  // each process took over the directory
}

TEST_F(TrailCrash, TwentyProcessesAtOnceWriteSideBySide) {
  std::vector<pid_t> children;
  for (int child = 0; child < 20; ++child) {
    const auto pid = fork();
    if (pid == 0) {
      auto writer = Writer::open(settings());
      if (!writer) _exit(1);
      for (int i = 0; i < 50; ++i) {
        (*writer)->add(session_start(i));
        if (!(*writer)->commit()) _exit(2);
      }
      _exit(0);
    }
    children.push_back(pid);
  }
  for (const auto pid : children) {
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::vector<Finding> findings;
  EXPECT_EQ(read_all(settings().directory, findings).size(), 20U * 50U);
  EXPECT_TRUE(findings.empty());
}

TEST_F(TrailCrash, AnotherProcessCannotTakeAHeldDirectory) {
  const auto writer = open_or_fail();
  const auto pid = fork();
  if (pid == 0) {
    auto other = Writer::open(settings());
    _exit(other && (*other)->directory() != writer->directory() ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

/// A small file system of its own.
class TrailFullDisk : public TrailDirectory {
 protected:
  void SetUp() override {
    TrailDirectory::SetUp();
    disk_ = base_ + "/disk";
    fs::create_directory(disk_);
    if (mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=2m,mode=700") != 0) {
      GTEST_SKIP() << "a tmpfs cannot be mounted here (needs root): NOT TESTED";
    }
    mounted_ = true;
    settings_.directory = disk_ + "/audit";
  }
  void TearDown() override {
    if (mounted_) umount2(disk_.c_str(), MNT_DETACH);
    TrailDirectory::TearDown();
  }

  /// Leaves about `left` bytes.
  void fill_disk(std::size_t left) const {
    const auto space = fs::space(disk_);
    std::ofstream{disk_ + "/ballast", std::ios::binary} << std::string(space.available - left, 'b');
  }
  void free_disk() const { fs::remove(disk_ + "/ballast"); }

  std::string disk_;
  bool mounted_ = false;
  Settings settings_;
};

TEST_F(TrailFullDisk, RefusesKeepsTheLogWholeAndWorksAgainAfterwards) {
  const auto writer = open_or_fail(settings_);
  std::uint64_t accepted = 0;
  fill_disk(64U << 10);
  int refused = 0;
  for (int i = 0; i < 300 && refused < 5; ++i) {
    for (int k = 0; k < 5; ++k) writer->add(session_start(i));
    const auto done = writer->commit();
    if (done) {
      accepted += 5;
      continue;
    }
    ++refused;
    EXPECT_EQ(done.error().code, ErrorCode::retry_later);
    EXPECT_NE(describe(done.error()).find("ENOSPC"), std::string::npos) << describe(done.error());
    EXPECT_NE(describe(done.error()).find(writer->directory()), std::string::npos);
    EXPECT_FALSE(done.error().hint.empty());
  }
  ASSERT_EQ(refused, 5);
  EXPECT_GT(accepted, 10U);
  free_disk();
  writer->add(session_start(999));
  ASSERT_TRUE(writer->commit());
  ++accepted;
  TrailLog log{settings_.directory};
  std::uint64_t read = 0;
  for (auto next = log.next(); next && *next; next = log.next()) EXPECT_EQ((*next)->record.sequence, ++read);
  EXPECT_EQ(read, accepted);
  EXPECT_TRUE(log.take_findings().empty());
  EXPECT_TRUE(writer->take_findings().empty());
}

TEST_F(TrailFullDisk, FullWhenASegmentIsToBeMade) {
  settings_.segment_bytes_max = 4096;
  const auto writer = open_or_fail(settings_);
  for (int i = 0; i < 4; ++i) {
    writer->add(session_start(i));
    ASSERT_TRUE(writer->commit());
  }
  fill_disk(0);
  writer->add(session_start(5));
  writer->add(session_start(6));
  EXPECT_FALSE(writer->commit());
  EXPECT_FALSE(fs::exists(writer->directory() + "/00000002.seg"));
  free_disk();
  writer->add(session_start(5));
  writer->add(session_start(6));
  ASSERT_TRUE(writer->commit());
  EXPECT_TRUE(writer->take_findings().empty());
}

TEST_F(TrailFullDisk, DropsDenialsFirstAndCountsThem) {
  const auto writer = open_or_fail(settings_);
  fill_disk(100U << 10);  // below an eighth of 2 MiB
  for (int i = 0; i < 1000; ++i) writer->add(denial());
  ASSERT_TRUE(writer->commit());
  EXPECT_EQ(writer->denials_dropped(), 1000U);
  for (int i = 0; i < 50; ++i) {
    writer->add(session_start(i));
    ASSERT_TRUE(writer->commit()) << i;
  }
  free_disk();
  writer->add(denial("after"));
  ASSERT_TRUE(writer->commit());
  TrailLog log{settings_.directory};
  std::vector<Event> security;
  std::size_t denied = 0;
  for (auto next = log.next(); next && *next; next = log.next()) {
    if ((*next)->record.event.kind == EventKind::security) security.push_back((*next)->record.event);
    denied += (*next)->record.event.kind == EventKind::session_denied ? 1 : 0;
  }
  EXPECT_EQ(denied, 1U);
  ASSERT_EQ(security.size(), 1U);
  EXPECT_EQ(security[0].count, 1000U);
}

}  // namespace
}  // namespace sallyport::trail::crash_test
