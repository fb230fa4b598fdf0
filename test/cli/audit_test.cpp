#include "cli/audit_table.h"
#include "cli/audit_time.h"
#include "cli/command.h"
#include "cli/environment.h"
#include "crypto/crc32c.h"
#include "trail/writer.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::cli::audit_test {
namespace {

namespace fs = std::filesystem;

class NoLog final : public Logger {
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

struct Outcome {
  int code = 0;
  std::string out, errors;
};

class AuditCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "sallyport-audit-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
    trail_ = base_ + "/audit";
  }
  void TearDown() override { fs::remove_all(base_); }

  static trail::Event start(int number) {
    trail::Event event;
    event.at = WallTime{std::chrono::seconds{1'764'065'363 + number}};
    event.session = "000000000000000" + std::to_string(number);
    event.target = number % 2 == 0 ? "production" : "staging";
    event.role = "app_rw";
    event.upstream_user = "v-app-" + std::to_string(number);
    event.result = "ok";
    event.verified = {{"uid", "1000"}, {"pid", "42"}};
    return event;
  }

  void write(const std::vector<trail::Event>& events) {
    auto writer = trail::Writer::open({trail_});
    ASSERT_TRUE(writer) << describe(writer.error());
    for (const auto& event : events) (*writer)->add(event);
    ASSERT_TRUE((*writer)->commit());
    segment_ = (*writer)->directory() + "/00000001.seg";
  }

  Outcome run(std::vector<std::string> arguments, const std::string& format = "text") {
    SystemClock clock;
    SystemRandomness randomness;
    NoLog log;
    Context context{.clock = clock, .randomness = randomness, .logger = log};
    context.format = format;
    if (std::find(arguments.begin(), arguments.end(), "--dir") == arguments.end()) {
      arguments.insert(arguments.end(), {"--dir", trail_});
    }
    const auto out = base_ + "/out";
    fs::remove(out);
    arguments.insert(arguments.end(), {"-o", out});
    ::testing::internal::CaptureStderr();
    Outcome result;
    result.code = run_audit(context, arguments);
    result.errors = ::testing::internal::GetCapturedStderr();
    std::stringstream text;
    text << std::ifstream{out}.rdbuf();
    result.out = text.str();
    return result;
  }

  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

  std::string base_, trail_, segment_;
};

TEST_F(AuditCommand, PrintsColumnsThatLineUp) {
  write({start(0), start(1), start(2)});
  const auto result = run({"query"});
  EXPECT_EQ(result.code, exit_ok) << result.errors;
  const auto all = lines(result.out);
  ASSERT_EQ(all.size(), 4U);
  for (const auto* title : {"KIND", "WHO", "TARGET/ROLE", "UPSTREAM USER", "RESULT"}) {
    const auto column = all[0].find(title);
    for (std::size_t i = 1; i < all.size(); ++i) {
      EXPECT_NE(all[i][column], ' ') << title << " in " << all[i];
      EXPECT_EQ(all[i][column - 1], ' ') << title << " in " << all[i];
    }
  }
  EXPECT_NE(all[1].find("2025-11-25T10:09:23.000Z  session_start  uid:1000, pid 42  production/app_rw"),
            std::string::npos)
      << all[1];
}

TEST_F(AuditCommand, ALongUserOfVaultsShiftsNoColumn) {
  auto first = start(0);
  first.upstream_user = "v-approle-app-role-hN0bbZyc4VtTWGRuyF2J-1796020902";
  write({first, start(1)});
  const auto all = lines(run({"query"}).out);
  ASSERT_EQ(all.size(), 3U);
  const auto column = all[0].find("RESULT");
  for (const auto& line : all) EXPECT_EQ(line.substr(column - 2, 2), "  ") << line;
  for (const auto& line : all) EXPECT_NE(line[column], ' ') << line;
}

TEST_F(AuditCommand, PrintsJsonLinesWithTheRecordsNames) {
  write({start(0), start(1)});
  const auto all = lines(run({"query", "--target", "staging"}, "json").out);
  ASSERT_EQ(all.size(), 1U);
  const auto json = nlohmann::json::parse(all[0]);
  EXPECT_EQ(json["at"], "2025-11-25T10:09:24.000000Z");
  EXPECT_EQ(json["kind"], "session_start");
  EXPECT_EQ(json["seq"], 2);
  EXPECT_EQ(json["verified"]["uid"], "1000");
  EXPECT_EQ(json["writer"], fs::path{segment_}.parent_path().filename().string());
}

TEST_F(AuditCommand, TailPrintsTheNewest) {
  write({start(0), start(1), start(2), start(3)});
  const auto all = lines(run({"tail", "-n", "2", "--format", "json"}).out);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(all[0])["seq"], 3);
  EXPECT_EQ(run({"tail", "-n", "0", "-q"}).out, "");
  EXPECT_EQ(lines(run({"query", "--limit", "1", "-q"}).out).size(), 1U);
}

TEST_F(AuditCommand, FiltersByTimeAndIdentity) {
  write({start(0), start(5)});
  EXPECT_EQ(lines(run({"query", "-q", "--since", "2025-11-25T10:09:25Z"}).out).size(), 1U);
  EXPECT_EQ(lines(run({"query", "-q", "--until", "2025-11-25T10:09:25Z"}).out).size(), 1U);
  EXPECT_EQ(lines(run({"query", "-q", "--identity", "uid:1000"}).out).size(), 2U);
  EXPECT_EQ(lines(run({"query", "-q", "--identity", "uid 1000"}).out).size(), 2U);
  EXPECT_EQ(lines(run({"query", "-q", "--identity", "uid:100"}).out).size(), 0U);
  auto named = start(6);
  named.verified["identity"] = "gid:50(staff) uid:1000(app)";
  write({named});
  for (const auto* identity : {"uid:1000(app)", "app", "gid:50", "staff", "gid:50(staff) uid:1000(app)"}) {
    EXPECT_EQ(lines(run({"query", "-q", "--identity", identity}).out).size(), 1U) << identity;
  }
  EXPECT_EQ(lines(run({"query", "-q", "--identity", "uid:1000"}).out).size(), 3U);
  const auto none = run({"query", "--identity", "nobody"});
  EXPECT_EQ(none.code, exit_ok);
  EXPECT_EQ(none.out, "");
  EXPECT_NE(none.errors.find("no record"), std::string::npos);
}

TEST_F(AuditCommand, ANumberThatIsNoneOfRecordsIsAnErrorOfTheCommandLine) {
  write({start(0)});
  for (const auto* number : {"-1", "0", "many", "99999999999999999999"}) {
    const auto result = run({"query", "--limit", number});
    EXPECT_EQ(result.code, exit_error) << number;
    EXPECT_NE(result.errors.find("--limit"), std::string::npos) << result.errors;
    EXPECT_EQ(result.errors.find("index"), std::string::npos) << result.errors;
  }
  EXPECT_EQ(run({"tail", "-n", "-1"}).code, exit_error);
}

TEST_F(AuditCommand, AResultThatNoRecordCanHaveIsRefusedWithThoseThatItCan) {
  write({start(0)});
  const auto wrong = run({"query", "--result", "nonsense"});
  EXPECT_EQ(wrong.code, exit_error);
  EXPECT_NE(wrong.errors.find("no such result: nonsense"), std::string::npos) << wrong.errors;
  for (const auto* result : {"ok", "denied", "failed", "fetched", "gone", "credential_changed_outside",
                             "role_changed_outside", "endpoint_changed", "cancel_refused", "dropped"}) {
    EXPECT_EQ(run({"query", "--result", result}).code, exit_ok) << result;
    EXPECT_NE(wrong.errors.find(result), std::string::npos) << result;
  }
}

TEST_F(AuditCommand, HostileStringsReachNoTerminal) {
  auto event = start(0);
  const std::string hostile = "\x1b]0;owned\x07\n2025-01-01 forged line\r\"'\\ \u202E \xff \x9b" +
                              std::string(1, '\0') + std::string(1 << 20, 'A');
  event.target = event.role = event.upstream_user = event.reason = event.result = hostile;
  event.verified["identity"] = event.verified["pid"] = event.claimed["user"] = hostile;
  write({event});
  for (const auto* format : {"text", "json"}) {
    const auto result = run({"query", "-q"}, format);
    EXPECT_EQ(lines(result.out).size(), 1U) << format;
    EXPECT_LT(result.out.size(), 20'000U);
    for (const char c : result.out)
      EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << format << static_cast<int>(c);
    EXPECT_EQ(result.out.find('\x7f'), std::string::npos);
    EXPECT_EQ(result.out.find("\u202E"), std::string::npos);
    EXPECT_EQ(result.out.find("\u009b"), std::string::npos);
  }
}

TEST_F(AuditCommand, SegmentThatHoldsRawEscapesIsPrintedEscaped) {
  write({start(0)});
  // A same-uid writer can make a valid record with raw bytes that our encoder would never write.
  const std::string json = R"({"at":"2025-11-25T10:09:24.000000Z","kind":"k)"
                           "\u009b\u202E"
                           R"(","reason":"\u001b[31m","seq":2})";
  char prefix[32];
  std::snprintf(prefix, sizeof prefix, "%08zx %08x ", json.size(), crypto::crc32c(as_bytes(json)));
  std::ofstream{segment_, std::ios::app} << prefix << json << '\n';
  const auto text = run({"query", "-q"});
  EXPECT_EQ(text.code, exit_ok) << text.errors;
  ASSERT_EQ(lines(text.out).size(), 2U);
  EXPECT_NE(text.out.find("k\\u{009b}\\u{202e}"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("\\x1b[31m"), std::string::npos) << text.out;
  const auto printed = run({"query", "-q"}, "json").out;
  ASSERT_EQ(lines(printed).size(), 2U);
  for (const char c : printed) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << static_cast<int>(c);
}

