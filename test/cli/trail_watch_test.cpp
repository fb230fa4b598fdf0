// What the trail notices about itself reaches the log and, when somebody did it, the trail (threat 9).
#include "cli/trail_watch.h"

#include "net/epoll_loop.h"

#include <gtest/gtest.h>

#include <map>

namespace sallyport::cli::trail_watch_test {
namespace {

class ScriptedSink final : public trail::Sink {
 public:
  void add(const trail::Event& event) override { added.push_back(event); }
  Result<void> commit() override { return {}; }
  std::vector<trail::Finding> take_findings() override { return std::exchange(findings, {}); }

  std::vector<trail::Finding> findings;
  std::vector<trail::Event> added;
};

class RememberingLogger final : public Logger {
 public:
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    std::string line{message};
    for (const auto& field : fields) {
      if (const auto* text = std::get_if<std::string_view>(&field.value)) line += " " + std::string{*text};
    }
    lines[level].push_back(line);
  }
  std::map<LogLevel, std::vector<std::string>> lines;
};

class TrailWatching : public ::testing::Test {
 protected:
  SystemClock clock_;
  net::EpollLoop loop_{clock_};
  ScriptedSink sink_;
  RememberingLogger logger_;
  broker::TrailGate gate_{&sink_, config::AuditMode::required, loop_, logger_};
  TrailWatch watch_{&sink_, gate_, loop_, logger_};
};

TEST_F(TrailWatching, TamperingIsAnErrorAndARecord) {
  sink_.findings = {
      {trail::FindingKind::segment_unlinked, "/a/000001.log", 0, "deleted while we wrote to it"}};
  watch_.look();
  gate_.flush();
  ASSERT_EQ(logger_.lines[LogLevel::error].size(), 1U);
  EXPECT_NE(logger_.lines[LogLevel::error][0].find("/a/000001.log"), std::string::npos);
  ASSERT_EQ(sink_.added.size(), 1U);
  EXPECT_EQ(sink_.added[0].kind, trail::EventKind::security);
  EXPECT_NE(sink_.added[0].reason.find("segment_unlinked"), std::string::npos);
}

TEST_F(TrailWatching, AccidentsAreWarningsOnly) {
  sink_.findings = {{trail::FindingKind::torn_tail, "/a/000001.log", 10, "cut"},
                    {trail::FindingKind::denials_dropped, "/a", 0, "3 denials were not recorded"}};
  watch_.look();
  gate_.flush();
  EXPECT_EQ(logger_.lines[LogLevel::warning].size(), 2U);
  EXPECT_TRUE(logger_.lines[LogLevel::error].empty());
  EXPECT_TRUE(sink_.added.empty());
}

TEST_F(TrailWatching, SaysEachFindingOnce) {
  sink_.findings = {{trail::FindingKind::directory_gone, "/a", 0, "renamed"}};
  watch_.look();
  watch_.look();
  EXPECT_EQ(logger_.lines[LogLevel::error].size(), 1U);
}

}  // namespace
}  // namespace sallyport::cli::trail_watch_test
