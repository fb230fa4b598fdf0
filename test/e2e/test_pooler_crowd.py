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
from harness.processes import wait_for
from harness.raw_client import RawClient
from harness.service import Service

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
SECONDS = 60 if SOAK else 10


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


@pytest.mark.timeout(300)
def test_300_busy_and_2000_idle_clients_on_eight_connections(pooled, pg, tables, many_descriptors):
    it = pooled("transaction", "max: 8, min_ready: 8", descriptors=many_descriptors)
    with RawClient.of(it) as first:     # connections are logged in ahead for whom is known
        assert first.one("SELECT 1") == "1"
    wait_for(lambda: len(server_connections(pg)) == 8, "the pool to be ready")
    idle = [RawClient.of(it) for _ in range(2000)]
    busiest, over = [0], threading.Event()

    def watch():
        while not over.is_set():
            busiest[0] = max(busiest[0], len(server_connections(pg)))
            time.sleep(0.2)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        assert pgbench(it, "-S", "-c", "300", "-j", "2", seconds=SECONDS // 2) > 300
        assert pgbench(it, "-S", "-M", "prepared", "-c", "300", "-j", "2", seconds=SECONDS // 2) > 300
    finally:
        over.set()
        watching.join()
    assert {client.one("SELECT 1") for client in idle} == {"1"}
    assert busiest[0] == 8 == len(server_connections(pg))
    for client in idle:
        client.close()
    time.sleep(0.5)
    assert len(server_connections(pg)) == 8
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
            assert pgbench(it, "-c", "64", "-j", "2", *words) > 64
            made, left = len(passwords()), len(passwords(alive=True))
            assert made >= 3 and left < made, (made, left)
        finally:
            it.stop()
    wait_for(lambda: not server_connections(pg, "usename LIKE 'v-%'"), "the server's connections to end")
