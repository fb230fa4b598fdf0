"""The network between the broker and its server stalls, cuts a message in the middle, resets, chops TLS into bytes. Whoever is
concerned hears of it in its own protocol, nobody is given half an answer as a whole one, and when the network is well again so is the
broker: everybody is served, and no connection is left open."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import skip_here
from harness.processes import wait_for
from harness.raw_client import RawClient, copy_data, copy_done, errors, query, rows

POOLS = [("transaction", "max: 2, min_ready: 0"), ("session", "max: 3, min_ready: 0")]
IDS = ["transaction", "session"]
both_modes = pytest.mark.parametrize("mode, pool", POOLS, ids=IDS)
SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
BIG = query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)")


@pytest.fixture(autouse=True)
def table(pg):
    with pg.table("faults", "a int, t text"):
        yield


def count(pg):
    return pg.sql("SELECT count(*) FROM faults", database="app")[0][0]


def upstream(pg):
    return pg.sql("SELECT pid, state FROM pg_stat_activity WHERE usename = 'app'")


def assert_whole(it, pg, most):
    """Everybody is served; what the server has open is the pool's, and idle."""
    for number in range(4):
        with RawClient.of(it) as client:
            assert client.one(f"SELECT {number}") == str(number)
    wait_for(lambda: {state for _, state in upstream(pg)} <= {"idle"} and len(upstream(pg)) <= most,
             f"at most {most} connections, all of them idle", 15)


def all_of(client):
    """Messages up to the end of the connection."""
    messages = []
    while (message := client.receive()) is not None:
        messages.append(message)
    return messages


# -- reset and end in the middle of a message --------------------------------------------------------------------------

@both_modes
@pytest.mark.parametrize("how", ["reset", "end"])
def test_an_answer_that_is_cut_off_in_the_middle_ends_there(pooled, link, pg, mode, pool, how):
    it = pooled(mode, pool, server=link)
    with RawClient.of(it) as client:
        assert client.one("SELECT 1") == "1"
        client.send(query("BEGIN; INSERT INTO faults VALUES (1)"), BIG)
        client.until("D")
        if how == "end":
            link.add("limit_data", bytes=1)     # of what is yet to come
        else:
            link.add("reset_peer", timeout=0)
        told = all_of(client)
        # The last message may be cut; what is whole is rows, or the news that the connection is lost.
        assert {kind for kind, _ in told} <= {"D", "E"}, "neither an end of the answer nor a ReadyForQuery"
        assert all(each["C"].startswith("08") or each["C"] == "57P01" for each in errors(told)), errors(told)
    link.clear()
    assert count(pg) == 0
    assert_whole(it, pg, 3)


@both_modes
def test_a_copy_that_is_cut_off_in_the_middle_copies_nothing(pooled, link, pg, mode, pool):
    it = pooled(mode, pool, server=link)
    with RawClient.of(it) as client:
        client.send(query("COPY faults FROM STDIN"))
        assert client.until("G")
        link.add("limit_data", "upstream", bytes=100_000)
        row = copy_data(b"1\t" + b"y" * 5000 + b"\n")
        try:
            for _ in range(200):
                client.send(row)
            client.send(copy_done())
        except OSError:
            pass
        assert not [kind for kind, _ in all_of(client) if kind in "CZ"]
    link.clear()
    wait_for(lambda: not [state for _, state in upstream(pg) if state != "idle"], "the server to give the copy up")
    assert count(pg) == 0
    assert_whole(it, pg, 3)


@both_modes
def test_idle_connections_that_are_reset_cost_no_session(pooled, link, pg, mode, pool):
    """In transaction pooling a session between its transactions has none; in session pooling those in the pool are nobody's."""
    it = pooled(mode, pool, server=link)
    clients = [RawClient.of(it) for _ in range(2)]
    for client in clients:
        assert client.one("SELECT 1") == "1"
    if mode == "session":
        for client in clients:
            client.close()
        wait_for(lambda: {state for _, state in upstream(pg)} == {"idle"}, "the connections to be back")
        time.sleep(0.3)
    before = {pid for pid, _ in upstream(pg)}
    with link.down():
        wait_for(lambda: not upstream(pg), "the connections to end")
    if mode == "session":
        clients = [RawClient.of(it) for _ in range(2)]
    for client in clients:
        assert client.one("SELECT 'goes on'") == "goes on"
        client.close()
    assert not before & {pid for pid, _ in upstream(pg)}
    assert_whole(it, pg, 3)


# -- a network that stalls ---------------------------------------------------------------------------------------------

