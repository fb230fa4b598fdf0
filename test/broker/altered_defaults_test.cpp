#include "broker/altered_defaults.h"

#include <gtest/gtest.h>

namespace sallyport::broker::altered_defaults_test {
namespace {

/// What the server answers to one statement outside of a transaction.
bool due_after(AlteredDefaults& defaults, std::string_view tag) {
  defaults.on_tag(tag);
  defaults.on_ready(true);
  return defaults.take_due();
}

TEST(AlteredDefaults, OthersBeginAnewWhenTheTransactionIsOver) {
  AlteredDefaults defaults;
  defaults.on_statement(false);
  defaults.on_tag("ALTER ROLE");
  defaults.on_ready(false);
  EXPECT_FALSE(defaults.take_due());
  defaults.on_tag("COMMIT");
  defaults.on_ready(true);
  EXPECT_TRUE(defaults.take_due());
  EXPECT_FALSE(defaults.take_due()) << "once";
}

TEST(AlteredDefaults, AnAlterOfAnotherKindIsNone) {
  AlteredDefaults defaults;
  EXPECT_FALSE(due_after(defaults, "ALTER ROLE")) << "of a password: such a text was not named";
  defaults.on_statement(false);
  EXPECT_FALSE(due_after(defaults, "ALTER TABLE"));
  EXPECT_TRUE(due_after(defaults, "ALTER DATABASE"));
  EXPECT_FALSE(due_after(defaults, "ALTER ROLE")) << "a password again, behind one that was named";
}

TEST(AlteredDefaults, OneThatIsPreparedMayBeExecutedAgainAndAgain) {
  AlteredDefaults defaults;
  defaults.on_statement(true);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(due_after(defaults, "ALTER ROLE"));
}

}  // namespace
}  // namespace sallyport::broker::altered_defaults_test
