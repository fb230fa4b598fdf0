// The flags that every command accepts behind its name.
#include "cli/options.h"

#include "cli/command.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace sallyport::cli::options_test {
namespace {

class SilentLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

class GlobalOptions : public ::testing::Test {
 protected:
  std::optional<int> parse(const std::vector<std::string>& arguments) {
    CLI::App app{"a command", "sallyport command"};
    add_source_options(app, context_);
    add_global_options(app, context_);
    return parse_arguments(app, arguments, exit_error);
  }

  SystemClock clock_;
  SystemRandomness randomness_;
  SilentLogger logger_;
  Context context_{clock_, randomness_, logger_};
};

TEST_F(GlobalOptions, ColorIsForcedForbiddenOrLeftAsItWasDecided) {
  EXPECT_FALSE(parse({"--color", "always"}).has_value());
  EXPECT_TRUE(context_.color);
  EXPECT_FALSE(parse({"--color=auto"}).has_value());
  EXPECT_TRUE(context_.color);
  EXPECT_FALSE(parse({"--color", "never"}).has_value());
  EXPECT_FALSE(context_.color);
}

TEST_F(GlobalOptions, AnErrorKeepsTheNameOfAnArgumentAndBeginsSmallOtherwise) {
  std::string file;
  CLI::App app{"a command", "sallyport command"};
  app.add_option("FILE", file, "A file")->required();
  testing::internal::CaptureStderr();
  EXPECT_EQ(parse_arguments(app, {}, exit_error), exit_error);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "sallyport: FILE is required\n  fix: sallyport command --help explains\n");
}

TEST_F(GlobalOptions, RefusesValuesOutsideTheList) {
  EXPECT_EQ(parse({"--color", "sometimes"}), exit_error);
  EXPECT_EQ(parse({"--format", "xml"}), exit_error);
}

TEST_F(GlobalOptions, ARootTokenIsAllowedByItsFlagOnly) {
  EXPECT_FALSE(parse({}).has_value());
  EXPECT_FALSE(context_.allow_root_token);
  EXPECT_FALSE(parse({"--allow-root-token"}).has_value());
  EXPECT_TRUE(context_.allow_root_token);
}

TEST_F(GlobalOptions, SetTheContext) {
  EXPECT_FALSE(parse({"-q", "-vv", "--format", "json", "-o", "/tmp/out", "-c", "/etc/x.yaml"}).has_value());
  EXPECT_TRUE(context_.quiet);
  EXPECT_EQ(context_.verbosity, 2);
  EXPECT_EQ(context_.format, "json");
  EXPECT_EQ(context_.output_file, "/tmp/out");
  EXPECT_EQ(context_.config_file, "/etc/x.yaml");
}

TEST_F(GlobalOptions, HelpNamesNoOutputFileWhereThereIsNone) {
  const auto help_of = [this](Writes writes) {
    CLI::App app{"a command", "sallyport command"};
    add_global_options(app, context_, writes);
    return app.help();
  };
  EXPECT_NE(help_of(Writes::result).find("--output"), std::string::npos);
  for (const auto writes : {Writes::printed, Writes::log})
    EXPECT_EQ(help_of(writes).find("--output"), std::string::npos);
  EXPECT_NE(help_of(Writes::log).find("text or json: the log"), std::string::npos);
}

TEST_F(GlobalOptions, TheTimeOfAWaitStandsBehindItsEquals) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_pause(context_, {"production", "--wait", "5s"}), exit_error);
  const auto told = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("fix: Write --wait=5s"), std::string::npos) << told;
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_pause(context_, {"--help"}), exit_ok);
  const auto help = ::testing::internal::GetCapturedStdout();
  EXPECT_NE(help.find("--wait [=TIME]"), std::string::npos) << help;
}

}  // namespace
}  // namespace sallyport::cli::options_test
