"""Cases that PgBouncer's documentation and its users' reports name, written anew: statements by protocol, sizes, messages
that drivers hardly send. COPY, pipelines and cancels: test_pooler_streams.py. Where it matters, in both pool modes."""

import threading

import psycopg
import pytest

from harness.raw_client import (RawClient, bind, close, describe, error, execute, frame, function_call, kinds, parse, query, rows,
                                sync)

MODES = ["transaction", "session"]
POOLS = [("transaction", "max: 1"), ("session", "max: 3")]
both = pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)


@pytest.fixture
def two(pooled):
    """Two clients of one server connection."""
    it = pooled("transaction", "max: 1")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        yield a, b


# -- statements by protocol ----------------------------------------------------------------------------------------------

def test_one_name_means_to_each_client_what_it_prepared(two):
    for client, value in zip(two, "12"):
        assert kinds(client.ask(parse("s", f"SELECT {value}"), describe("s"), sync())) == "1tTZ"
    for _ in range(2):
        for client, value in zip(two, "12"):
            assert rows(client.ask(bind("s"), execute(), sync())) == [(value,)]


@pytest.mark.parametrize("end", ["DEALLOCATE ALL", "DISCARD ALL", "DEALLOCATE s", "close"])
def test_who_ends_a_statement_ends_only_its_own(two, end):
    a, b = two
    for client in two:
        client.ask(parse("s", "SELECT 1"), sync())
    assert error(a.ask(*([close("s"), sync()] if end == "close" else [query(end)]))) is None
    assert rows(b.ask(bind("s"), execute(), sync())) == [("1",)]
    assert error(a.ask(bind("s"), execute(), sync())) == "26000"
    assert error(a.ask(describe("s"), sync())) == "26000"
    assert kinds(a.ask(close("s"), sync())) == "3Z"
    assert rows(a.ask(parse("s", "SELECT 3"), bind("s"), execute(), sync())) == [("3",)]


def test_a_name_in_use_cannot_be_prepared_again(two):
    a, b = two
    a.ask(parse("s", "SELECT 1"), sync())
    assert error(a.ask(parse("s", "SELECT 2"), sync())) == "42P05"
    assert rows(b.ask(parse("s", "SELECT 2"), bind("s"), execute(), sync())) == [("2",)]
    assert rows(a.ask(bind("s"), execute(), sync())) == [("1",)]


def test_a_statement_that_could_not_be_prepared_can_be_later(two, pg):
    a, b = two
    for client in two:
        assert error(client.ask(parse("s", "SELECT count(*) FROM appears"), sync())) == "42P01"
    pg.sql("CREATE TABLE appears (a int); GRANT ALL ON appears TO app", database="app")
    try:
        for client in two:
            assert rows(client.ask(parse("s", "SELECT count(*) FROM appears"), bind("s"), execute(), sync())) == [("0",)]
    finally:
        pg.sql("DROP TABLE appears", database="app")


def test_an_error_in_a_pipeline_undoes_what_was_prepared_behind_it(two):
    a, b = two
    a.ask(parse("kept", "SELECT 1"), sync())
    messages = a.ask(parse("before", "SELECT 2"), bind("gone"), close("kept"), parse("behind", "SELECT 3"), sync())
    assert kinds(messages) == "1EZ" and error(messages) == "26000"
    assert rows(b.ask(query("SELECT 5"))) == [("5",)]
    for name, expected in (("kept", [("1",)]), ("before", [("2",)]), ("behind", [])):
        messages = a.ask(bind(name), execute(), sync())
        assert rows(messages) == expected and (expected or error(messages) == "26000")
    assert kinds(a.ask(parse("behind", "SELECT 3"), bind("behind"), execute(), sync())) == "12DCZ"


def test_answers_to_close_and_parse_come_in_the_order_they_were_asked(two):
    a, b = two
    a.ask(parse("a", "SELECT 1"), sync())
    assert kinds(a.ask(parse("b", "SELECT 1"), close("a"), describe("b"), close("b"), parse("b", "SELECT 2"), sync())) == "13tT31Z"
    assert rows(a.ask(bind("b"), execute(), sync())) == [("2",)]


