"""What ends in the middle: the server's time-outs, servers that are killed, clients that hang up or stop reading.
The client concerned hears what happened, nobody else notices, and the pool is whole afterwards."""

import os
import signal
import socket
import struct
import threading
import time

import psycopg
import pytest

from harness.processes import wait_for
from harness.raw_client import (RawClient, bind, copy_data, copy_done, describe, error, errors, execute, flush, kinds, parse,
                                query, rows, status, sync)

MODES = ["transaction", "session"]
# One connection: what is not given back whole is missed by the next client.
POOLS = [("transaction", "max: 1"), ("session", "max: 2")]


@pytest.fixture(autouse=True)
def table(pg):
    with pg.table("faults", "a int"):
        yield


def count(pg):
    return pg.sql("SELECT count(*) FROM faults", database="app")[0][0]


def busy(pg):
    return pg.sql("SELECT pid, state FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'")


def assert_whole(it, pg, clients=3):
    """Everybody is served, and nothing is left open on the server."""
    for _ in range(clients):
        with RawClient.of(it) as client:
            assert rows(client.ask(query("SELECT 'whole', txid_current_if_assigned()"))) == [("whole", None)]
    wait_for(lambda: not busy(pg), "the server's connections to be idle")


# -- time-outs of the server ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
@pytest.mark.parametrize("how", ["set local", "at start-up"])
def test_a_transaction_that_idles_too_long_is_told_25p03(pooled, pg, mode, pool, how):
    it = pooled(mode, pool)
    with RawClient.of(it, **({"idle_in_transaction_session_timeout": "500"} if how == "at start-up" else {})) as client:
        begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 500; INSERT INTO faults VALUES (1)"
        client.ask(query(begin if how == "set local" else "BEGIN; INSERT INTO faults VALUES (1)"))
        told = client.until("E")
        assert error(told) == "25P03" and client.receive() is None, told
    assert count(pg) == 0
    assert_whole(it, pg)


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
def test_a_statement_that_takes_too_long_fails_alone(pooled, pg, mode, pool):
    it = pooled(mode, pool)
    with RawClient.of(it, statement_timeout="300") as client:
        for _ in range(2):
            assert error(client.ask(query("SELECT pg_sleep(20)"))) == "57014"
        assert client.one("SELECT 1") == "1"
    assert_whole(it, pg)


def test_a_time_out_for_idle_sessions_takes_nothing_from_a_client_between_transactions(pooled, pg):
    pg.sql("ALTER ROLE app SET idle_session_timeout = '700ms'")
    try:
        it = pooled("transaction", "max: 2")
        with RawClient.of(it) as client:
            first = client.one("SELECT pg_backend_pid()")
            wait_for(lambda: not pg.sql("SELECT 1 FROM pg_stat_activity WHERE pid = %s", int(first)), "the server to end it")
            assert client.one("SELECT pg_backend_pid()") != first
    finally:
        pg.sql("ALTER ROLE app RESET idle_session_timeout")


# -- servers that are killed ---------------------------------------------------------------------------------------------

STATES = {
    "in a transaction": [query("BEGIN; INSERT INTO faults VALUES (1)")],
    "in a failed transaction": [query("BEGIN; INSERT INTO faults VALUES (1)"), query("SELECT 1/0")],
    "in a query": [query("INSERT INTO faults SELECT 1 FROM pg_sleep(20)")],
    "before Sync": [parse("", "INSERT INTO faults VALUES (1)"), bind(""), execute(), flush()],
    "in COPY in": [query("COPY faults FROM STDIN"), copy_data(b"1\n")],
    "in COPY out": [query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 40000)) TO STDOUT")],
    "in a pipeline": [parse("s", "SELECT pg_sleep(20)"), bind("s"), execute(), sync(), bind("s"), execute(), sync()],
}


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
@pytest.mark.parametrize("state", STATES)
def test_a_killed_server_connection_is_told_and_replaced(pooled, pg, mode, pool, state):
    it = pooled(mode, pool)
    with RawClient.of(it) as client:
        client.send(*STATES[state])
        pid = wait_for(lambda: busy(pg), "the server to be at it")[0][0]
        time.sleep(0.2)
        pg.sql("SELECT pg_terminate_backend(%s)", pid)
        if state == "in COPY in":
            client.send(copy_data(b"2\n"), copy_done())
        told = []
        while (message := client.receive()) is not None:
            told.append(message)
        if state == "in COPY out" and not errors(told):
            assert kinds(told).strip("Hd") == "", "a server that waits for its client to read ends without a word"
        else:
            assert errors(told)[-1]["C"] == "57P01", errors(told)
    assert count(pg) == 0
    assert_whole(it, pg)


