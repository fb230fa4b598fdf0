"""What test_bad_input.py does to a Unix socket, by clients of TLS: bytes, pauses and ends that nobody in good faith makes,
behind a handshake and a login that succeeded. It costs the session that did it, and nobody else anything."""

import os
import random
import socket
import ssl
import struct
import time

import pytest

from harness.processes import resident_kb, wait_for
from harness.raw_client import RawClient, bind, errors, execute, frame, parse, query, rows, sync, terminate
from test_client_tls import SSL_REQUEST, TlsByHand, app, secured_socket, service, startup  # noqa: F401

# Two connections, and assert_whole() uses both: one that is not given back is missed.
POOLS = {"session": "mode: session, max: 2, wait_max: 10 s", "transaction": "mode: transaction, max: 2, wait_max: 10 s"}
# More than any end may take; what takes as long hangs.
DEADLINE = 20
# What the broker may grow by for 200 MB that nobody reads, or a message without end; it was 1 MB.
GROWTH_KB = 8_000


@pytest.fixture(autouse=True)
def table(pg):
    with pg.table("bad", "a int"):
        yield


@pytest.fixture(params=POOLS)
def it(request, service):   # noqa: F811
    return service(extra_target=f"    pool: {{{POOLS[request.param]}}}").start()


@pytest.fixture
def client(it, app):        # noqa: F811
    """Logs a client in over TLS."""
    return lambda: RawClient(secured_socket(it, app))


@pytest.fixture
def assert_whole(it, client, pg):
    """Two clients at once are served, on connections that are like new; and the server has no others, and none that is busy."""
    def check():
        with client() as first, client() as second:
            for each in (first, second):
                answer = each.ask(query("BEGIN; SELECT 'next', current_setting('work_mem'), to_regclass('leftover'), "
                                        "txid_current_if_assigned()"))
                assert rows(answer) == [("next", "4MB", None, None)], errors(answer)
        wait_for(lambda: not at_work(pg), "the server's connections to be idle", DEADLINE)
        wait_for(lambda: len(connections(pg)) <= 2, "the server's connections not to be more than the pool's", DEADLINE)
        assert pg.sql("SELECT count(*) FROM bad", database="app") == [(0,)]
        assert it.run.process.poll() is None
    return check


def connections(pg):
    return pg.sql("SELECT pid, state FROM pg_stat_activity WHERE usename = 'app'")


def at_work(pg):
    return [pid for pid, state in connections(pg) if state != "idle"]


def until_closed(client):
    """What the client is told before its connection ends. That it does not end is a TimeoutError."""
    client.socket.settimeout(DEADLINE)
    told = []
    try:
        while (message := client.receive()) is not None:
            told.append(message)
    except ssl.SSLError:
        pass        # an alert, or bytes that are no record any more
    return told


def assert_told_and_closed(client):
    told = until_closed(client)
    assert [each["C"] for each in errors(told)] == ["08P01"] and not rows(told), told


def assert_served(client):
    """Somebody else, meanwhile."""
    with client() as other:
        assert other.one("SELECT 'served'") == "served"


def send_past_tls(client, data):
    """Into the TCP connection that TLS runs over."""
    os.write(client.socket.fileno(), data)


# -- bytes -----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_in_a_session_end_that_session_only(client, assert_whole, seed):
    with client() as other, client() as bad:
        bad.send(random.Random(seed).randbytes(3000))
        assert_told_and_closed(bad)
        assert other.one("SELECT 'not concerned'") == "not concerned"
    assert_whole()


@pytest.mark.parametrize("kind", "QPBDECFSHXdcfp")
def test_random_bytes_in_a_message_of_the_right_length_do_no_harm(client, assert_whole, kind):
    """The server may answer an error and go on; then it answers what follows, too."""
    with client() as bad:
        bad.send(frame(kind, random.Random(ord(kind)).randbytes(300)), sync(), query("SELECT 'goes on'"), terminate())
        told = until_closed(bad)
        assert errors(told) or rows(told)[-1:] == [("goes on",)] or kind == "X", told
    assert_whole()


@pytest.mark.parametrize("length", [0, 3, 0x7fffffff, 0x80000000, 0xffffffff], ids=hex)
@pytest.mark.parametrize("kind", "QPSXd?")
def test_an_impossible_length_is_told_and_ends_the_session(client, assert_whole, kind, length):
    with client() as bad:
        assert bad.one("SELECT 1") == "1"
        bad.send(kind.encode() + struct.pack("!I", length))
        assert_told_and_closed(bad)
    assert_whole()


NO_RECORDS = {
    "a plain message": query("SELECT 'in clear'"),
    "a start-up packet": startup(),
    "random": random.Random(3).randbytes(500),
    "zeroes": bytes(500),
    "a record that nobody encrypted": b"\x17\x03\x03\x01\x00" + random.Random(4).randbytes(256),
    "a record that is too long": b"\x17\x03\x03\xff\xff" + bytes(500),
    "a close_notify in clear": b"\x15\x03\x03\x00\x02\x01\x00",
    "a client hello": bytes.fromhex("16030100050100000100"),
}


@pytest.mark.parametrize("name", NO_RECORDS)
def test_what_is_no_record_of_tls_ends_the_session_and_its_transaction(client, assert_whole, name):
    with client() as bad:
        bad.ask(query("BEGIN; INSERT INTO bad VALUES (1)"))
        send_past_tls(bad, NO_RECORDS[name])
        assert rows(until_closed(bad)) == [], "it was taken for a statement"
    assert_whole()