@both_modes
def test_a_stall_in_the_middle_costs_time_and_nothing_else(pooled, link, pg, mode, pool):
    """Neither a running statement nor a transaction has a deadline of ours."""
    it = pooled(mode, pool, server=link)
    with RawClient.of(it) as busy, RawClient.of(it) as open_one:
        open_one.ask(query("BEGIN; INSERT INTO faults VALUES (1)"))
        busy.send(query("SELECT repeat('x', 1000000) FROM pg_sleep(0.5)"))
        with link.stalled():
            assert busy.quiet(1.5)
            open_one.send(query("COMMIT"))
            assert open_one.quiet(0.5)
        assert len(rows(busy.until_ready())[0][0]) == 1_000_000
        open_one.until_ready()
    assert count(pg) == 1
    assert_whole(it, pg, 3)


@both_modes
def test_who_leaves_during_a_stall_leaves_no_connection_behind(pooled, link, pg, mode, pool):
    """A reset, or an answer that nobody waits for, has a deadline: what is stuck is closed and its place is free."""
    if mode == "transaction" and not SOAK:
        skip_here("./dev soak runs it")
    it = pooled(mode, pool, server=link)
    clients = [RawClient.of(it) for _ in range(2)]
    for client in clients:
        client.ask(query("BEGIN; INSERT INTO faults VALUES (1)"))
    with link.stalled():
        clients[0].close()
        clients[1].send(query("COMMIT"))
        clients[1].close()
        time.sleep(11)      # the deadline of a reset is 10 s
    assert_whole(it, pg, 3)
    assert count(pg) in (0, 1), "whether the COMMIT was done nobody can know"


@both_modes
def test_a_login_that_stalls_is_told_at_its_deadline_and_others_come_in_when_the_network_is_back(pooled, link, pg, mode, pool):
    if mode == "session" and not SOAK:
        skip_here("./dev soak runs it")
    it = pooled(mode, pool, server=link)
    with link.stalled(), ThreadPoolExecutor(3) as executor:
        started = time.monotonic()
        told = [executor.submit(it.refusal) for _ in range(3)]
        for each in told:
            text = each.result(60)
            assert "localhost" in text and re.search(r"no answer within \d+ s", text), text
        assert time.monotonic() - started < 45
    wait_for(lambda: not isinstance(it.refusal(), str), "a session once the network is back", 30, 0.2)
    assert_whole(it, pg, 3)


def test_a_cancel_that_stalls_holds_up_nobody(pooled, link, pg):
    it = pooled("transaction", "max: 2, min_ready: 0", server=link)
    with RawClient.of(it) as client:
        client.send(query("SELECT pg_sleep(3)"))
        wait_for(lambda: [state for _, state in upstream(pg) if state == "active"], "the statement to run")
        with link.stalled():
            threading.Thread(target=client.cancel, args=(it.socket,), daemon=True).start()
            time.sleep(0.5)
        client.until_ready()
    assert_whole(it, pg, 2)


# -- TLS that is slow --------------------------------------------------------------------------------------------------

@both_modes
def test_tls_in_single_bytes_is_tls(pooled, link, pg, mode, pool):
    """Records, and the messages in them, arrive in pieces of any size, at any speed."""
    for stream in ("upstream", "downstream"):
        link.add("slicer", stream, average_size=3, size_variation=2, delay=20)
    size = 20_000 if SOAK else 1_500
    it = pooled(mode, pool, server=link)
    with it.psycopg(autocommit=True, connect_timeout=30) as connection:
        assert connection.execute(f"SELECT repeat('z', {size})").fetchone() == ("z" * size,)
        assert connection.execute("SELECT %s::text", ["w" * size]).fetchone() == ("w" * size,)
        with connection.cursor().copy("COPY faults FROM STDIN") as copy:
            for number in range(10):
                copy.write_row((number, "v" * (size // 10)))
    assert count(pg) == 10
    assert_whole(it, pg, 3)


@both_modes
def test_a_login_over_a_slow_line_succeeds_and_is_not_waited_for_by_those_with_a_connection(pooled, link, pg, mode, pool):
    """Round trips of 0.5 s: TCP, TLS and SCRAM take some seconds, less than a login may."""
    it = pooled(mode, pool, server=link)
    with RawClient.of(it) as there:
        assert there.one("SELECT 1") == "1"
        for stream in ("upstream", "downstream"):
            link.add("latency", stream, latency=250)
        there.ask(query("BEGIN"))       # has a connection of its own
        with ThreadPoolExecutor(1) as executor:
            coming = executor.submit(lambda: RawClient.of(it).one("SELECT 'after all'"))
            while not coming.done():
                started = time.monotonic()
                assert there.one("SELECT 'meanwhile'") == "meanwhile"
                assert time.monotonic() - started < 3
            assert coming.result() == "after all"
        there.ask(query("COMMIT"))
    link.clear()
    assert_whole(it, pg, 3)
