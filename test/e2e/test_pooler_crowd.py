"""Crowds on few server connections: no transaction fails, no connection leaks, also while the credential changes and
the users that were in use are dropped."""

import os
import re
import resource
import subprocess
import threading
import time

import pytest

from conftest import skip_here
from harness.openbao import REMEMBERING, remembered
from harness.processes import resident_kb, wait_for
from harness.raw_client import RawClient
from harness.service import Service

pytestmark = pytest.mark.alone     # needs the processors for itself

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
SECONDS = 60 if SOAK else 10
IDLE = 5000 if SOAK else 2000


def pgbench(it, *words, seconds=SECONDS):
    run = subprocess.run(["pgbench", "-n", "-h", it.directory, "-p", str(it.port), "-U", "app", "-T", str(seconds), *words, "app"],
                         capture_output=True, text=True, timeout=seconds + 90)
    assert run.returncode == 0, run.stdout[-1500:] + run.stderr[-3000:]
    assert "number of failed transactions: 0 " in run.stdout, run.stdout
    return int(re.search(r"transactions actually processed: (\d+)", run.stdout).group(1))


def server_connections(pg, users="usename = 'app'"):
    return pg.sql(f"SELECT pid FROM pg_stat_activity WHERE {users}")


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Watch:
    """How many server connections there were at most."""

    def __init__(self, pg, users="usename = 'app'"):
        self.pg, self.users, self.most, self.over = pg, users, 0, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.is_set():
            self.most = max(self.most, len(server_connections(self.pg, self.users)))
            time.sleep(0.2)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.mark.timeout(600)
