// The journal on a real file system, with processes that are really killed.
#include "credentials/journal.h"

#include "credentials/orphans.h"
#include "test/credentials/fake_world.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sallyport::credentials::journal_test {
namespace {

namespace fs = std::filesystem;

const WallTime now = WallTime{} + 1'700'000'000s;

struct Directory {
  Directory() {
    char name[] = "/tmp/sallyport-journal-XXXXXX";
    path = mkdtemp(name);
  }
  ~Directory() { fs::remove_all(path); }
  std::string path;
};

Lease lease(const std::string& last, const std::string& role = "database/creds/app",
            const std::string& address = "https://vault.example:8200") {
  Lease lease;
  lease.id = role + "/" + last;
  lease.address = address;
  lease.mount_and_role = role;
  lease.accessor = "acc";
  return lease;
}

std::set<std::string> ids(const Orphans& orphans) {
  std::set<std::string> out;
  for (const auto& orphan : orphans.leases) out.insert(orphan.entry.lease.id);
  return out;
}

/// A run that died: its journal is left as `write` made it.
void dead_run(const std::string& directory, const std::string& run,
              const std::function<void(LeaseJournal&)>& write) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto journal = FileLeaseJournal::open(directory, run);
    if (!journal) _exit(3);
    write(**journal);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
}

TEST(LeaseJournal, AKilledRunsLeasesAreFoundAndLeaveWhenForgotten) {
  const Directory directory;
  dead_run(directory.path, "one", [](LeaseJournal& journal) {
    for (const char* last : {"a", "b", "c"}) {
      if (!journal.record(lease(last), now)) _exit(4);
    }
    journal.forget(lease("b"));
  });
  {
    const Orphans orphans = collect_orphans(directory.path, now);
    EXPECT_TRUE(orphans.complaints.empty());
    ASSERT_EQ(ids(orphans), (std::set<std::string>{"database/creds/app/a", "database/creds/app/c"}));
    orphans.leases[0].journal->forget("database/creds/app/a");
  }
  const Orphans rest = collect_orphans(directory.path, now);
  ASSERT_EQ(ids(rest), std::set<std::string>{"database/creds/app/c"});
  rest.leases[0].journal->forget("database/creds/app/c");
  EXPECT_TRUE(fs::is_empty(directory.path));
}

TEST(LeaseJournal, KilledAtRandomPointsLosesNothingThatWasRecorded) {
  const Directory directory;
  SeededRandomness random{7};
  for (int round = 0; round < 40; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {  // tells us each lease that may be used, and each that is about to be forgotten
      close(ends[0]);
      auto journal = FileLeaseJournal::open(directory.path, "round-" + std::to_string(round));
      if (!journal) _exit(3);
      for (int i = 0;; ++i) {
        const Lease one = lease(std::to_string(i));
        if (!(*journal)->record(one, now)) _exit(4);
        if (write(ends[1], &i, sizeof i) != sizeof i) _exit(5);
        if (i % 3 == 0) continue;
        const int gone = -i;
        if (write(ends[1], &gone, sizeof gone) != sizeof gone) _exit(5);
        (*journal)->forget(one);
      }
    }
    close(ends[1]);
    std::set<std::string> used, maybe_gone;
    const std::size_t reads = 1 + random.below(3000);
    int value = 0;
    std::size_t count = 0;
    const auto note = [&] {
      const std::string id = lease(std::to_string(value < 0 ? -value : value)).id;
      (value < 0 ? maybe_gone : used).insert(id);
    };
    while (count < reads && read(ends[0], &value, sizeof value) == sizeof value) note(), ++count;
    kill(child, SIGKILL);
    while (read(ends[0], &value, sizeof value) == sizeof value) note();
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    close(ends[0]);
    const Orphans orphans = collect_orphans(directory.path, now);
    EXPECT_TRUE(orphans.complaints.empty()) << orphans.complaints[0];
    const auto found = ids(orphans);
    for (const auto& id : used)
      EXPECT_TRUE(found.contains(id) || maybe_gone.contains(id)) << id << " round " << round;
    EXPECT_LE(found.size(), used.size() + 2);
    for (const auto& orphan : orphans.leases) orphan.journal->forget(orphan.entry.lease.id);
  }
  EXPECT_TRUE(fs::is_empty(directory.path));
}

TEST(LeaseJournal, LiveRunsDoNotTouchEachOther) {
  const Directory directory;
  auto first = FileLeaseJournal::open(directory.path, "first");
  auto second = FileLeaseJournal::open(directory.path, "second");
  ASSERT_TRUE(first && second);
  ASSERT_TRUE((*first)->record(lease("a"), now));
  ASSERT_TRUE((*second)->record(lease("b"), now));
  EXPECT_TRUE(collect_orphans(directory.path, now).leases.empty());
  EXPECT_TRUE(fs::exists((*first)->path()));
  first->reset();  // it ends without having revoked
  EXPECT_EQ(ids(collect_orphans(directory.path, now)), std::set<std::string>{"database/creds/app/a"});
  (*second)->forget(lease("b"));
  second->reset();
  EXPECT_FALSE(fs::exists(directory.path + "/second.leases")) << "nothing left, no file left";
}