# -- slow ------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("it", ["transaction"], indirect=True)      # no pool is asked before the login
@pytest.mark.parametrize("at_once, later", [(b"", startup()[:-1]), (startup()[:-1], b"")], ids=["byte by byte", "never ends"])
def test_a_slow_start_up_is_closed_at_the_login_deadline(it, client, app, at_once, later):     # noqa: F811
    """10 s, which nothing sets (docs/operations.md); byte by byte the packet would take 15. The log says why; a stranger is not told."""
    began = time.monotonic()
    with secured_socket(it, app) as slow:
        slow.sendall(at_once)
        slow.settimeout(0.5)
        told = None
        while told is None and time.monotonic() - began < DEADLINE:
            try:
                told = slow.recv(4096)
            except ConnectionResetError:
                told = b""
            except TimeoutError:
                slow.sendall(later[:1])
                later = later[1:]
                assert_served(client)
        assert told is not None, f"held open for {DEADLINE} s"
        assert told == b"" or b"C08P01\0" in told, told
    it.run.until("the login did not finish within 10 s")
    assert_served(client)


def test_a_message_that_comes_byte_by_byte_is_answered_and_keeps_nobody_waiting(client, assert_whole):
    with client() as slow:
        *first, last = (bytes([byte]) for byte in query("SELECT 'slow'"))
        for byte in first:
            slow.send(byte)
            assert_served(client)
        assert rows(slow.ask(last)) == [("slow",)]
    assert_whole()


def test_a_record_that_comes_byte_by_byte_is_answered_and_keeps_nobody_waiting(it, client, app, assert_whole):     # noqa: F811
    tls = TlsByHand(it, app)
    with socket.create_connection(("127.0.0.1", it.tcp), DEADLINE) as slow:
        tls.log_in(slow)
        tls.end.write(query("SELECT 'slow'"))
        for byte in tls.out.read():
            slow.sendall(bytes([byte]))
            assert_served(client)
        assert b"slow" in tls.over(slow, lambda: tls.end.read(65536))
    assert_whole()


def test_a_message_that_never_ends_costs_nobody_else_a_connection_or_memory(it, client, assert_whole):
    before = resident_kb(it.run.pid)
    with client() as bad:
        bad.send(b"Q" + struct.pack("!I", 500_000_000))
        for _ in range(50):
            bad.send(b" " * 1_000_000)
        assert_served(client)
        assert resident_kb(it.run.pid) - before < GROWTH_KB
    assert_whole()


# -- never reads -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("goes_on", [False, True], ids=["asks once", "goes on asking"])
def test_who_never_reads_costs_one_connection_and_ends_when_it_goes(it, client, pg, assert_whole, goes_on):
    before = resident_kb(it.run.pid)
    with client() as bad:
        bad.send(query("SELECT repeat('z', 1000) FROM generate_series(1, 200000)"))
        wait_for(lambda: at_work(pg), "the server to be at it")
        if goes_on:
            bad.socket.settimeout(3)
            with pytest.raises(TimeoutError):       # the broker does not read it either
                for _ in range(100):
                    bad.send(query("SELECT 1" + " " * 1_000_000))
        for _ in range(5):
            assert_served(client)
            time.sleep(0.2)
        assert at_work(pg), "it was all sent, and nothing was shown"
        assert resident_kb(it.run.pid) - before < GROWTH_KB
    assert_whole()


# -- cut -------------------------------------------------------------------------------------------------------------------

# What comes through TLS, and past it, before the connection ends.
CUTS = {
    "between messages": (b"", b""),
    "in a message": (query("INSERT INTO bad VALUES (2)")[:9], b""),
    "in a long message": (query("INSERT INTO bad VALUES (2)" + " " * 2_000_000)[:1_500_000], b""),
    "in a record": (b"", b"\x17\x03\x03\x01\x00" + bytes(20)),
    "in a record's header": (b"", b"\x17\x03"),
    "before Sync": (parse("", "INSERT INTO bad VALUES (2)") + bind("") + execute(), b""),
}


def cut(client, how):
    """Never with a close_notify."""
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == "no more":
        socket.socket.shutdown(client.socket, socket.SHUT_WR)
        until_closed(client)
    client.close()


@pytest.mark.parametrize("how", ["gone", "no more", "reset"])
@pytest.mark.parametrize("where", CUTS)
def test_who_is_cut_off_in_a_transaction_is_rolled_back_and_leaves_nothing(client, assert_whole, where, how):
    through, past = CUTS[where]
    bad = client()
    for statement in ("SET work_mem = '123kB'", "CREATE TEMPORARY TABLE leftover (a int)", "BEGIN; INSERT INTO bad VALUES (1)"):
        answer = bad.ask(query(statement))
        assert not errors(answer), answer
    bad.send(through)
    send_past_tls(bad, past)
    cut(bad, how)
    assert_whole()


def test_fifty_cut_sessions_leave_no_descriptor_behind(it, client, assert_whole):
    assert_whole()
    before = len(os.listdir(f"/proc/{it.run.pid}/fd"))
    for number in range(50):
        bad = client()
        bad.ask(query("BEGIN"))
        cut(bad, ["gone", "no more", "reset"][number % 3])
    assert_whole()
    wait_for(lambda: len(os.listdir(f"/proc/{it.run.pid}/fd")) <= before, "the descriptors to be closed", DEADLINE)
