"""`host: [a, b]` with real servers: a primary, its streaming standby, and what becomes of clients when they change roles."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import prepare, require
from harness import postgres
from harness.postgres import Postgres
from harness.processes import find_program, free_port, wait_for
from harness.service import Service


@pytest.fixture
def pair(base, pki, secret):
    """A primary and its standby."""
    require(postgres.available() and find_program("pg_basebackup", postgres.BIN), "PostgreSQL 15")
    name = os.path.join(base, "h" + uuid.uuid4().hex[:6])
    # A port for both, so that one name with two addresses can mean both.
    port = free_port()
    primary = Postgres(name + "p", pki, settings={"listen_addresses": "'127.0.0.2'"}, port=port)
    prepare(primary, secret)
    primary.sql("CREATE TABLE t (n int); GRANT ALL ON t TO app_owner", database="app")
    standby = Postgres(name + "s", pki, settings={"listen_addresses": "'127.0.0.1'"}, follows=primary, port=port)
    yield primary, standby
    for server in (standby, primary):
        server.close()


def at(address, server):
    return f"{address}:{server.port}"


@pytest.fixture
def serve(sallyport, pki, secret):
    made = []

    def make(server, hosts, wants="read-write", pool="mode: session, min_ready: 1, max: 8", inside=()):
        listed = hosts if isinstance(hosts, str) else "[" + ", ".join(f'"{host}"' for host in hosts) + "]"
        settings = f"    target_session_attrs: {wants}\n    pool: {{{pool}}}"
        made.append(Service(sallyport, server, pki, f"file:{sallyport.secret_file(secret)}", extra_target=settings,
                            host=listed, tls="server_name: localhost"))
        return made[-1].start(inside=inside)
    yield make
    for it in made:
        it.stop()


def where(it):
    """Which server a new session is on, and whether it takes writes there."""
    with it.psycopg(autocommit=True, connect_timeout=20) as connection:
        address, = connection.execute("SELECT host(inet_server_addr())").fetchone()
        recovering, = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return address, "standby" if recovering else "primary"


def writes(it):
    with contextlib.suppress(psycopg.Error), it.psycopg(autocommit=True, connect_timeout=20) as connection:
        connection.execute("INSERT INTO t VALUES (0)")
        return True
    return False


ON_PRIMARY, ON_STANDBY = ("127.0.0.2", "primary"), ("127.0.0.1", "standby")


@pytest.mark.parametrize("wants, place", [
    ("read-write", ON_PRIMARY), ("primary", ON_PRIMARY), ("read-only", ON_STANDBY), ("standby", ON_STANDBY),
    ("prefer-standby", ON_STANDBY), ("any", ON_STANDBY)])
def test_target_session_attrs_decide_the_host(pair, serve, wants, place):
    primary, standby = pair
    # The standby stands first, so that `any` shows the order.
    it = serve(primary, [at("127.0.0.1", standby), at("127.0.0.2", primary)], wants)
    assert where(it) == place
    start = [event for event in it.sallyport.audit("-c", it.config) if event["kind"] == "session_start"][-1]
    assert start["upstream_host"] == at(place[0], primary)


def test_prefer_standby_takes_the_primary_when_there_is_no_standby(pair, serve):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.1", standby), at("127.0.0.2", primary)], "prefer-standby", "min_ready: 0")
    standby.stop()
    assert where(it) == ON_PRIMARY


def test_a_name_with_two_addresses_is_searched_for_the_primary(pair, serve, base):
    require(subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0, "mount namespaces", ci_too=False)
    primary, _ = pair
    hosts = os.path.join(base, "hosts-" + uuid.uuid4().hex[:6])
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n127.0.0.2 localhost\n")
    it = serve(primary, "localhost", inside=("unshare", "-m", "sh", "-c", f'mount --bind {hosts} /etc/hosts && exec "$@"', "sh"))
    assert where(it) == ON_PRIMARY


def test_a_dead_first_host_is_passed_over(pair, serve):
    primary, _ = pair
    it = serve(primary, [f"127.0.0.1:{free_port()}", at("127.0.0.2", primary)])
    for _ in range(3):
        assert where(it) == ON_PRIMARY


def test_a_first_host_that_never_answers_costs_a_part_of_the_deadline_once(pair, serve):
    primary, _ = pair
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        it = serve(primary, [f"127.0.0.1:{hole.getsockname()[1]}", at("127.0.0.2", primary)], pool="min_ready: 0")
        assert where(it) == ON_PRIMARY
        clients = [it.psycopg(connect_timeout=3) for _ in range(4)]    # new logins: it is tried last for a while
        for client in clients:
            client.close()


def test_load_balance_spreads_sessions_over_the_hosts(pair, sallyport, pki, secret):
    """Two hosts that would both do: all logins go to the first, or to each some."""
    primary, standby = pair
    hosts = f'["{at("127.0.0.1", standby)}", "{at("127.0.0.2", primary)}"]'
    it = Service(sallyport, primary, pki, f"file:{sallyport.secret_file(secret)}", host=hosts, tls="server_name: localhost",
                 extra_target="    load_balance: off\n    pool: {min_ready: 0, max: 20}").start()
    try:
        def hosts_of(count):
            with contextlib.ExitStack() as stack:
                sessions = [stack.enter_context(it.psycopg(autocommit=True)) for _ in range(count)]
                return {s.execute("SELECT host(inet_server_addr())").fetchone()[0] for s in sessions}
        assert hosts_of(4) == {"127.0.0.1"}
        it.rewrite("load_balance: off", "load_balance: random")
        assert it.reload()
        assert hosts_of(18) == {"127.0.0.1", "127.0.0.2"}       # by chance one of them alone: once in 130,000
        standby.stop()
        assert hosts_of(8) == {"127.0.0.2"}
    finally:
        it.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_single_host_that_accepts_and_stays_silent_holds_nobody_longer_than_it_may_wait(serve, pg, mode):
    with socket.socket() as hole, ThreadPoolExecutor(6) as executor:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        hole.setblocking(False)
        it = serve(pg, [f"127.0.0.1:{hole.getsockname()[1]}"], "any", f"mode: {mode}, min_ready: 0, max: 2, wait_max: 2 s")
        started = time.monotonic()
        told = [each.result(30) for each in [executor.submit(it.refusal) for _ in range(6)]]
        assert time.monotonic() - started < 8
        for text in told:
            assert re.search(r"no server connection became free within 2 s: 0 of 2 are in use, [12] logins? (is|are) under way", text), text
        connections = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                hole.accept()[0].close()
                connections += 1
        assert 1 <= connections <= 2, "not one for each client"
        if not os.environ.get("SALLYPORT_SOAK"):
            return
        it.rewrite("wait_max: 2 s", "wait_max: 40 s")
        assert it.reload()
        started = time.monotonic()
        text = it.refusal()
        assert 13 < time.monotonic() - started < 25 and re.search(r"no answer within 15 s", text), text


def test_the_error_names_every_host_and_why_it_would_not_do(pair, serve):
    primary, standby = pair
    dead = free_port()
    it = serve(primary, [f"127.0.0.1:{dead}", at("127.0.0.1", standby)])
    with pytest.raises(psycopg.OperationalError) as told:
        it.psycopg()
    # In either order: a login ahead of demand may have found out already who is to be asked last.
    for host in (rf"127\.0\.0\.1:{dead}: connection refused",
                 rf"127\.0\.0\.1:{standby.port}: is a standby, target_session_attrs wants read-write"):
        assert re.search(host, str(told.value)), str(told.value)


def test_a_cancel_goes_to_the_host_of_its_session(pair, serve):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.1", standby), at("127.0.0.2", primary)])
    with it.psycopg(autocommit=True) as connection:
        threading.Timer(0.5, connection.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(20)")


def test_wrong_password_is_told_as_such_beside_a_dead_host(pair, serve, sallyport, pki):
    primary, _ = pair
    it = Service(sallyport, primary, pki, f"file:{sallyport.secret_file('wrong')}", tls="server_name: localhost",
                 host=f'["127.0.0.1:{free_port()}", "{at("127.0.0.2", primary)}"]').start()
    try:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            it.psycopg()
    finally:
        it.stop()


class Load:
    """pgbench, started again whenever it has ended, until it is told to stop; all that it printed."""

    def __init__(self, tmp_path, *arguments):
        script = tmp_path / "insert.sql"
        script.write_text("INSERT INTO t VALUES (1);\n")
        self.command = ["pgbench", "-n", "-c", "4", "-T", "120", "-f", str(script), *arguments]
        self.printed, self.over, self.process = "", False, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.printed += self.process.communicate()[0]
            time.sleep(0.1)

    def stop(self):
        self.over = True
        self.process.send_signal(signal.SIGINT)
        self.thread.join(20)
        return [line for line in self.printed.splitlines() if "error" in line.lower() or "FATAL" in line]


# What a direct connection of libpq with the same hosts is told too, in its words or in ours.
EXPECTED = re.compile("|".join([
    "terminating connection", "server closed the connection", "the database system is", "connection refused",
    "is a standby, target_session_attrs wants read-write", "session is read-only", "Connection refused",
    "server is in hot standby mode", "SSL SYSCALL error", "SSL error: unexpected eof", "Connection reset",
    "connection to client was lost", "server connection ended", "perhaps the backend died", "Run was aborted",
    "closed the connection in the middle of the login", "could not (send|receive)", "client .* aborted",
    "could not create connection", "connection pointer is NULL", "number of transactions", "latency", "is not accepting"]))


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_promoting_the_standby_under_load(pair, serve, tmp_path, mode):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.2", primary), at("127.0.0.1", standby)], pool=f"mode: {mode}, min_ready: 2, max: 8")
    load = Load(tmp_path, "-h", it.directory, "-p", str(it.port), "-U", "app", "app")
    wait_for(lambda: primary.sql("SELECT count(*) > 100 FROM t", database="app") == [(True,)], "the load to run")
    primary.stop(immediate=True)
    standby.promote()
    count = standby.sql("SELECT count(*) FROM t", database="app")
    wait_for(lambda: writes(it), "a write to arrive at the new primary", 15)
    wait_for(lambda: standby.sql("SELECT count(*) FROM t", database="app")[0][0] > count[0][0] + 200, "the load to go on", 20)
    errors = load.stop()
    assert [line for line in errors if not EXPECTED.search(line)] == []
    assert where(it) == ("127.0.0.1", "primary")
    assert "logins go to another server" in it.run.output
    done = subprocess.run([*load.command[:5], "3", *load.command[6:]], capture_output=True, text=True, check=False, timeout=60)
    assert re.search(r"number of failed transactions: 0 ", done.stdout), done.stdout + done.stderr


def test_the_primary_moves_there_and_back(pair, serve, pki):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.2", primary), at("127.0.0.1", standby)])
    assert where(it) == ON_PRIMARY
    primary.stop(immediate=True)
    standby.promote()
    wait_for(lambda: writes(it), "a write to arrive at the new primary", 15)
    again = Postgres(primary.folder + "2", pki, settings={"listen_addresses": "'127.0.0.2'"}, follows=standby, port=primary.port)
    try:
        assert where(it) == ("127.0.0.1", "primary")
        standby.wait_for_standby()
        standby.stop(immediate=True)
        again.promote()
        wait_for(lambda: writes(it), "a write to arrive at the first address again", 15)
        assert where(it) == ON_PRIMARY
    finally:
        again.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_connections_to_a_primary_that_was_cut_off_are_given_up(pair, serve, mode):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.2", primary), at("127.0.0.1", standby)], pool=f"mode: {mode}, min_ready: 1, max: 8")
    assert where(it) == ON_PRIMARY
    everybody = subprocess.run(["pgrep", "-P", str(primary.process.pid)], capture_output=True, text=True, check=True)
    pids = [primary.process.pid, *map(int, everybody.stdout.split())]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        standby.promote()
        # Whoever is given a connection that was ready before has a server that does not answer, as with a direct one.
        stuck = [threading.Thread(target=where, args=(it,), daemon=True) for _ in range(3)]
        for one in stuck:
            one.start()
        wait_for(lambda: writes_at_once(it), "a write to arrive at the new primary", 30)
        assert writes_at_once(it)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def writes_at_once(it):
    """As writes(), but never stuck with a server that does not answer."""
    done = []
    thread = threading.Thread(target=lambda: done.append(writes(it)), daemon=True)
    thread.start()
    thread.join(8)
    return done == [True]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_connection_that_refused_a_write_is_not_given_to_anybody_else(pair, serve, mode):
    primary, standby = pair
    it = serve(primary, [at("127.0.0.2", primary), at("127.0.0.1", standby)], pool=f"mode: {mode}, min_ready: 0, max: 1")

    def pid():
        with it.psycopg(autocommit=True) as connection:
            return connection.execute("SELECT pg_backend_pid()").fetchone()[0]
    first = pid()
    assert pid() == first
    with it.psycopg(autocommit=True) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("SET default_transaction_read_only = on" if mode == "session" else "SELECT 1")
        connection.execute("BEGIN READ ONLY")
        connection.execute("INSERT INTO t VALUES (1)")
    assert pid() != first
    assert writes(it)


def test_exec_takes_libpqs_lists(pair, sallyport, secret, pki):
    primary, standby = pair
    reference = (f"file:{sallyport.secret_file(secret)}?engine=postgresql&host=127.0.0.1,127.0.0.2&port={primary.port}"
                 f"&dbname=app&user=app&target_session_attrs=read-write&sslrootcert={pki.ca}&server_name=localhost")
    run = sallyport.exec(["psql", "-XAtqc", "SELECT host(inet_server_addr())"], reference).ok()
    assert run.stdout.strip() == "127.0.0.2"
    url = f"postgresql://app:{urllib.parse.quote(secret, safe='')}@127.0.0.1:{standby.port},127.0.0.2:{primary.port}/app"
    reference = (f"file:{sallyport.secret_file(url)}?engine=postgresql&target_session_attrs=primary"
                 f"&sslrootcert={pki.ca}&server_name=localhost")
    run = sallyport.exec(["psql", "-XAtqc", "SELECT host(inet_server_addr())"], reference).ok()
    assert run.stdout.strip() == "127.0.0.2"
