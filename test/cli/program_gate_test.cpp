// Which commands the helper of a confined broker runs.
#include "cli/program_gate.h"

#include <gtest/gtest.h>

namespace sallyport::cli::program_gate_test {
namespace {

TEST(ProgramGate, RunsWhatReferencesSayAndNoMore) {
  config::Config config;
  config.targets["db"].roles["app"].auth = "exec:/usr/bin/pass show db";
  AllowedPrograms allowed;
  allowed.add(config);
  EXPECT_TRUE(allowed.allow({"/usr/bin/pass", "show", "db"}));
  EXPECT_FALSE(allowed.allow({"/usr/bin/pass", "show", "db", "more"}));
  EXPECT_FALSE(allowed.allow({"/usr/bin/pass", "show"}));
  EXPECT_FALSE(allowed.allow({}));
}

TEST(ProgramGate, RunsWhatBeginsAsAnIdentitysCommandDoes) {
  config::Config config;
  config.identity.programs = {{"/usr/bin/az", "account", "get-access-token"}};
  AllowedPrograms allowed;
  allowed.add(config);
  EXPECT_TRUE(allowed.allow({"/usr/bin/az", "account", "get-access-token"}));
  EXPECT_TRUE(allowed.allow({"/usr/bin/az", "account", "get-access-token", "--scope", "x"}));
  EXPECT_FALSE(allowed.allow({"/usr/bin/az", "account"}));
  EXPECT_FALSE(allowed.allow({"/usr/bin/az", "vm", "delete"}));
  EXPECT_FALSE(allowed.allow({"/usr/bin/azure", "account", "get-access-token"}));
}

}  // namespace
}  // namespace sallyport::cli::program_gate_test
