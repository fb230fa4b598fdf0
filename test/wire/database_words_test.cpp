// Which database a statement needs for itself.
#include "wire/postgres/database_words.h"

#include <gtest/gtest.h>

#include <utility>

namespace sallyport::postgres {
namespace {

TEST(DatabaseWords, NamesWhatIsDroppedRenamedMovedOrCopied) {
  const std::pair<const char*, const char*> texts[] = {
      {"DROP DATABASE t", "t"},
      {"drop database if exists T;", "t"},
      {"DROP DATABASE \"My \"\"db\"", "My \"db"},
      {" \n-- first\n/* a /* nested */ one */ DROP DATABASE t WITH (FORCE)", "t"},
      {";DROP DATABASE t", "t"},
      {"ALTER DATABASE t RENAME TO u", "t"},
      {"ALTER DATABASE \"T\" SET TABLESPACE fast", "T"},
      {"CREATE DATABASE n TEMPLATE t", "t"},
      {"CREATE DATABASE n WITH OWNER = o TEMPLATE = \"T\" ENCODING 'UTF8'", "T"},
      {"CREATE DATABASE n TEMPLATE 't'", "t"},
      {"CREATE DATABASE n TEMPLATE DEFAULT", "template1"},
      {"CREATE DATABASE n", "template1"},
      {"CREATE DATABASE n OWNER o;", "template1"},
      {"CREATE DATABASE \"n\" ENCODING 'UTF8'", "template1"},
  };
  for (const auto& [sql, name] : texts) EXPECT_EQ(database_needed_alone(sql), name) << sql;
}

TEST(DatabaseWords, OtherTextsNameNone) {
  for (const auto* sql : {"", " ", "SELECT 1", "DROP TABLE t", "CREATE TABLE database (a int)",
                          "ALTER DATABASE t SET work_mem = '1MB'", "ALTER DATABASE t OWNER TO o",
                          "ALTER DATABASE t", "DROP", "DROP DATABASE", "\"drop\" database t",
                          "'drop' database t", "COMMENT ON DATABASE t IS 'DROP DATABASE t'",
                          "/* DROP DATABASE t", "-- DROP DATABASE t", "DROP (DATABASE t", "CREATE"}) {
    EXPECT_EQ(database_needed_alone(sql), "") << sql;
  }
}

TEST(DatabaseWords, ANameIsCutAsTheServerCutsIt) {
  EXPECT_EQ(database_needed_alone("DROP DATABASE " + std::string(100, 'a')), std::string(63, 'a'));
}

TEST(DatabaseWords, OnlyABeginningIsLookedAt) {
  EXPECT_EQ(database_needed_alone(std::string(5000, ' ') + "DROP DATABASE t"), "");
  EXPECT_EQ(database_needed_alone(std::string("DROP DATABASE t\0u", 17)), "t");
}

}  // namespace
}  // namespace sallyport::postgres
