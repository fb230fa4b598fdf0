"""The server cannot be reached, though nobody has said so: its name is not known any more, or the network is cut without a word
(connections are half open). What can go on goes on, what cannot is told why, and nothing has to be restarted when all is well again."""

import os
import re
import subprocess
import time

import psycopg
import pytest

from conftest import require, skip_here
from harness import cut_network
from harness.cut_network import CutNetwork
from harness.processes import wait_for
from harness.raw_client import RawClient, query

both_modes = pytest.mark.parametrize("mode, pool", [("transaction", "max: 2, min_ready: 0"), ("session", "max: 3, min_ready: 0")],
                                     ids=["transaction", "session"])
SOAK = bool(os.environ.get("SALLYPORT_SOAK"))


def upstream(pg):
    return pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app'")


# -- names -------------------------------------------------------------------------------------------------------------

def over(cable, pooled, mode, pool):
    """A broker whose server is at the cable's other end."""
    return pooled(mode, pool, server=cable, host=cut_network.THERE, tls="server_name: localhost", inside=cable.inside)


@both_modes
def test_a_name_that_leads_elsewhere_takes_the_pool_along(pooled, names, pg, mode, pool):
    """A failover by DNS, of a target that asks for no kind of server. A login finds it out (or a look every 30 s)."""
    it = pooled(mode, pool, host="db.sallyport.test", tls="server_name: localhost", inside=names.inside)
    where = "SELECT host(inet_server_addr())"
    with it.psycopg(autocommit=True) as old:
        old.execute("BEGIN")
        assert old.execute(where).fetchone()[0] == "127.0.0.1"
        names.address = "127.0.0.2"
        with it.psycopg(autocommit=True) as other:
            assert other.execute(where).fetchone()[0] == "127.0.0.2"
        assert "a host's name leads elsewhere" in it.run.output
        old.execute("COMMIT")
        if mode == "transaction":
            assert old.execute(where).fetchone()[0] == "127.0.0.2"
    for _ in range(3):
        with it.psycopg(autocommit=True) as later:
            assert later.execute(where).fetchone()[0] == "127.0.0.2"


@both_modes
@pytest.mark.parametrize("mood", ["no such name", "failing", "silent"])
def test_without_name_service_those_with_a_connection_go_on_and_others_are_told(pooled, names, pg, mode, pool, mood):
    it = pooled(mode, pool, host="db.sallyport.test", tls="server_name: localhost", inside=names.inside)
    with RawClient.of(it) as live:
        assert live.one("SELECT 1") == "1"
        live.ask(query("BEGIN"))        # the one connection that there is; who comes now needs another
        names.mood = mood
        started = time.monotonic()
        told = it.refusal()
        assert told and "db.sallyport.test" in told and re.search("name|resol", told), told
        assert time.monotonic() - started < 40
        assert live.one("SELECT 'goes on'") == "goes on"
        live.ask(query("COMMIT"))
        if mode == "transaction":
            assert it.refusal() is None, "the connection that is there serves everybody"
        asked = names.asked
        names.mood = "well"
        wait_for(lambda: it.refusal() is None, "new sessions when the name is known again", 30)
        assert mode == "transaction" or names.asked > asked
        assert live.one("SELECT 'still'") == "still"


# -- half-open connections ---------------------------------------------------------------------------------------------

@pytest.fixture
def cable(pg):
    require(cut_network.available(), "network namespaces", ci_too=False)
    it = CutNetwork(pg)
    yield it
    it.close()


@both_modes
def test_connections_that_the_server_has_forgotten_are_replaced(pooled, cable, pg, mode, pool):
    """Cut, dropped by the server's side meanwhile, and whole again: the first packet is answered by a reset. Who is given such a
    connection hears that it was lost, as with a direct one; the next ones are served."""
    it = over(cable, pooled, mode, pool)
    with RawClient.of(it) as idle:
        assert idle.one("SELECT 1") == "1"
        with cable.cut():
            cable.forget()
            wait_for(lambda: not upstream(pg), "the server's side to have dropped them")
            assert idle.quiet(0.5), "nobody has heard of it"
        idle.send(query("SELECT 2"))
        told = []
        while (message := idle.receive()) is not None and message[0] != "Z":
            told.append(message)
        assert not [kind for kind, _ in told if kind in "CD"], told
    for _ in range(4):
        assert it.refusal() is None
    wait_for(lambda: 1 <= len(upstream(pg)) <= 2, "the pool's own connections and no others")


@both_modes
def test_a_cut_network_is_noticed_before_a_client_is_given_a_dead_connection(pooled, cable, pg, mode, pool):
    """A connection that nothing was heard of for 30 to 35 s is asked for a sign of life, for which it has 5 s."""
    if not SOAK:
        skip_here("./dev soak runs it")
    it = over(cable, pooled, mode, pool)
    assert it.refusal() is None
    with cable.cut():
        cable.forget()
        time.sleep(42)
        started = time.monotonic()
        told = it.refusal()
        assert told and re.search("no answer within|timed out", told), told
        assert time.monotonic() - started < 40
    wait_for(lambda: it.refusal() is None, "new sessions when the network is whole", 30)
    wait_for(lambda: 1 <= len(upstream(pg)) <= 2, "the pool's own connections and no others")


@both_modes
def test_a_statement_on_a_connection_that_is_half_open_ends_when_the_kernel_gives_it_up(pooled, cable, pg, mode, pool):
    """After 90 s without an acknowledgement. Until then nobody can know; a cancel helps no more than with a direct connection."""
    if not SOAK:
        skip_here("./dev soak runs it")
    it = over(cable, pooled, mode, pool)
    with RawClient.of(it) as client:
        client.ask(query("BEGIN"))
        client.socket.settimeout(150)
        with cable.cut():
            cable.forget()
            started = time.monotonic()
            client.send(query("SELECT 1"))
            told = []
            while (message := client.receive()) is not None:
                told.append(message)
            assert 60 < time.monotonic() - started < 140
            assert not [kind for kind, _ in told if kind in "CDZ"], told
    wait_for(lambda: it.refusal() is None, "new sessions when the network is whole", 30)


@both_modes
def test_after_a_short_cut_everything_goes_on(pooled, cable, pg, mode, pool):
    """What was lost is sent again by the kernels: nobody hears anything."""
    it = over(cable, pooled, mode, pool)
    with RawClient.of(it) as client:
        client.ask(query("BEGIN"))
        with cable.cut():
            client.send(query("SELECT 'late'"))
            assert client.quiet(1)
        assert client.until_ready()
        client.ask(query("COMMIT"))
    assert it.refusal() is None


def test_cutting_loses_what_is_sent(cable):
    """That the other tests' network does what it says."""
    def connect():
        program = f"import socket; socket.create_connection(('{cut_network.THERE}', {cable.port}), 2)"
        return subprocess.run([*cable.inside, "python3", "-c", program], capture_output=True, text=True, check=False)
    first = connect()
    assert first.returncode == 0, first.stderr
    with cable.cut():
        lost = connect()
        assert "timed out" in lost.stderr, lost.stderr
    again = connect()
    assert again.returncode == 0, again.stderr
