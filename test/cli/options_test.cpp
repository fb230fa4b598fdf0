// The flags that every command accepts behind its name.
#include "cli/options.h"

#include "cli/command.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace sallyport::cli {
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

}  // namespace
}  // namespace sallyport::cli