def test_more_statements_than_a_connection_keeps(pooled):
    it = pooled("transaction", "max: 1, statements_max: 10")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        for number in range(40):
            assert kinds(a.ask(parse(f"s{number}", f"SELECT {number}"), sync())) == "1Z"
        for number in range(40):
            assert rows(a.ask(bind(f"s{number}"), execute(), sync())) == [(str(number),)]
            assert int(b.one("SELECT count(*) FROM pg_prepared_statements")) <= 10
        # All of them in one pipeline.
        messages = a.ask(*(f for n in range(40) for f in (bind(f"s{n}"), execute())), sync())
        assert rows(messages) == [(str(n),) for n in range(40)] and kinds(messages) == "2DC" * 40 + "Z"


def test_the_unnamed_statement_outlives_other_clients(two):
    a, b = two
    a.ask(parse("", "SELECT $1::int + 100"), sync())
    for client, value in ((a, "101"), (b, None), (a, "101")):
        if value is None:
            client.ask(parse("", "SELECT 'other'"), bind(""), execute(), sync())
        else:
            assert rows(client.ask(bind("", 1), execute(), sync())) == [(value,)]
    b.ask(query("SELECT 1"))
    assert rows(a.ask(bind("", 2), execute(), sync())) == [("102",)]
    a.ask(query("SELECT 1"))
    assert error(a.ask(bind("", 1), execute(), sync())) == "26000"


def test_the_unnamed_statement_outlives_parameters_that_are_set_for_another_client(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it, application_name="a") as a, RawClient.of(it, application_name="b") as b:
        a.ask(parse("", "SELECT 'mine'"), sync())
        b.ask(parse("s", "SELECT 'other'"), bind("s"), execute(), sync())
        assert rows(a.ask(bind(""), execute(), sync())) == [("mine",)]


def test_the_statements_of_a_server_connection_have_a_budget_of_bytes(pooled):
    it = pooled("transaction", "max: 1, statements_max: 1000")
    with RawClient.of(it) as client:
        for number in range(25):
            text = f"SELECT {number}" + " " * 900_000
            assert kinds(client.ask(parse("s", text), bind("s"), execute(), sync())) == "12DCZ"
            client.ask(close("s"), sync())
        held = int(client.one("SELECT sum(length(statement)) FROM pg_prepared_statements"))
        assert 10 * 900_000 < held <= 16 << 20


def test_a_pipeline_of_short_binds_that_bring_long_texts_along_is_answered_whole(pooled):
    """Each Bind misses the ten statements that the connection may keep: 60 kB become 190 MB, a piece at a time."""
    it = pooled("transaction", "max: 1, statements_max: 10")
    turns = 2000
    with RawClient.of(it) as client, RawClient.of(it) as other:
        for number in range(11):
            client.ask(parse(f"s{number}", f"SELECT {number}" + " " * 90_000), sync())
        before = resident(it)
        sender = threading.Thread(target=client.send, args=[
            *(f for turn in range(turns) for f in (bind(f"s{turn % 11}"), execute())), sync()])
        sender.start()
        messages = client.until_ready()
        sender.join()
        assert rows(messages) == [(str(turn % 11),) for turn in range(turns)]
        assert resident(it) - before < 40_000, "kB"
        assert other.one("SELECT 'served'") == "served"


