#include "trail_fixture.h"

#include "trail/index.h"

#include <sys/wait.h>
#include <unistd.h>

namespace sallyport::trail::index_test {
namespace {

namespace fs = std::filesystem;

class TrailIndex : public TrailDirectory {
 protected:
  void SetUp() override {
    TrailDirectory::SetUp();
    writer_ = open_or_fail();
    for (int i = 0; i < 20; ++i) {
      auto start = session_start(i);
      if (i % 2 == 1) start.target = "staging";
      if (i % 5 == 0) start.role = "app_ro";
      if (i % 4 == 0) start.verified.erase("identity");
      writer_->add(start);
    }
    writer_->add(denial("no", 100));
    ASSERT_TRUE(writer_->commit());
  }

  std::vector<std::string> texts(Index& index, const Query& query) {
    std::vector<std::string> found;
    const auto done = index.query(query, [&](const LogRecord& record) { found.push_back(record.text); });
    EXPECT_TRUE(done) << describe(done.error());
    return found;
  }

  std::vector<std::string> texts(const Query& query = {}) {
    auto index = Index::open(settings().directory);
    EXPECT_TRUE(index) << describe(index.error());
    return texts(*index, query);
  }

  std::vector<std::string> log_texts() {
    TrailLog log{settings().directory};
    std::vector<std::string> all;
    for (auto next = log.next(); next && *next; next = log.next()) all.push_back((*next)->text);
    return all;
  }

