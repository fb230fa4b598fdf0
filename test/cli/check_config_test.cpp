// sallyport check-config as a user meets it: output, exit codes, which file.
#include "cli/command.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::cli::check_config_test {
namespace {

class FixedClock final : public Clock {
 public:
  [[nodiscard]] Moment now() const override {
    return {WallTime{std::chrono::sys_days{std::chrono::year{2026} / 7 / 1}}, {}};
  }
};

class SilentLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

struct Ran {
  int code = -1;
  std::string out;
  std::string err;
};

class CheckConfig : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sallyport-check-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ::unsetenv("SALLYPORT_CONFIG");
  }
  void TearDown() override {
    std::filesystem::remove_all(root_);
    ::unsetenv("SALLYPORT_CONFIG");
  }

  std::string put(const std::string& name, const std::string& text) const {
    const std::string path = root_ + "/" + name;
    std::ofstream{path} << text;
    ::chmod(path.c_str(), 0644);
    return path;
  }

  static Ran run(const std::vector<std::string>& arguments, const std::string& flag = {}) {
    FixedClock clock;
    SystemRandomness randomness;
    SilentLogger logger;
    Context context{clock, randomness, logger};
    context.config_file = flag;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Ran ran;
    ran.code = run_check_config(context, arguments);
    ran.out = ::testing::internal::GetCapturedStdout();
    ran.err = ::testing::internal::GetCapturedStderr();
    return ran;
  }

  std::string root_;
};

constexpr auto good = R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: d, auth: "env:X"}
  u: {engine: postgresql, host: db.example.com, database: d, auth: "env:X"}
routes:
  - {listen: unix:/run/s, target: t, allow: [{user: 1000}]}
)";
constexpr auto unwise = R"(version: 1
targets:
  t: {engine: postgresql, host: db.example.com, database: "*", auth: "env:X"}
)";
constexpr auto broken = "version: 1\ntarget: x\nstate: x\n";

TEST_F(CheckConfig, ValidFileIsCountedAndExitsZero) {
  const auto file = put("good.yaml", good);
  const Ran ran = run({file});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, file + ": ok (2 targets, 1 route; secrets and servers were not asked)\n");
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(run({"-q", file}).out, "");
  EXPECT_EQ(run({"--strict", file}).code, 0);
}

TEST_F(CheckConfig, WarningsArePrintedAndCountOnlyWhenStrict) {
  const auto file = put("unwise.yaml", unwise);
  const Ran ran = run({file});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out.find(file + ":3:59: warning: database \"*\": sessions reach every database"), 0u)
      << ran.out;
  EXPECT_TRUE(
      ran.out.ends_with(file + ": ok (1 target, 0 routes, 1 warning; secrets and servers were not asked)\n"))
      << ran.out;
  EXPECT_EQ(run({"--strict", file}).code, 1);
  EXPECT_NE(run({"-q", file}).out, "");
}

TEST_F(CheckConfig, EachErrorIsOneLineAndExitsTwo) {
  const auto file = put("broken.yaml", broken);
  const Ran ran = run({file});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, file + ":2:1: unknown key `target`. Did you mean `targets`?\n" + file +
                         ":3:8: `state` is `x`, expected `sqlite:` and an absolute file. Example: "
                         "`sqlite:/var/lib/sallyport/state.db`.\n");
}

TEST_F(CheckConfig, MoreErrorsThanShownAreSaid) {
  std::string text = "version: 1\n";
  for (int i = 0; i < 30; ++i) text += "zzz" + std::to_string(i) + ": 1\n";
  const auto file = put("many.yaml", text);
  EXPECT_TRUE(run({file}).out.ends_with(file + ": only the first 20 errors are shown\n"));
}

TEST_F(CheckConfig, FileComesFromArgumentThenFlagThenEnvironment) {
  const auto a = put("a.yaml", good);
  const auto b = put("b.yaml", good);
  const auto c = put("c.yaml", good);
  ::setenv("SALLYPORT_CONFIG", c.c_str(), 1);
  EXPECT_EQ(run({}).out.substr(0, c.size()), c);
  EXPECT_EQ(run({}, b).out.substr(0, b.size()), b);
  EXPECT_EQ(run({"-c", a}, b).out.substr(0, a.size()), a);
  EXPECT_EQ(run({a}, b).out.substr(0, a.size()), a);
}

TEST_F(CheckConfig, MissingUnreadableAndForeignFilesAreSaid) {
  const Ran missing = run({root_ + "/none.yaml"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_EQ(missing.out,
            root_ + "/none.yaml: does not exist. Check the name; Sallyport searches no other directory.\n");
  EXPECT_EQ(run({root_}).code, 2);
  const auto file = put("open.yaml", good);
  ::chmod(file.c_str(), 0666);
  EXPECT_NE(run({file}).out.find("may be written by everybody (mode 0666)"), std::string::npos);
}

TEST_F(CheckConfig, JsonHoldsPlacesAndTexts) {
  const auto file = put("broken.yaml", broken);
  const auto result = nlohmann::json::parse(run({"--format", "json", file}).out);
  EXPECT_EQ(result["valid"], false);
  ASSERT_EQ(result["errors"].size(), 2u);
  EXPECT_EQ(result["errors"][0]["file"], file);
  EXPECT_EQ(result["errors"][0]["line"], 2);
  EXPECT_EQ(result["errors"][0]["column"], 1);
  EXPECT_EQ(result["errors"][0]["what"], "unknown key `target`");
  EXPECT_EQ(result["errors"][0]["hint"], "Did you mean `targets`?");
  const auto warned = nlohmann::json::parse(run({"--format=json", put("unwise.yaml", unwise)}).out);
  EXPECT_EQ(warned["valid"], true);
  EXPECT_EQ(warned["targets"], 1);
  EXPECT_EQ(warned["warnings"][0]["line"], 3);
  EXPECT_EQ(warned["warnings"][0]["column"], 59);
  EXPECT_EQ(
      nlohmann::json::parse(run({"--format", "json", root_ + "/none"}).out)["errors"][0].contains("line"),
      false);
}

TEST_F(CheckConfig, OutputGoesToTheFileAsked) {
  const auto file = put("good.yaml", good);
  EXPECT_EQ(run({"-o", root_ + "/out", file}).out, "");
  std::ostringstream content;
  content << std::ifstream{root_ + "/out"}.rdbuf();
  EXPECT_EQ(content.str(), file + ": ok (2 targets, 1 route; secrets and servers were not asked)\n");
  const Ran failed = run({"-o", root_ + "/none/out", file});
  EXPECT_EQ(failed.code, 2);
  EXPECT_EQ(failed.err, "sallyport: the result cannot be written to " + root_ + "/none/out\n");
}

TEST_F(CheckConfig, HelpHasExamplesAndWrongArgumentsExitTwo) {
  const Ran help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Examples:"), std::string::npos);
  EXPECT_EQ(run({"--frobnicate"}).code, 2);
  EXPECT_EQ(run({"--format", "xml"}).code, 2);
  EXPECT_EQ(run({"a", "b"}).code, 2);
}

}  // namespace
}  // namespace sallyport::cli::check_config_test
