"""Transaction pooling gives a text that many prepare one statement on each server connection. That means to each of them what it
would mean alone: whatever was created since, and whatever settings constants are read by."""

import pytest

from harness.raw_client import RawClient, bind, error, errors, execute, function_call, parse, query, rows, sync, tags

ONE = "max: 1"      # all on one server connection


def run(client, name, sql, *values):
    answers = client.ask(parse(name, sql), bind(name, *values), execute(), sync())
    return error(answers) or rows(answers)


def ask(client, sql):
    return rows(client.ask(query(sql)))


@pytest.fixture
def shadow(pg):
    """A table that others will stand in front of."""
    pg.sql("DROP TABLE IF EXISTS shadow; CREATE TABLE shadow AS SELECT 'public'::text v; GRANT ALL ON shadow TO PUBLIC", database="app")
    yield
    pg.sql("DROP SCHEMA IF EXISTS app CASCADE; DROP TABLE IF EXISTS shadow", database="app")


def with_temporary_schema(client):
    client.ask(query("BEGIN; CREATE TEMP TABLE once (i int) ON COMMIT DROP; COMMIT"))


def test_a_table_in_a_schema_in_front_is_found_by_who_prepares_now(pooled, pg, shadow):
    pg.sql("CREATE SCHEMA app AUTHORIZATION app", database="app")
    it = pooled("transaction", ONE)
    with RawClient.of(it) as x, RawClient.of(it) as b, RawClient.of(it) as c:
        assert run(x, "s", "SELECT v FROM shadow") == [("public",)]
        b.ask(query("CREATE TABLE app.shadow AS SELECT 'app'::text v"))
        assert run(c, "s", "SELECT v FROM shadow") == ask(c, "SELECT v FROM shadow") == [("app",)]


def test_a_function_that_fits_better_is_found_by_who_prepares_now(pooled, pg, shadow):
    pg.sql("CREATE SCHEMA app AUTHORIZATION app", database="app")
    it = pooled("transaction", ONE)
    with RawClient.of(it) as x, RawClient.of(it) as c:
        x.ask(query("CREATE FUNCTION app.ff(numeric) RETURNS text LANGUAGE sql AS $$SELECT 'numeric'$$"))
        assert run(x, "s", "SELECT ff(1)") == [("numeric",)]
        x.ask(query("CREATE FUNCTION app.ff(int) RETURNS text LANGUAGE sql AS $$SELECT 'int'$$"))
        assert run(c, "s", "SELECT ff(1)") == ask(c, "SELECT ff(1)") == [("int",)]


def test_a_temporary_table_is_found_by_who_has_made_it(pooled, shadow):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as x, RawClient.of(it) as a:
        with_temporary_schema(x)
        assert run(x, "s", "SELECT v FROM shadow") == [("public",)]
        x.ask(parse("d", "DELETE FROM shadow"), sync())
        a.ask(query("BEGIN"))
        a.ask(query("CREATE TEMP TABLE shadow ON COMMIT DROP AS SELECT 'mine'::text v"))
        assert run(a, "s", "SELECT v FROM shadow") == [("mine",)]
        run(a, "d", "DELETE FROM shadow")
        a.ask(query("COMMIT"))
        assert run(x, "t", "SELECT v FROM shadow") == [("public",)]


def test_a_temporary_table_that_stays_is_found_by_who_has_made_it(pooled, shadow):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as x, RawClient.of(it) as a:
        with_temporary_schema(x)
        assert run(x, "s", "SELECT v FROM shadow") == [("public",)]
        a.ask(query("CREATE TEMP TABLE shadow AS SELECT 'mine'::text v"))
        assert run(a, "s", "SELECT v FROM shadow") == [("mine",)]


def test_temporary_tables_of_one_name_may_have_other_types(pooled):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        for client, kind, value in ((a, "int", 1), (b, "text", "word"), (a, "date", "2024-01-02")):
            client.ask(query("BEGIN"))
            client.ask(query(f"CREATE TEMP TABLE work (v {kind}) ON COMMIT DROP"))
            assert run(client, f"i{kind}", "INSERT INTO work VALUES ($1)", value) == []
            assert run(client, f"s{kind}", "SELECT * FROM work") == [(str(value),)]
            client.ask(query("COMMIT"))


LITERALS = {
    "DateStyle = 'German, DMY'": "SELECT extract(month from '01/02/2024'::date)",
    "TimeZone = 'Asia/Tokyo'": "SELECT extract(epoch from '2024-01-01 00:00'::timestamptz)",
    "IntervalStyle = 'sql_standard'": "SELECT extract(epoch from '-1 2:03:04'::interval)",
    "client_encoding = 'LATIN1'": "SELECT length('é')",
    "transform_null_equals = on": "SELECT count(*) FROM (VALUES (NULL::int)) t (a) WHERE a = NULL",
    "array_nulls = off": "SELECT ('{NULL}'::text[])[1] IS NULL",
}


@pytest.mark.parametrize("scope", ["SET", "SET LOCAL"])
@pytest.mark.parametrize("setting", LITERALS)
def test_constants_are_read_by_the_settings_of_who_prepares(pooled, setting, scope):
    sql = LITERALS[setting]
    it = pooled("transaction", ONE if scope == "SET LOCAL" else "max: 2")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        right = ask(b, sql)
        a.ask(query("BEGIN"))
        a.ask(query(f"{scope} {setting}"))
        for_a = ask(a, sql)
        assert for_a != right
        assert run(a, "s", sql) == for_a
        a.ask(query("COMMIT"))
        assert run(b, "s", sql) == right
        again = right if scope == "SET LOCAL" else for_a
        assert run(a, "t", sql) == again
        assert run(b, "t", sql) == right