TEST(LeaseJournal, ARunIdIsUsedOnceAndIsNoPath) {
  const Directory directory;
  const auto first = FileLeaseJournal::open(directory.path, "one");
  ASSERT_TRUE(first);
  EXPECT_FALSE(FileLeaseJournal::open(directory.path, "one"));
  for (const char* bad : {"", "..", "../x", "a/b", "a b", "a.b"})
    EXPECT_FALSE(FileLeaseJournal::open(directory.path, bad));
}

TEST(LeaseJournal, RefusesADirectoryThatOthersCanOpenAndALink) {
  const Directory directory;
  chmod(directory.path.c_str(), 0755);
  auto opened = FileLeaseJournal::open(directory.path, "one");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::bad_config);
  EXPECT_FALSE(collect_orphans(directory.path, now).complaints.empty());
  chmod(directory.path.c_str(), 0700);
  const std::string link = directory.path + "-link";
  ASSERT_EQ(symlink(directory.path.c_str(), link.c_str()), 0);
  EXPECT_FALSE(FileLeaseJournal::open(link, "one"));
  unlink(link.c_str());
  EXPECT_FALSE(FileLeaseJournal::open("relative", "one"));
}

TEST(LeaseJournal, MakesMissingDirectoriesPrivate) {
  const Directory directory;
  const std::string path = directory.path + "/state/leases";
  ASSERT_TRUE(FileLeaseJournal::open(path, "one"));
  struct stat facts {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
}

TEST(LeaseJournal, ASweepOfNoDirectoryMakesNone) {
  const Directory directory;
  const Orphans orphans = collect_orphans(directory.path + "/none", now);
  EXPECT_TRUE(orphans.complaints.empty());
  EXPECT_FALSE(fs::exists(directory.path + "/none"));
}

TEST(LeaseJournal, PlantedFilesAreLeftAloneAndSaid) {
  const Directory directory;
  const std::string line = encode_lease_line({lease("x"), "planted", now});
  const auto plant = [&](const std::string& name, mode_t mode) {
    std::ofstream(directory.path + "/" + name) << line;
    chmod((directory.path + "/" + name).c_str(), mode);
  };
  plant("planted.leases", 0644);  // others may have read or written it
  std::ofstream(directory.path + "/elsewhere") << line;
  chmod((directory.path + "/elsewhere").c_str(), 0600);
  ASSERT_EQ(symlink("elsewhere", (directory.path + "/link.leases").c_str()), 0);
  ASSERT_EQ(link((directory.path + "/elsewhere").c_str(), (directory.path + "/second-name.leases").c_str()),
            0);
  ASSERT_EQ(mkfifo((directory.path + "/pipe.leases").c_str(), 0600), 0);
  const Orphans orphans = collect_orphans(directory.path, now);
  EXPECT_TRUE(orphans.leases.empty());
  EXPECT_EQ(orphans.complaints.size(), 4u);
}

TEST(LeaseJournal, AFileOfAnotherUsersIsLeftAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const Directory directory;
  const std::string path = directory.path + "/planted.leases";
  std::ofstream(path) << encode_lease_line({lease("x"), "planted", now});
  chmod(path.c_str(), 0600);
  ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
  EXPECT_TRUE(collect_orphans(directory.path, now).leases.empty());
  EXPECT_TRUE(fs::exists(path));
}

TEST(LeaseJournal, AnotherRunsNameInTheFileIsNotBelieved) {
  const Directory directory;
  const std::string path = directory.path + "/mine.leases";
  std::ofstream(path) << encode_lease_line({lease("x"), "yours", now});
  chmod(path.c_str(), 0600);
  const Orphans orphans = collect_orphans(directory.path, now);
  EXPECT_TRUE(orphans.leases.empty());
  EXPECT_EQ(orphans.complaints.size(), 1u);
}

TEST(LeaseJournal, WhatIsTooOldToLiveIsDropped) {
  const Directory directory;
  dead_run(directory.path, "old", [](LeaseJournal& journal) { (void)journal.record(lease("a"), now); });
  EXPECT_EQ(collect_orphans(directory.path, now + 24h * 59).leases.size(), 1u);
  EXPECT_TRUE(collect_orphans(directory.path, now + 24h * 61).leases.empty());
  EXPECT_TRUE(fs::is_empty(directory.path));
}

TEST(LeaseJournal, StaysSmallHoweverManyLeasesPass) {
  const Directory directory;
  auto journal = FileLeaseJournal::open(directory.path, "long");
  ASSERT_TRUE(journal);
  ASSERT_TRUE((*journal)->record(lease("kept"), now));
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE((*journal)->record(lease(std::to_string(i)), now));
    (*journal)->forget(lease(std::to_string(i)));
  }
  EXPECT_LE(fs::file_size((*journal)->path()), journal_compact_bytes + 1024);
  EXPECT_TRUE(collect_orphans(directory.path, now).leases.empty()) << "the lock moved with the name";
  journal->reset();
  EXPECT_EQ(ids(collect_orphans(directory.path, now)), std::set<std::string>{"database/creds/app/kept"});
}