def resident(it):
    """kB of the broker at its largest."""
    with open(f"/proc/{it.run.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def test_a_portal_lives_as_long_as_its_transaction(two):
    a, b = two
    a.ask(query("BEGIN"))
    assert kinds(a.ask(parse("", "SELECT generate_series(1, 5)"), bind("", portal="p"), execute("p", 2), sync())) == "12DDsZ"
    assert rows(a.ask(execute("p", 2), sync())) == [("3",), ("4",)]
    a.ask(query("COMMIT"))
    assert b.one("SELECT 1") == "1"
    assert error(a.ask(execute("p", 2), sync())) == "34000"


@pytest.mark.parametrize("size", [100, 5_000, 9_000, 70_000, 3_000_000])
def test_statements_and_names_of_any_size(pooled, size):
    it = pooled("transaction", "max: 2" if size > 1 << 20 else "max: 1")    # who prepares such a text keeps its connection
    with RawClient.of(it) as a, RawClient.of(it) as b:
        name, long = "n" * min(size, 9_900), "t" * size      # a server takes no longer name
        assert kinds(a.ask(parse(name, f"SELECT '{long}'"), describe(name), sync())) == "1tTZ"
        assert rows(a.ask(bind(name), execute(), sync())) == [(long,)]
        assert rows(b.ask(parse("", "SELECT $1::text"), bind("", long), execute(), sync())) == [(long,)]
        assert kinds(a.ask(close(name), sync())) == "3Z"
        assert error(a.ask(describe(name), sync())) == "26000"


# -- other messages ------------------------------------------------------------------------------------------------------

@both
def test_function_calls(pooled, pg, mode, pool):
    it = pooled(mode, pool)
    oid = pg.sql("SELECT 'abs(int4)'::regprocedure::oid::int")[0][0]
    with RawClient.of(it) as a, RawClient.of(it) as b:
        messages = a.ask(function_call(oid, -7))
        assert kinds(messages) == "VZ" and messages[0][1][4:] == b"7"
        assert error(a.ask(function_call(oid, "x"))) == "22P02"
        assert error(a.ask(function_call(1, 1))) is not None
        assert b.one("SELECT 1") == "1" and a.one("SELECT 2") == "2"


@both
def test_1600_columns(pooled, mode, pool):
    it = pooled(mode, pool)
    columns = ", ".join(f"{n} AS \"a column with quite a long name {n:>6}\"" for n in range(1600))
    with RawClient.of(it) as a, RawClient.of(it) as b:
        for client in (a, b, a):
            messages = client.ask(parse("", f"SELECT {columns}"), bind(""), describe("", "P"), execute(), sync())
            assert kinds(messages) == "12TDCZ" and rows(messages)[0] == tuple(str(n) for n in range(1600))


@both
@pytest.mark.parametrize("kind", "PBCDEFQ")
@pytest.mark.parametrize("front", [query("SELECT pg_sleep(0.2)"), sync()], ids=["query", "sync"])
def test_a_frame_without_a_body_costs_nobody_else_anything(pooled, mode, pool, front, kind):
    """Length 4, behind something that has not been answered."""
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.send(front, frame(kind), sync())
        assert error(a.until("E")) == "08P01"
        for _ in range(3):
            assert b.one("SELECT 1") == "1"
    assert it.run.process.poll() is None


@both
@pytest.mark.parametrize("what", [frame("~", b"what"), frame("p", b"word\0"), frame("H", b"x")], ids=["unknown", "password", "flush"])
def test_a_message_that_is_no_request_ends_its_client_and_no_other(pooled, mode, pool, what):
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.send(what, sync())
        assert error(a.until("E")) == "08P01"
        for _ in range(3):
            assert b.one("SELECT 1") == "1"


@both
def test_notices_and_several_results_of_one_query(pooled, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it) as a:
        messages = a.ask(query("DO $$ BEGIN RAISE NOTICE 'heard'; END $$; SELECT 1; SELECT 2"))
        assert kinds(messages, without="S") == "NCTDCTDCZ"


# -- many at once --------------------------------------------------------------------------------------------------------

def test_statements_of_many_clients_at_once(pooled):
    it = pooled("transaction", "max: 3, statements_max: 20")
    failures = []

    def work(number):
        try:
            with psycopg.connect(host=it.directory, port=it.port, user="app", dbname="app", autocommit=True) as client:
                for turn in range(40):
                    with client.pipeline():
                        cursors = [client.execute(f"SELECT {k % 30}, %s::int", (number,), prepare=True) for k in range(turn, turn + 5)]
                    assert [c.fetchone() for c in cursors] == [(k % 30, number) for k in range(turn, turn + 5)]
        except Exception as failure:    # noqa: BLE001
            failures.append(failure)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