def test_300_busy_and_thousands_of_idle_clients_on_eight_connections(pooled, pg, tables, many_descriptors, figures):
    it = pooled("transaction", "max: 8, min_ready: 8", descriptors=many_descriptors)
    with RawClient.of(it) as first:     # connections are logged in ahead for whom is known
        assert first.one("SELECT 1") == "1"
    wait_for(lambda: len(server_connections(pg)) == 8, "the pool to be ready")
    alone = resident_kb(it.run.pid)
    idle = [RawClient.of(it) for _ in range(IDLE)]
    with_idle = resident_kb(it.run.pid)
    with Watch(pg) as watch:
        done = [pgbench(it, "-S", *words, "-c", "300", "-j", "2", seconds=SECONDS // 2) for words in ([], ["-M", "prepared"])]
    assert min(done) > 300
    before = resident_kb(it.run.pid)
    assert {client.one("SELECT 1") for client in idle} == {"1"}
    assert watch.most == 8 == len(server_connections(pg))
    for client in idle:
        client.close()
    wait_for(lambda: sessions_ended(it) >= IDLE, "the sessions' ends to be recorded", 60)
    assert len(server_connections(pg)) == 8
    # As many again: what the first ones left behind is used, and no more is taken.
    for client in [RawClient.of(it) for _ in range(IDLE)]:
        assert client.one("SELECT 1") == "1"
        client.close()
    after = resident_kb(it.run.pid)
    figures(f"{2 * IDLE + 600} sessions, {sum(done)} transactions of 300 busy clients beside {IDLE} idle ones, 0 failed, at most "
            f"{watch.most} server connections, resident {alone} kB alone, {with_idle} kB with the idle ones, {before} kB with all, "
            f"{after} kB after as many again")
    assert after < before * 1.1 + 4096, f"{before} kB, then {after} kB"
    it.stop()
    wait_for(lambda: not server_connections(pg), "the server's connections to end")


def sessions_ended(it):
    return len(it.sallyport.audit("-c", it.config, "--kind", "session_end", "--limit", str(3 * IDLE)))


@pytest.mark.timeout(600)
def test_300_clients_that_come_and_go_share_session_poolings_connections(pooled, pg, tables, many_descriptors, figures):
    """Each transaction on a session of its own: who finds no connection waits for the next that comes free. A thread for each:
    pgbench's clients of one thread wait for one another while one connects."""
    it = pooled("session", "max: 16, min_ready: 4", descriptors=many_descriptors)
    with Watch(pg) as watch:
        first = pgbench(it, "-S", "-C", "-c", "300", "-j", "300", seconds=SECONDS // 2)
        before = resident_kb(it.run.pid)
        second = pgbench(it, "-S", "-C", "-c", "300", "-j", "300", seconds=SECONDS // 2)
    after = resident_kb(it.run.pid)
    figures(f"{first + second} sessions of one transaction, 0 failed, at most {watch.most} server connections, resident {before} kB, "
            f"then {after} kB")
    assert min(first, second) > 300 and watch.most <= 16
    assert after < before * 1.1 + 4096, f"{before} kB, then {after} kB"
    wait_for(lambda: len(server_connections(pg)) <= 16, "no more than the pool's connections")
    it.stop()
    wait_for(lambda: not server_connections(pg), "the server's connections to end")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode, words, in_ci", [
    ("transaction", ["-S"], False), ("transaction", ["-S", "-M", "prepared"], True), ("transaction", ["-M", "prepared"], False),
    ("session", ["-S"], True), ("session", ["-S", "-M", "prepared"], False)],
    ids=["simple", "prepared", "tpcb", "session", "session-prepared"])
def test_users_are_dropped_under_64_clients_and_no_transaction_fails(sallyport, bao, pg, pki, tables, mode, words, in_ci):
    if not SOAK and not in_ci:
        skip_here("./dev soak runs it")
    bao.role("crowd", ttl="3s", max_ttl="6s", create=REMEMBERING)
    with remembered(pg) as passwords:
        pool = "max: 8" if mode == "transaction" else "max: 64"
        it = Service(sallyport, pg, pki, "vault:database/creds/crowd", user=None, extra_target=f"    pool: {{mode: {mode}, {pool}}}")
        it.start(env=bao.environment(bao.token()))
        try:
            # A thread for each where several statements make a transaction: pgbench 15 prepares with PQprepare, and where its
            # clients of one thread hold all connections, it would wait for itself (through PgBouncer, too).
            threads = "2" if "-S" in words else "64"
            assert pgbench(it, "-c", "64", "-j", threads, *words) > 64
            made, left = len(passwords()), len(passwords(alive=True))
            assert made >= 3 and left < made, (made, left)
        finally:
            it.stop()
    wait_for(lambda: not server_connections(pg, "usename LIKE 'v-%'"), "the server's connections to end")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode, pool, words", [
    ("transaction", "max: 8, min_ready: 4", ["-S", "-j", "2"]), ("session", "max: 16, min_ready: 4", ["-S", "-C", "-j", "300"])],
    ids=["transaction", "session"])
def test_users_are_dropped_while_300_clients_stand_in_the_queue(sallyport, bao, pg, pki, tables, many_descriptors, mode, pool, words):
    bao.role("queue", ttl="3s", max_ttl="6s", create=REMEMBERING)
    with remembered(pg) as passwords:
        it = Service(sallyport, pg, pki, "vault:database/creds/queue", user=None,
                     extra_target=f"    pool: {{mode: {mode}, {pool}}}")
        it.start(env=bao.environment(bao.token()), descriptors=many_descriptors)
        try:
            with Watch(pg, "usename LIKE 'v-%'") as watch:
                assert pgbench(it, "-c", "300", *words) > 300
            # Old and new ones side by side, of `max` each at most.
            assert watch.most <= 2 * int(re.search(r"max: (\d+)", pool).group(1)), watch.most
            made, left = len(passwords()), len(passwords(alive=True))
            assert made >= 3 and left < made, (made, left)
        finally:
            it.stop()
    wait_for(lambda: not server_connections(pg, "usename LIKE 'v-%'"), "the server's connections to end")