TEST(LeaseJournal, AFullDiskIsAnErrorAndHurtsNoOtherLine) {
  const Directory directory;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    auto journal = FileLeaseJournal::open(directory.path, "full");
    if (!journal || !(*journal)->record(lease("a"), now)) _exit(1);
    const auto size = fs::file_size((*journal)->path());
    struct rlimit limit {};
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size + size / 2;  // the next line fits by half
    setrlimit(RLIMIT_FSIZE, &limit);
    if ((*journal)->record(lease("b"), now)) _exit(2);
    if (fs::file_size((*journal)->path()) != size) _exit(3);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (!(*journal)->record(lease("c"), now)) _exit(4);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(ids(collect_orphans(directory.path, now)),
            (std::set<std::string>{"database/creds/app/a", "database/creds/app/c"}));
}

TEST(LeaseJournal, ARemovedFileIsNoticedAtTheNextRecord) {
  const Directory directory;
  auto journal = FileLeaseJournal::open(directory.path, "gone");
  ASSERT_TRUE(journal);
  ASSERT_TRUE((*journal)->record(lease("a"), now));
  fs::remove((*journal)->path());
  EXPECT_FALSE((*journal)->record(lease("b"), now));
}

TEST(LeaseJournal, ALeaseThatBreaksTheRulesIsRefused) {
  const Directory directory;
  auto journal = FileLeaseJournal::open(directory.path, "rules");
  ASSERT_TRUE(journal);
  Lease bad = lease("a");
  bad.mount_and_role = "database/creds/other";
  const auto result = (*journal)->record(bad, now);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::invalid_message);
}

TEST(OrphanSweep, RevokesExactMatchesOnlyAndKeepsTheRest) {
  const Directory directory;
  Lease spaced = lease("d");
  spaced.name_space = "team";
  dead_run(directory.path, "dead", [&](LeaseJournal& journal) {
    for (const Lease& one : {lease("a"), lease("b", "database/creds/other"),
                             lease("c", "database/creds/app", "https://evil.example:8200"), spaced}) {
      if (!journal.record(one, now)) _exit(4);
    }
  });
  World world;
  OrphanSweeper sweeper{directory.path};
  std::optional<SweepReport> report;
  const RevokeOrphan revoke = [&](Lease one, auto done) {
    world.slot().revoke_orphan(std::move(one), std::move(done));
  };
  sweeper.sweep(revoke, home_of(lease("")), now, [&](SweepReport got) { report = std::move(got); });
  EXPECT_FALSE(report);
  std::optional<SweepReport> other;  // a second slot's sweep, while the first still has the file locked
  sweeper.sweep(revoke, home_of(lease("", "database/creds/other")), now,
                [&](SweepReport got) { other = std::move(got); });
  world.timers.advance(1s);
  ASSERT_TRUE(report && other);
  EXPECT_EQ(report->revoked, 1u);
  EXPECT_TRUE(report->complaints.empty());
  EXPECT_EQ(other->revoked, 1u);
  EXPECT_EQ(world.manager.revoked,
            (std::vector<std::string>{"database/creds/app/a", "database/creds/other/b"}));
  EXPECT_EQ(collect_orphans(directory.path, now).leases.size(), 2u);
}

TEST(OrphanSweep, WhatCannotBeRevokedStaysAndIsSaid) {
  const Directory directory;
  dead_run(directory.path, "dead", [](LeaseJournal& journal) { (void)journal.record(lease("a"), now); });
  OrphanSweeper sweeper{directory.path};
  std::optional<SweepReport> report;
  sweeper.sweep([](Lease, auto done) { done(failure(ErrorCode::denied)); }, home_of(lease("")), now,
                [&](SweepReport got) { report = std::move(got); });
  ASSERT_TRUE(report);
  EXPECT_EQ(report->complaints.size(), 1u);
  EXPECT_EQ(collect_orphans(directory.path, now).leases.size(), 1u);
}

}  // namespace
}  // namespace sallyport::credentials::journal_test