TEST_F(AuditCommand, DamageIsToldAndMakesTheExitCodeOne) {
  write({start(0), start(1)});
  std::fstream file{segment_, std::ios::in | std::ios::out};
  file.seekp(600);
  file << '!';
  file.close();
  const auto result = run({"query", "-q"});
  EXPECT_EQ(result.code, exit_findings);
  EXPECT_EQ(lines(result.out).size(), 1U);
  EXPECT_NE(result.errors.find(segment_ + ", byte 512"), std::string::npos) << result.errors;
}

TEST_F(AuditCommand, SaysWhereItLookedWhenThereIsNoTrail) {
  const auto result = run({"tail"});
  EXPECT_EQ(result.code, exit_error);
  EXPECT_NE(result.errors.find(trail_), std::string::npos) << result.errors;
}

TEST_F(AuditCommand, RefusesWhatIsNoTimeOrKindOrCommand) {
  write({start(0)});
  EXPECT_EQ(run({"query", "--since", "yesterday"}).code, exit_error);
  EXPECT_EQ(run({"query", "--kind", "login"}).code, exit_error);
  EXPECT_EQ(run({"frobnicate"}).code, exit_error);
  for (const auto* later : {"report", "verify", "ingest", "export"}) {
    const auto result = run({later});
    EXPECT_EQ(result.code, exit_error);
    EXPECT_NE(result.errors.find("not in this version"), std::string::npos);
  }
}