@pytest.mark.parametrize("mode, pool", [("transaction", "max: 3, min_ready: 1"), ("session", "max: 6, min_ready: 1")], ids=MODES)
@pytest.mark.parametrize("who", ["a backend", "the postmaster"])
def test_a_server_that_is_killed_is_missed_and_found_again(pooled, own_pg, mode, pool, who):
    """SIGKILL: of one backend, after which the server ends all others and recovers; or of the server itself."""
    it = pooled(mode, pool, server=own_pg)
    with RawClient.of(it) as idle, RawClient.of(it) as busy, RawClient.of(it) as open_one:
        for client in (idle, busy, open_one):
            assert client.one("SELECT 1") == "1"
        open_one.ask(query("BEGIN; CREATE TABLE never (a int)"))
        victim = int(open_one.one("SELECT pg_backend_pid()")) if who == "a backend" else own_pg.process.pid
        busy.send(query("SELECT pg_sleep(20)"))
        wait_for(lambda: own_pg.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)' AND state = 'active' "
                                    "AND pid <> pg_backend_pid()"), "the statement to run")
        os.kill(victim, signal.SIGKILL)
        for client in (busy, open_one):
            told = []
            while (message := client.receive()) is not None:
                told.append(message)
            assert "Z" not in kinds(told) and all(each["C"] in ("57P02", "57P01", "08006") for each in errors(told)), told
        if who == "the postmaster":
            own_pg.process.wait()
            assert not served(it)
            # What is left of it ends by itself; only then can another start on the same files.
            wait_for(lambda: not own_pg.leftovers(), "its last processes to end")
            own_pg.start()
        if mode == "transaction":
            wait_for(lambda: served(it), "a new session", 20, 0.2)
            assert idle.one("SELECT 'never noticed'") == "never noticed"
    wait_for(lambda: served(it), "a new session", 20, 0.2)
    for _ in range(4):
        assert served(it)
    most = 3 if mode == "transaction" else 6
    assert 1 <= len(own_pg.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'app'")) <= most
    assert own_pg.sql("SELECT count(*) FROM pg_class WHERE relname = 'never'", database="app") == [(0,)]


def served(it):
    try:
        with it.psycopg(connect_timeout=20) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_restart_of_the_server_ends_transactions_and_nothing_else(pooled, own_pg):
    it = pooled("transaction", "max: 3", server=own_pg)
    idle = [RawClient.of(it) for _ in range(5)]
    with RawClient.of(it) as open_one:
        open_one.ask(query("BEGIN"))
        own_pg.restart()
        assert error(open_one.until("E")) == "57P01"
    for client in idle:
        assert client.one("SELECT 1") == "1"
        client.close()


# -- what no reset ends --------------------------------------------------------------------------------------------------

@pytest.fixture
def dblink(pg):
    pg.sql("CREATE EXTENSION dblink; GRANT EXECUTE ON FUNCTION dblink_connect_u(text, text) TO app", database="app")
    yield f"host={pg.folder} port={pg.port} user=postgres dbname=app application_name=far"
    pg.sql("DROP EXTENSION dblink", database="app")


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
@pytest.mark.parametrize("discards", [False, True], ids=["leaves", "discards first"])
def test_a_connection_of_dblink_is_nobody_elses(pooled, pg, dblink, mode, pool, discards):
    it = pooled(mode, "max: 1, min_ready: 0")
    with RawClient.of(it) as client:
        pid = client.one("SELECT pg_backend_pid()")
        assert client.one(f"SELECT dblink_connect_u('far', '{dblink}')") == "OK"
        assert client.one("SELECT dblink_get_connections()::text") == "{far}"
        if discards:
            client.ask(query("DISCARD ALL"))
            assert client.one("SELECT dblink_get_connections()::text") == "{far}", "that does not end it"
    with RawClient.of(it) as other:
        assert other.one("SELECT pg_backend_pid()") != pid
        assert other.one("SELECT coalesce(dblink_get_connections()::text, 'none')") == "none"
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'far'"), "dblink's connection to end")


# -- clients that end ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
def test_who_says_no_more_after_a_query_gets_its_answer(pooled, pg, mode, pool):
    it = pooled(mode, pool)
    for question in ([query("SELECT repeat('y', 3000000) FROM pg_sleep(0.5)")],
                     [parse("", "SELECT repeat('y', 3000000) FROM pg_sleep(0.5)"), bind(""), execute(), sync()]):
        with RawClient.of(it) as client:
            client.send(*question)
            client.shut_down_writing()
            answer = client.until_ready()
            assert len(rows(answer)[0][0]) == 3_000_000 and status(answer) == "I"
            assert client.receive() is None
    assert_whole(it, pg)


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
@pytest.mark.parametrize("how", ["no more", "gone", "reset"])
@pytest.mark.parametrize("state", [s for s in STATES if s != "in a pipeline"])
def test_who_ends_in_the_middle_is_rolled_back(pooled, pg, mode, pool, state, how):
    it = pooled(mode, pool)
    client = RawClient.of(it)
    client.send(*(frame for frame in STATES[state]))
    wait_for(lambda: busy(pg), "the server to be at it")
    if how == "no more":
        client.shut_down_writing()
    elif how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how != "no more":
        client.close()
    if state == "in a query":
        # Nobody can know whether the client wants it done.
        pg.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'")
    if how == "no more":
        client.socket.settimeout(10)
        while client.receive() is not None:
            pass
        client.close()
    assert_whole(it, pg)
    assert count(pg) == 0


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
def test_half_a_message_does_no_harm(pooled, pg, mode, pool):
    it = pooled(mode, pool)
    for whole in (query("INSERT INTO faults VALUES (1)"), parse("name", "INSERT INTO faults VALUES (1)"), bind("")):
        for cut in (1, 4, 5, 9, len(whole) - 1):
            client = RawClient.of(it)
            client.send(whole[:cut])
            client.close()
    assert_whole(it, pg)
    assert count(pg) == 0


@pytest.mark.parametrize("mode, pool", POOLS, ids=MODES)
def test_who_never_reads_holds_up_nobody_for_longer_than_it_lives(pooled, pg, mode, pool):
    it = pooled(mode, pool)
    client = RawClient.of(it)
    client.send(query("SELECT repeat('z', 1000) FROM generate_series(1, 200000)"))
    wait_for(lambda: busy(pg), "the server to be at it")
    time.sleep(0.5)
    client.close()
    assert_whole(it, pg)


def test_what_was_asked_by_who_goes_away_while_it_waits_is_done_once(pooled, pg):
    """As by a server, which has read it: docs/pooling.md."""
    it = pooled("transaction", "max: 1")
    with RawClient.of(it) as holder:
        holder.ask(query("BEGIN"))
        for _ in range(20):
            waiting = RawClient.of(it)
            waiting.send(query("INSERT INTO faults VALUES (1)"))
            waiting.close()
        half = RawClient.of(it)
        half.send(query("INSERT INTO faults VALUES (2)"))
        half.shut_down_writing()
        assert holder.quiet(0.5)
        holder.ask(query("COMMIT"))
        answer = half.until_ready()
        assert error(answer) is None and status(answer) == "I" and half.receive() is None
    assert_whole(it, pg)
    assert pg.sql("SELECT a, count(*) FROM faults GROUP BY a ORDER BY a", database="app") == [(1, 20), (2, 1)]


# -- who holds a connection ----------------------------------------------------------------------------------------------

def asking(client, *frames):
    """A thread that asks, and the list that its answer comes to."""
    got = []
    thread = threading.Thread(target=lambda: got.extend(client.ask(*frames)))
    thread.start()
    return thread, got


def test_flush_without_sync_is_answered_and_keeps_the_connection(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.send(parse("s", "SELECT $1::int * 2"), describe("s"), flush())
        assert kinds(a.until("T")) == "1tT"
        thread, got = asking(b, query("SELECT 5"))
        assert a.quiet() and got == []
        a.send(bind("s", 21), execute(), flush())
        assert rows(a.until("C")) == [("42",)]
        assert a.quiet() and got == []
        assert kinds(a.ask(sync())) == "Z"
        thread.join(10)
        assert rows(got) == [("5",)]


def test_what_follows_a_sync_without_its_own_keeps_the_connection(pooled):
    it = pooled("transaction", "max: 1")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        a.send(parse("", "SELECT $1::text"), bind("", "a"), execute(), sync(), parse("", "SELECT $1::text || 'b'"))
        assert rows(a.until_ready()) == [("a",)]
        thread, got = asking(b, query("SELECT 5"))
        time.sleep(0.5)
        assert got == []
        assert rows(a.ask(bind("", "a"), execute(), sync())) == [("ab",)]
        thread.join(10)
        assert rows(got) == [("5",)]


def test_half_a_message_after_an_answer_keeps_nobody_else_from_being_served(pooled):
    it = pooled("transaction", "max: 1, wait_max: 2 s")
    with RawClient.of(it) as a, RawClient.of(it) as b:
        whole = query("SELECT 6")
        a.send(query("SELECT 5"), whole[:3])
        assert rows(a.until_ready()) == [("5",)]
        assert b.one("SELECT 7") == "7"
        assert rows(a.ask(whole[3:])) == [("6",)]