  std::unique_ptr<Writer> writer_;
};

TEST_F(TrailIndex, HoldsWhatTheLogHolds) {
  EXPECT_EQ(texts(), log_texts());
  EXPECT_EQ(texts().size(), 21U);
}

TEST_F(TrailIndex, TakesUpWhatIsWrittenLater) {
  auto index = Index::open(settings().directory);
  ASSERT_TRUE(index);
  EXPECT_FALSE(index->in_memory());
  writer_->add(session_start(200));
  ASSERT_TRUE(writer_->commit());
  EXPECT_EQ(texts(*index, {}).size(), 21U);
  ASSERT_TRUE(index->update());
  EXPECT_EQ(texts(*index, {}), log_texts());
}

TEST_F(TrailIndex, FiltersByEachField) {
  EXPECT_EQ(texts({.target = "staging"}).size(), 10U);
  EXPECT_EQ(texts({.role = "app_ro"}).size(), 4U);
  EXPECT_EQ(texts({.target = "staging", .role = "app_ro"}).size(), 2U);
  EXPECT_EQ(texts({.kind = "session_denied"}).size(), 1U);
  EXPECT_EQ(texts({.result = "denied"}).size(), 1U);
  EXPECT_EQ(texts({.identity = "app"}).size(), 15U);
  EXPECT_EQ(texts({.identity = "uid:1000"}).size(), 5U);
  EXPECT_EQ(texts({.identity = "uid:1001"}).size(), 1U);
  EXPECT_EQ(texts({.session = session_start(7).session}).size(), 1U);
  EXPECT_EQ(texts({.since = moment(5), .until = moment(8)}).size(), 3U);
  EXPECT_EQ(texts({.since = moment(101)}).size(), 0U);
  EXPECT_EQ(texts({.target = "' OR 1 --"}).size(), 0U);
}

TEST_F(TrailIndex, FollowingFiltersAsTheIndexDoes) {
  const std::vector<Query> queries{{},
                                   {.target = "staging"},
                                   {.role = "app_ro"},
                                   {.kind = "session_denied"},
                                   {.result = "denied"},
                                   {.identity = "app"},
                                   {.identity = "uid:1000"},
                                   {.session = session_start(7).session},
                                   {.since = moment(5), .until = moment(8)},
                                   {.since = moment(5), .target = "production"}};
  for (std::size_t i = 0; i < queries.size(); ++i) {
    std::vector<std::string> expected;
    for (const auto& text : log_texts()) {
      if (matches(queries[i], *decode_record(text))) expected.push_back(text);
    }
    EXPECT_EQ(texts(queries[i]), expected) << i;
  }
}

TEST_F(TrailIndex, NewestAreHandedOutOldestFirst) {
  const auto all = texts();
  EXPECT_EQ(texts({.newest = 3}), (std::vector<std::string>{all.end() - 3, all.end()}));
}

TEST_F(TrailIndex, IsRebuiltWhenDeletedDamagedOrOfAnotherVersion) {
  const auto all = texts();
  const auto file = settings().directory + "/index.db";
  ASSERT_TRUE(fs::exists(file));
  fs::remove(file);
  EXPECT_EQ(texts(), all);
  std::ofstream{file, std::ios::binary | std::ios::trunc} << "this is no database, "
                                                          << std::string(5000, '!');
  EXPECT_EQ(texts(), all);
  auto good = content_of(file);
  for (std::size_t i = 100; i < good.size(); i += 7) good[i] = static_cast<char>(0xA5);
  std::ofstream{file, std::ios::binary | std::ios::trunc} << good;
  EXPECT_EQ(texts(), all);
  {
    auto database = Database::open(file);
    ASSERT_TRUE(database->execute("PRAGMA user_version = 99"));
  }
  EXPECT_EQ(texts(), all);
  {
    auto database = Database::open(file);
    ASSERT_TRUE(database->execute("DROP TABLE position"));
  }
  EXPECT_EQ(texts(), all);
}

TEST_F(TrailIndex, ThatDisagreesWithTheLogIsRebuilt) {
  const auto all = texts();
  {
    auto database = Database::open(settings().directory + "/index.db");
    ASSERT_TRUE(database->execute("UPDATE record SET offset = offset + 1"));
  }
  EXPECT_EQ(texts(), all);
}

TEST_F(TrailIndex, KeepsItsFilePrivateAndFollowsNoLink) {
  texts();
  const auto file = settings().directory + "/index.db";
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::remove(file);
  std::ofstream{base_ + "/victim"} << "precious";
  fs::create_symlink(base_ + "/victim", file);
  auto index = Index::open(settings().directory);
  ASSERT_TRUE(index);
  EXPECT_TRUE(index->in_memory());
  EXPECT_EQ(texts(*index, {}).size(), 21U);
  EXPECT_EQ(content_of(base_ + "/victim"), "precious");
}

TEST_F(TrailIndex, RemembersDamageThatAnotherReaderFound) {
  auto text = content_of(writer_->directory() + "/00000001.seg");
  text[segment_header_bytes + 100] ^= 1;
  std::ofstream{writer_->directory() + "/00000001.seg", std::ios::binary | std::ios::trunc} << text;
  for (int round = 0; round < 2; ++round) {
    auto index = Index::open(settings().directory);
    ASSERT_TRUE(index);
    EXPECT_EQ(texts(*index, {}).size(), 20U);
    const auto findings = index->findings();
    ASSERT_TRUE(findings);
    ASSERT_EQ(findings->size(), 2U);
    EXPECT_EQ((*findings)[0].kind, FindingKind::damaged_record);
  }
}

TEST_F(TrailIndex, TellsWhatIsGoneSinceItWasIndexed) {
  texts();
  fs::remove(writer_->directory() + "/00000001.seg");
  auto index = Index::open(settings().directory);
  ASSERT_TRUE(index);
  EXPECT_EQ(texts(*index, {}).size(), 0U);
  const auto findings = index->findings();
  ASSERT_TRUE(findings);
  ASSERT_FALSE(findings->empty());
  EXPECT_EQ((*findings)[0].kind, FindingKind::missing_segment);
}

TEST_F(TrailIndex, NoticesARecordThatWasRewrittenAfterwards) {
  texts();
  auto text = content_of(writer_->directory() + "/00000001.seg");
  text[segment_header_bytes + 100] ^= 1;
  std::ofstream{writer_->directory() + "/00000001.seg", std::ios::binary | std::ios::trunc} << text;
  auto index = Index::open(settings().directory);
  ASSERT_TRUE(index);
  EXPECT_EQ(texts(*index, {}).size(), 20U);
  EXPECT_FALSE(index->findings()->empty());
}

TEST_F(TrailIndex, ServesSeveralReadersAtOnce) {
  std::vector<pid_t> readers;
  for (int i = 0; i < 4; ++i) {
    const auto pid = fork();
    if (pid == 0) {
      for (int round = 0; round < 20; ++round) {
        auto index = Index::open(settings().directory);
        std::size_t count = 0;
        if (!index || !index->query({}, [&](const LogRecord&) { ++count; }) || count < 21) _exit(1);
      }
      _exit(0);
    }
    readers.push_back(pid);
  }
  for (int i = 0; i < 200; ++i) {
    writer_->add(session_start(i));
    EXPECT_TRUE(writer_->commit());
  }
  for (const auto pid : readers) {
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(texts().size(), 221U);
}

TEST_F(TrailIndex, TrailOfAnotherUserIsIndexedInMemory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give the trail away";
  ASSERT_EQ(chown(settings().directory.c_str(), 65'000, 65'000), 0);
  auto index = Index::open(settings().directory);
  ASSERT_TRUE(index) << describe(index.error());
  EXPECT_TRUE(index->in_memory());
  EXPECT_EQ(texts(*index, {}).size(), 21U);
  EXPECT_FALSE(fs::exists(settings().directory + "/index.db"));
}

TEST_F(TrailIndex, SaysWhenThereIsNoTrail) {
  fs::create_directories(base_ + "/elsewhere");
  const auto elsewhere = Index::open(base_ + "/elsewhere");
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, ErrorCode::not_found);
  EXPECT_TRUE(fs::is_empty(base_ + "/elsewhere")) << "a look leaves nothing behind";
  const auto index = Index::open(base_ + "/nowhere");
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace sallyport::trail::index_test