TEST(AuditTime, ReadsWhatPeopleWrite) {
  const WallTime now{std::chrono::seconds{1'764'065'363}};
  const auto seconds_of = [&](std::string_view text) {
    const auto time = parse_time(text, now);
    return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count() : -1;
  };
  EXPECT_EQ(seconds_of("90s"), 1'764'065'273);
  EXPECT_EQ(seconds_of("1h"), 1'764'061'763);
  EXPECT_EQ(seconds_of("2d"), 1'764'065'363 - 2 * 86'400);
  EXPECT_EQ(seconds_of("1000000000w"), 0);
  EXPECT_EQ(seconds_of("2025-11-25"), 1'764'028'800);
  EXPECT_EQ(seconds_of("2025-11-25T10:09:23Z"), 1'764'065'363);
  EXPECT_EQ(seconds_of("2025-11-25 10:09:23.999"), 1'764'065'363);
  EXPECT_EQ(seconds_of("2025-11-25T11:09:23+01:00"), 1'764'065'363);
  EXPECT_EQ(seconds_of("2025-11-25T05:39:23-0430"), 1'764'065'363);
  for (const auto* wrong :
       {"", "h", "-1h", "1y", "1h ", "2025-02-30", "2025-11-25T", "2025-11-25T24:00", "2025-11-25T10:09:23.",
        "99999999999999999999s", "2025-11-25T10:09:23Zx", "20251125"}) {
    EXPECT_EQ(seconds_of(wrong), -1) << wrong;
  }
}

}  // namespace
}  // namespace sallyport::cli::audit_test
