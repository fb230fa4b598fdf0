// What a statement has to do with the connections of others.
#include "wire/postgres/database_words.h"

#include <gtest/gtest.h>

#include <utility>

namespace sallyport::postgres::database_words_test {
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

TEST(DatabaseWords, KnowsWhatAltersTheDefaultsOfSessions) {
  for (const auto* sql :
       {"ALTER ROLE app SET work_mem = '1MB'", "alter user \"app\" in database d reset all;",
        "ALTER DATABASE d SET search_path TO a, b", "-- so\nALTER ROLE CURRENT_USER SET x TO 'y'",
        "ALTER ROLE ALL IN DATABASE d RESET work_mem", "ALTER ROLE set SET x = 1",
        "BEGIN; ALTER ROLE app SET x = 1; COMMIT", "SELECT 1; ALTER USER app RESET ALL"}) {
    EXPECT_TRUE(alters_defaults(sql)) << sql;
  }
  for (const auto* sql :
       {"", "ALTER", "ALTER ROLE app", "ALTER ROLE app PASSWORD 'set'", "ALTER ROLE app PASSWORD 'x' -- SET",
        "ALTER ROLE app RENAME TO \"set\"", "ALTER ROLE set PASSWORD 'x'",
        "ALTER TABLE t ALTER c SET NOT NULL", "ALTER ROLE app PASSWORD 'x'; SET work_mem = '1MB'",
        "SET role = app", "SELECT 1; ", "SELECT 1; SELECT set(role)", "ALTER ROLE app; SET x = 1",
        "SELECT 'ALTER ROLE app SET x = 1'"}) {
    EXPECT_FALSE(alters_defaults(sql)) << sql;
  }
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
}  // namespace sallyport::postgres::database_words_test
