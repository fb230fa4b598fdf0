// Which SQL leaves state behind on a server connection: one claim a reason, and what must not count.
#include "wire/postgres/session_state.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::postgres::session_state_test {
namespace {

class Reported final : public ReportedNames {
 public:
  [[nodiscard]] bool is_reported(std::string_view name) const override {
    return name == "timezone" || name == "datestyle" || name == "client_encoding" ||
           name == "application_name";
  }
  [[nodiscard]] std::string reading() const override { return {}; }
};

/// What a text leaves behind, by name; also when it comes byte by byte.
std::string state_of(const std::string& sql, bool backslashes = false) {
  const Reported reported;
  const std::string bytes = sql + '\0' + "LISTEN behind_the_end";
  StateScanner whole, pieces;
  whole.start(reported, backslashes);
  whole.look_at(as_bytes(bytes));
  pieces.start(reported, backslashes);
  for (std::size_t i = 0; i < bytes.size(); ++i) pieces.look_at(as_bytes(bytes).subspan(i, 1));
  EXPECT_EQ(whole.found(), pieces.found()) << sql;
  return whole.found().empty() ? "" : std::string{name_of(whole.found().first())};
}

TEST(SessionState, EachReasonIsSeenInItsStatement) {
  const std::vector<std::pair<const char*, const char*>> texts{
      {"LISTEN a", "listen"},
      {"/* x /* y */ */ -- z\n listen a", "listen"},
      {"BEGIN; LISTEN a; COMMIT", "listen"},
      {"LOAD 'auto_explain'", "loaded_library"},
      {"CREATE TEMP TABLE t (a int)", "temporary_table"},
      {"create local temporary table t as select 1", "temporary_table"},
      {"CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "temporary_table"},
      {"CREATE TABLE pg_temp.t (a int)", "temporary_table"},
      {"SELECT 1 AS a INTO TEMP t", "temporary_table"},
      {"EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", "temporary_table"},
      {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor_with_hold"},
      {"SELECT pg_advisory_lock(1)", "advisory_lock"},
      {"SELECT pg_catalog . pg_try_advisory_lock_shared (1)", "advisory_lock"},
      {"SELECT \"pg_advisory_lock\"(1)", "advisory_lock"},
      {"SET statement_timeout = 5", "setting"},
      {"SET SESSION search_path TO a, b", "setting"},
      {"set a.b to 'c'", "custom_setting"},
      {"SET SCHEMA 'a'", "setting"},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "setting"},
      {"SET ROLE bob", "set_role"},
      {"SET SESSION AUTHORIZATION bob", "set_role"},
      {"RESET SESSION AUTHORIZATION", "set_role"},
      {"SELECT set_config('statement_timeout', '5', false)", "set_config"},
      {"SELECT set_config('a.b', $1, $2)", "set_config"},
      {"SELECT set_config('TimeZone' || x, 'UTC', false)", "set_config"},
      {"SELECT set_config('a.b', f(1, 2), true AND false)", "set_config"},
      {"PREPARE a AS SELECT 1", "prepared_in_sql"},
      {"SELECT currval('s')", "sequence_value"},
      {"SELECT lastval()", "sequence_value"},
      {"SELECT setseed(0.5)", "random_seed"},
      {"SET SEED 0.5", "random_seed"},
      {"SELECT dblink_connect('a', 'b')", "dblink"},
      {"DO $$ BEGIN PERFORM set_config('a.b', 'c', false); END $$", "set_config"},
      {"DO $x$ BEGIN UPDATE t SET a = 1; EXECUTE 'SET a.b = 1'; END $x$", "custom_setting"},
      {"DO 'BEGIN PERFORM pg_advisory_lock(1); END'", "advisory_lock"},
      {"SELECT pg_create_logical_replication_slot('s', 'pgoutput', true)", "replication_slot"},
      {"SELECT * FROM pg_create_physical_replication_slot('s', false, $1)", "replication_slot"},
      {"SELECT pg_copy_physical_replication_slot('a', temporary => true)", "replication_slot"},
      {"SELECT pg_create_logical_replication_slot('s', f(1, 2), not false)", "replication_slot"},
      {"SET LOCAL search_path = pg_temp, public", "temporary_table"},
      {"SET LOCAL search_path TO 'pg_temp'", "temporary_table"},
      {"set local schema 'pg_temp'", "temporary_table"},
      {"SET SESSION \"search_path\" = a, PG_TEMP", "temporary_table"},
      {"SELECT set_config('search_path', 'pg_temp,public', true)", "temporary_table"},
      {"DO $$ BEGIN SET LOCAL search_path = pg_temp; CREATE TABLE t (a int); END $$", "temporary_table"},
      {"DO $$ BEGIN SET TIME ZONE 'UTC'; CREATE TEMP TABLE t (a int); END $$", "temporary_table"},
  };
  for (const auto& [sql, reason] : texts) EXPECT_EQ(state_of(sql), reason) << sql;
}

TEST(SessionState, WaysAroundTheReaderAreSeen) {
  const std::vector<std::pair<const char*, const char*>> texts{
      {"UPDATE pg_settings SET setting = 'evil' WHERE name = 'search_path'", "setting"},
      {"SELECT 1 AS id INTO LOCAL TEMP accounts", "temporary_table"},
      {"EXPLAIN (ANALYZE, COSTS off) CREATE TEMP TABLE accounts AS SELECT 1", "temporary_table"},
      {"CREATE TEMP TABLE t AS SELECT 1 FROM (SELECT true AS drop) AS commit JOIN (SELECT 1) z ON "
       "commit.drop",
       "temporary_table"},
      {"CREATE TABLE pg_temp_3.accounts (a int)", "temporary_table"},
      {"DO $$BEGIN FOR r IN SELECT 1 FOR UPDATE LOOP SET search_path = evil; END LOOP; END$$", "setting"},
      {"PREPARE transaction AS SELECT 1", "prepared_in_sql"},
      {"SELECT set_config(E'\\a\\p\\p\\.TimeZone', 'x', false)", "set_config"},
      {"SET session_authorization = 'x'", "set_role"},
      {"SELECT set_config('session_authorization', 'x', false)", "set_config"},
      {"DO $$begin end$$; PREPARE p AS SELECT 1", "prepared_in_sql"},
      {"DEALLOCATE sallyport_s7", "prepared_in_sql"},
      // Up to PostgreSQL 14.
      {"SELECT 1INTO TEMP t", "temporary_table"},
      {"SELECT 1.INTO TEMP t", "temporary_table"},
      {"SELECT 1.5e-3INTO TEMP t", "temporary_table"},
      {"SELECT 1E5INTO TEMP t", "temporary_table"},
      // A constant goes on in the next line as it has begun.
      {"SELECT E'a'\n'\\'' ; SET work_mem = '77MB'; SELECT '';--'", "setting"},
      {"SELECT E'a' -- x\n \t -- y\n '\\'' ; LISTEN b; SELECT '';--'", "listen"},
      {"SELECT 'a'\n'\\' ; LISTEN b", "listen"},
      {"SELECT E'a' /* \n */ + '\\' ; LISTEN b", "listen"},
      {"SELECT E'a'\n - '\\' ; LISTEN b", "listen"},
      {"SELECT U&\"set\\005fconfig\"('work_mem', '77MB', false)", "setting"},
      {"SET u&\"w!006frk_mem\" UESCAPE '!' = 1", "setting"},
      // In a text of a block what looks like a comment is none.
      {"DO $$BEGIN PERFORM '--'; SET work_mem='77MB'; END$$", "setting"},
      {"DO $$BEGIN PERFORM '/*'; SET work_mem='77MB'; PERFORM '*/'; END$$", "setting"},
      {"DO $$BEGIN PERFORM '\"'; SET work_mem='77MB'; PERFORM '\"'; END$$", "setting"},
      {"DO $$BEGIN PERFORM $a$--$a$; SET work_mem='77MB'; END$$", "setting"},
      {"DO $$BEGIN END$$; SELECT '/*'; LISTEN b; SELECT '*/'", "setting"},
      {"DO $$BEGIN RAISE LOG '-- x'; PERFORM set_config('app.tenant', 'evil', false); END$$", "setting"},
      // A custom setting's class may be called like a keyword.
      {"SET local.tenant = 1", "custom_setting"},
      {"SET transaction . x TO 1", "custom_setting"},
      {"SET session.timezone = 1", "custom_setting"},
      {"SET SESSION time.zone = 1", "custom_setting"},
      {"SET names.x = 1", "custom_setting"},
      {"SET LOCAL search_path = $$pg_temp$$", "temporary_table"},
      {"SET LOCAL search_path = E'pg\\x5ftemp'", "temporary_table"},
      {"SET LOCAL search_path = U&'pg\\005ftemp'", "temporary_table"},
      {"SELECT set_config('search_path', $$pg_temp$$, true)", "temporary_table"},
      // Up to PostgreSQL 14.
      {"SELECT 1e$b$; LISTEN a; SELECT 1 AS x", "listen"},
      {"SET client_encoding = 'SJIS'", "setting"},
      {"SET NAMES 'Shift-JIS'", "setting"},
      {"SELECT set_config('client_encoding', 'big5', true)", "setting"},
      {"BEGIN; SET LOCAL standard_conforming_strings = off", "setting"}};
  for (const auto& [sql, reason] : texts) EXPECT_EQ(state_of(sql), reason) << sql;
  const std::string tag = "$" + std::string(130, 'a') + "$";
  EXPECT_EQ(state_of("SELECT " + tag + " ' " + tag + "; LISTEN b; SELECT ''"), "setting");
  EXPECT_EQ(state_of("SET LOCAL search_path = '" + std::string(130, 'a') + ",pg_temp'"), "temporary_table");
  EXPECT_EQ(state_of("DO $$BEGIN -- x\n PERFORM f(); END$$"), "");
  for (const auto* sql : {"SHOW standard_conforming_strings", "SET client_encoding TO 'UTF8'",
                          "SET NAMES 'latin1'", "SELECT name FROM pg_settings FOR UPDATE",
                          "EXPLAIN (ANALYZE, COSTS off) SELECT 1", "PREPARE TRANSACTION 'x'",
                          "SELECT E'a'\n'\\'; LISTEN b; SELECT'", "SELECT u & \"a\", u& \"b\", u&1, \"c\""})
    EXPECT_EQ(state_of(sql), "") << sql;
}

TEST(SessionState, WhatEndsWithItsTransactionOrIsNoCodeDoesNotCount) {
  for (const auto* sql : {
           "SELECT 'LISTEN a; SET ROLE b'",
           "SELECT E'it\\'s; SET ROLE b; '",
           "SELECT $$; LISTEN a $$, $a$ $$; LISTEN b; $b$ $a$",
           "SELECT \"; listen a\" -- ; LISTEN b",
           "SELECT 1 /* ; LISTEN a */",
           "SELECT currval FROM lastval WHERE set_config = 1",
           "SET LOCAL statement_timeout = 5",
           "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
           "SELECT pg_create_physical_replication_slot('s', true, false)",
           "SELECT pg_drop_replication_slot('s')",
           "SET LOCAL search_path = a, b",
           "SET LOCAL search_path = a; SELECT 'pg_temp'",
           "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = a, pg_temp AS "
           "'SELECT 1'",
           "ALTER FUNCTION f() SET search_path = a, pg_temp",
           "SELECT set_config('search_path', 'a', true)",
           "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
           "SET CONSTRAINTS ALL DEFERRED",
           "SET TIME ZONE 'UTC'",
           "SET timezone TO 'UTC'",
           "SET \"TimeZone\" = 'UTC'",
           "SET NAMES 'utf8'",
           "SET SESSION datestyle = ISO",
           "RESET ALL",
           "RESET statement_timeout",
           "SELECT set_config('a.b', 'c', true)",
           "SELECT set_config('a.b', (SELECT max(x) FROM t), TRUE)",
           "SELECT set_config('TimeZone', 'UTC', false)",
           "SELECT pg_advisory_xact_lock(1)",
           "PREPARE TRANSACTION 'a'",
           "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1",
           "CREATE TABLE temp (a int)",
           "INSERT INTO temp VALUES (1)",
           "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
           "UPDATE t SET role = 1, a = 2",
           "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT set_config('a.b', '', false) $$",
           "SELECT $1, $2::int, 1$1",
           "SELECT 'open; LISTEN a",
           "SELECT nextval('s')",
           "",
           ";;;",
       }) {
    EXPECT_EQ(state_of(sql), "") << sql;
  }
}

TEST(SessionState, BackslashesEscapeInPlainTextsWhereTheServerSaysSo) {
  EXPECT_EQ(state_of("SELECT 'a\\'; LISTEN b; '", true), "");
  EXPECT_EQ(state_of("SELECT 'a\\'; LISTEN b", false), "listen");
}

TEST(SessionState, DiscardAllUndoesAllButWhatItDoesNot) {
  StateReasons reasons;
  reasons.add(StateReason::listen);
  reasons.add(StateReason::setting);
  reasons.discard_all();
  EXPECT_TRUE(reasons.empty());
  reasons.add(StateReason::random_seed);
  reasons.add(StateReason::loaded_library);
  reasons.discard_all();
  EXPECT_EQ(reasons.first(), StateReason::loaded_library);
}

TEST(SessionState, KnowsWhatReadsAValueThatAnotherTextHasDrawn) {
  const Reported reported;
  const auto reads = [&reported](const std::string& sql) {
    StateScanner scanner;
    scanner.start(reported, false);
    scanner.look_at(as_bytes(sql + '\0'));
    return scanner.reads_value();
  };
  for (const auto* sql : {"SELECT currval('s')", "select a, pg_catalog.LASTVAL() from t",
                          "BEGIN; SELECT lastval()", "SELECT currval('insert')"}) {
    EXPECT_TRUE(reads(sql)) << sql;
  }
  for (const auto* sql : {"SELECT 1", "SELECT lastval", "INSERT INTO t VALUES (1); SELECT lastval()",
                          "SELECT lastval() FROM nextval('s')", "SELECT 1; SELECT lastval()",
                          "WITH n AS (INSERT INTO t VALUES (1) RETURNING a) SELECT currval('s') FROM n"}) {
    EXPECT_FALSE(reads(sql)) << sql;
  }
}

struct Read {
  bool changes = false, defines = false;
  bool operator==(const Read&) const = default;
};
Read read(const std::string& sql) {
  const Reported reported;
  StateScanner scanner;
  scanner.start(reported, false);
  scanner.look_at(as_bytes(sql + '\0'));
  const bool changes = scanner.take_reading_changed();
  return {changes, scanner.take_defines()};
}

TEST(SessionState, KnowsWhatChangesTheMeaningOfOtherTexts) {
  for (const auto* sql :
       {"SET LOCAL DateStyle = 'German'", "SET TIME ZONE 'UTC'", "set local timezone to 'UTC'",
        "SET NAMES 'LATIN1'", "SET LOCAL array_nulls = off", "SET LOCAL \"Transform_Null_Equals\" = on",
        "SET \"Search_Path\" = a", "RESET intervalstyle", "RESET ALL", "SET LOCAL XML OPTION DOCUMENT",
        "SELECT set_config('DateStyle', 'DMY', true)", "SELECT set_config($1, 'DMY', true)",
        "SELECT set_config('search_' || 'path', 'a', true)",
        "SELECT set_config('search_'\n'path', 'a', true)", "SELECT set_config(E'search\\x5fpath', 'a', true)",
        "SELECT set_config(U&'search\\005fpath', 'a', true)", "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
        "SELECT 1 INTO TEMP t", "DO $$ BEGIN SET LOCAL search_path = a; END $$"}) {
    EXPECT_TRUE(read(sql).changes) << sql;
  }
  for (const auto* sql :
       {"SELECT 1", "SET LOCAL work_mem = '9MB'", "SET statement_timeout = 5", "SHOW DateStyle",
        "SELECT set_config('app.tenant', $1, true)", "UPDATE t SET datestyle = 1",
        "ALTER ROLE a SET search_path = b", "CREATE TABLE t (a int)"}) {
    EXPECT_FALSE(read(sql).changes) << sql;
  }
}

TEST(SessionState, KnowsWhatIsDefinedForAll) {
  for (const auto* sql :
       {"CREATE TABLE t (a int)", "create or replace function f() returns int as '' language sql",
        "SELECT 1 AS a INTO t", "ALTER TABLE t ADD b int", "DROP VIEW v", "DO $$ BEGIN NULL; END $$",
        "WITH x AS (SELECT 1) SELECT * INTO t FROM x", "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        "BEGIN; CREATE TYPE t AS ENUM ('a'); COMMIT"}) {
    EXPECT_TRUE(read(sql).defines) << sql;
  }
  for (const auto* sql :
       {"SELECT 1", "INSERT INTO t VALUES (1)",
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x", "CREATE TEMP TABLE t (a int)",
        "SELECT 1 INTO TEMPORARY t", "SELECT 'into'", "UPDATE t SET a = 1"}) {
    EXPECT_FALSE(read(sql).defines) << sql;
  }
}

}  // namespace
}  // namespace sallyport::postgres::session_state_test