def test_an_earlier_answer_forgets_nothing_of_what_is_under_way(pooled, pg, shadow):
    """All in one write: the first ReadyForQuery says idle, and what has been read behind it already counts."""
    sql = LITERALS["array_nulls = off"]
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        with_temporary_schema(b)
        b.ask(parse("d", "DELETE FROM shadow"), sync())
        a.ask(query("SELECT 1"), query("BEGIN"), query("SET LOCAL array_nulls = off"), ready=3)
        assert run(a, "s", sql) == [("f",)]
        a.ask(query("COMMIT"))
        assert run(b, "s", sql) == [("t",)]
        a.ask(query("SELECT 1"), query("BEGIN"), query("CREATE TEMP TABLE shadow ON COMMIT DROP AS SELECT 'mine'::text v"), ready=3)
        run(a, "d", "DELETE FROM shadow")
        a.ask(query("COMMIT"))
        assert ask(b, "SELECT count(*) FROM public.shadow") == [("1",)]


def test_who_prepares_behind_a_commit_prepared_finds_what_it_has_made(pooled, pg, shadow):
    pg.sql("CREATE SCHEMA app AUTHORIZATION app", database="app")
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a, RawClient.of(it) as b, RawClient.of(it) as c:
        a.ask(query("BEGIN"))
        a.ask(query("CREATE TABLE app.shadow AS SELECT 'app'::text v"))
        a.ask(query("PREPARE TRANSACTION 'shadow'"))
        assert run(b, "s", "SELECT v FROM shadow") == [("public",)]
        a.ask(query("COMMIT PREPARED 'shadow'"))
        assert run(c, "s", "SELECT v FROM shadow") == ask(c, "SELECT v FROM shadow") == [("app",)]


def test_a_deallocate_behind_the_end_of_a_failed_transaction_is_executed(pooled):
    """In one pipeline: when it is read the transaction has not ended yet."""
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a:
        a.ask(parse("s", "SELECT 1"), parse("end", "ROLLBACK"), sync())
        a.ask(query("BEGIN"))
        a.ask(query("SELECT 1/0"))
        end_s = [parse("", "DEALLOCATE s"), bind(""), execute()]
        assert [e["C"] for e in errors(a.ask(*end_s, sync()))] == ["25P02"]
        assert tags(a.ask(bind("end"), execute(), *end_s, sync())) == ["ROLLBACK", "DEALLOCATE"]
        assert [e["C"] for e in errors(a.ask(bind("s"), execute(), sync()))] == ["26000"]


def test_those_of_one_setting_share_what_they_prepare(pooled):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a, RawClient.of(it) as b, RawClient.of(it) as c:
        for client, zone in ((a, "Asia/Tokyo"), (b, "Asia/Tokyo"), (c, "UTC")):
            client.ask(query(f"SET TimeZone = '{zone}'"))
            client.ask(parse("s", "SELECT now()"), sync())
        assert ask(c, "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT now()'") == [("2",)]


HIDDEN = {
    "a DISCARD ALL behind a comment": [
        parse("d", "/* */DISCARD ALL"), parse("", "SET work_mem = '77MB'"), bind("d", portal="p1"), execute("p1"), bind(""), execute(), sync()],
    "a constant that goes on in the next line": [query("SELECT E'a'\n'\\'' ; SET work_mem = '77MB'; SELECT '';--'")],
    "a function's name in Unicode": [query("SELECT U&\"set\\005fconfig\"('work_mem', '77MB', false)")],
    "a setting's name in Unicode": [query("SET U&\"work\\005fmem\" = '77MB'")],
    "what looks like a comment in a block's text": [query("DO $$BEGIN PERFORM '--'; SET work_mem='77MB'; END$$")],
    "a text behind a block": [query("DO $$BEGIN END$$; SELECT '/*'; SET work_mem='77MB'; SELECT '*/'")],
    "a dollar quote's long tag": [query(f"SELECT ${'a' * 130}$ ' ${'a' * 130}$; SET work_mem='77MB'; SELECT ''")],
    "a text in Unicode": [query("SELECT set_config(U&'wo\\0072k_mem', '77MB', false)")],
}


@pytest.mark.parametrize("way", HIDDEN)
def test_what_sql_hides_is_seen_all_the_same(pooled, way):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a:
        a.ask(*HIDDEN[way])
    with RawClient.of(it) as b:
        assert ask(b, "SELECT current_setting('work_mem')") == [("4MB",)]


def test_what_a_sequence_gave_to_another_is_told_by_no_way(pooled):
    it = pooled("transaction", ONE)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.ask(query("CREATE SEQUENCE IF NOT EXISTS drawn"))
        long = query("SELECT lastval() /*" + "x" * 2_000 + "*/")
        for request in (query("SELECT lastval()"), long, function_call(2559)):
            b.one("SELECT nextval('drawn')")
            a.one("SELECT nextval('drawn')")
            assert error(b.ask(request)) == "55000"
            assert b.one("SELECT 1") == "1"
            b.ask(query("DISCARD ALL"))


def test_a_flood_of_deallocate_in_front_of_a_long_pipeline_keeps_nobody_waiting(pooled):
    """Each of them was looked for through all that was asked behind it."""
    it = pooled("transaction", "max: 3, min_ready: 2")
    with RawClient.of(it) as flood, RawClient.of(it) as other:
        flood.socket.settimeout(60)
        flood.socket.sendall(query("SELECT 1;" + "DEALLOCATE ALL;" * 60_000) + sync() * 20_000)
        other.socket.settimeout(5)
        assert other.one("SELECT 1") == "1"
        assert len([kind for kind, _ in flood.until_ready(1) if kind == "C"]) == 60_001
