"""COPY, pipelines and cancels through a pool, in both of its modes: message by message, as PgBouncer's documentation and its
users' reports name the cases."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.raw_client import (RawClient, bind, copy_data, copy_done, copy_fail, error, errors, execute, flush, kinds, parse, query,
                                rows, status, sync, tags)

MODES = ["transaction", "session"]
POOLS = [("transaction", "max: 1"), ("session", "max: 3")]
both = pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS cases; CREATE TABLE cases (a int); GRANT ALL ON cases TO app", database="app")
    yield
    pg.sql("DROP TABLE cases", database="app")


# -- COPY ----------------------------------------------------------------------------------------------------------------

def begin_copy(how):
    if how == "simple":
        return [query("COPY cases FROM STDIN")], []
    name = "" if how == "extended" else "p"
    return [parse(name, "COPY cases FROM STDIN"), bind(name), execute()], [sync()]


@both
@pytest.mark.parametrize("how", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("what", ["good", "bad row", "bad row seen before the end", "given up", "sent at once"])
def test_copy_in(pooled, pg, table, mode, pool, how, what):
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        begin, end = begin_copy(how)
        data = [copy_data(b"1\n"), copy_data(b"x\n" if "bad" in what else b"2\n")]
        last = copy_fail("no more") if what == "given up" else copy_done()
        if what == "sent at once":
            messages = a.ask(*begin, *data, last, *end)
        else:
            a.send(*begin, *([flush()] if end else []))
            assert kinds(a.until("G"))[-1] == "G"
            a.send(*data)
            if what == "bad row seen before the end":
                time.sleep(0.3)
            messages = a.ask(last, *end)
        expected = {"bad row": "22P02", "bad row seen before the end": "22P02", "given up": "57014"}.get(what)
        assert error(messages) == expected and status(messages) == "I"
        assert b.one("SELECT count(*) FROM cases") == ("0" if expected else "2")
        assert a.one("SELECT 5") == "5"


@both
def test_copy_out_whole_and_cancelled(pooled, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        messages = a.ask(query("COPY (SELECT generate_series(1, 100000)) TO STDOUT"))
        assert kinds(messages).count("d") == 100_000 and tags(messages) == ["COPY 100000"]
        a.send(query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000000)) TO STDOUT"))
        a.until("d")
        a.cancel(it.socket)
        assert error(a.until_ready()) == "57014"
        assert b.one("SELECT 1") == "1" and a.one("SELECT 2") == "2"


# -- pipelines -----------------------------------------------------------------------------------------------------------

@both
@pytest.mark.parametrize("syncs", ["one", "each"])
def test_a_pipeline_that_is_written_whole_before_anything_is_read(pooled, mode, pool, syncs):
    """30 MB of requests with short answers: who waits for the client to read first waits for ever."""
    it = pooled(mode, pool)
    count, value = 3000, "v" * 10_000
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.ask(parse("s", "SELECT length($1::text)"), sync())
        b.ask(parse("s", "SELECT 0"), sync())
        each = [sync()] if syncs == "each" else []
        a.send(*(f for _ in range(count) for f in (bind("s", value), execute(), *each)), *([] if each else [sync()]))
        assert rows(a.until_ready(count if each else 1)) == [("10000",)] * count
        assert rows(b.ask(bind("s"), execute(), sync())) == [("0",)]


@both
def test_each_segment_of_a_pipeline_fails_for_itself(pooled, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it) as a:
        good = [parse("", "SELECT 1"), bind(""), execute(), sync()]
        bad = [parse("", "SELECT 1/0"), bind(""), execute(), parse("never", "SELECT 1"), bind("never"), execute(), sync()]
        messages = a.ask(*good, *bad, *good, query("SELECT 2"), *bad, *good, ready=6)
        assert [e["C"] for e in errors(messages)] == ["22012", "22012"]
        assert rows(messages) == [("1",), ("1",), ("2",), ("1",)] and kinds(messages).count("Z") == 6


@both
def test_a_transaction_within_one_pipeline(pooled, pg, table, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b:
        say = lambda sql: [parse("", sql), bind(""), execute()]      # noqa: E731
        messages = a.ask(*say("BEGIN"), *say("INSERT INTO cases VALUES (1)"), *say("COMMIT"), *say("SELECT 1"), sync())
        assert status(messages) == "I" and b.one("SELECT count(*) FROM cases") == "1"
        messages = a.ask(*say("BEGIN"), sync(), *say("INSERT INTO cases VALUES (1)"), *say("SELECT 1/0"), sync(),
                         *say("COMMIT"), sync(), ready=3)
        assert tags(messages)[-1] == "ROLLBACK" and status(messages) == "I"
        assert b.one("SELECT count(*) FROM cases") == "1"


# -- cancels -------------------------------------------------------------------------------------------------------------

@both
def test_a_hundred_cancels_at_once_hit_their_query_and_no_other(pooled, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it) as a, RawClient.of(it) as b, ThreadPoolExecutor(20) as threads:
        a.send(query("SELECT pg_sleep(20)"))
        time.sleep(0.3)
        b.send(query("SELECT 'untouched' FROM pg_sleep(1)"))
        list(threads.map(lambda _: a.cancel(it.socket), range(100)))
        assert error(a.until_ready()) == "57014"
        assert rows(b.until_ready()) == [("untouched",)]


def test_as_many_queries_as_the_pool_has_connections_can_all_be_cancelled(pooled):
    it = pooled("transaction", "max: 4")
    clients = [RawClient.of(it) for _ in range(8)]
    for client in clients:
        client.send(query("SELECT pg_sleep(30)"))
    time.sleep(0.5)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda client: client.cancel(it.socket), clients))
    for client in clients:
        assert error(client.until_ready()) == "57014"
        assert client.one("SELECT 1") == "1"
        client.close()


def test_a_key_that_is_not_ours_cancels_nothing(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.send(query("SELECT 'whole' FROM pg_sleep(1)"))
        time.sleep(0.3)
        b.key = bytes(len(b.key))
        for b.pid in (a.pid, b.pid, 1):
            b.cancel(it.socket)
        assert rows(a.until_ready()) == [("whole",)]
