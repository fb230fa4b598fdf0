"""OpenBao away, slow or talking nonsense while sessions are live and a renewal is due: what is valid goes on being used,
what is not is refused in clear words, and when OpenBao is back all is well without a restart."""

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import skip_here
from harness.manager_proxy import ManagerProxy
from harness.processes import wait_for
from harness.service import Service

from test_openbao_faults import Dialogue

pytestmark = pytest.mark.alone     # needs the processors for itself


def fresh_leases(proxy):
    """How often a lease was made or renewed."""
    return sum(status == 200 and (path.endswith("sys/leases/renew") or "database/creds/" in path)
               for _, path, status in list(proxy.replies))


def while_the_lease_is_valid(kind, talk, proxy, pg):
    """The fault is there when the renewal is due, and over before the lease ends: nobody notices."""
    proxy.fault(kind)
    wait_for(lambda: proxy.asked_in_fault, "a renewal to be tried", 40)
    assert talk.ask("old") == "alive"
    assert talk.ask("new") == talk.user, "the credential that is still valid"
    before = fresh_leases(proxy)
    proxy.mend()
    wait_for(lambda: fresh_leases(proxy) > before, "the lease to be renewed or replaced when OpenBao is back")
    assert talk.ask("old") == "alive" and talk.ask("new").startswith("v-")


def beyond_the_leases_end(kind, talk, proxy, pg):
    proxy.fault(kind)
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", talk.user), "the lease to end", 40)
    refused = talk.ask("new")
    assert refused.startswith("error") and f"localhost:{proxy.port}" in refused, refused
    assert re.search("refused" if kind == "down" else "JSON", refused), refused
    proxy.mend()
    wait_for(lambda: talk.ask("new").startswith("v-"), "new sessions when OpenBao is back", 40)


CASES = [(while_the_lease_is_valid, "reset", "24s"), (while_the_lease_is_valid, "slow", "24s"),
         (while_the_lease_is_valid, "garbage", "24s"), (beyond_the_leases_end, "down", "3s"),
         (beyond_the_leases_end, "garbage", "3s")]


def test_faults_while_sessions_are_live(sallyport, bao, pg, pki, vault_url):
    """All at once, each with a proxy and a run of its own: most of it is waiting for leases to grow old."""
    def play(case):
        act, kind, ttl = case
        role = f"{act.__name__.split('_')[0]}-{kind}"
        bao.role(role, ttl=ttl, max_ttl="1h")
        with ManagerProxy(bao, pki) as proxy:
            talk = Dialogue(sallyport, vault_url(role), {**proxy.environment, "VAULT_TOKEN": bao.token()})
            try:
                act(kind, talk, proxy, pg)
            finally:
                ended = talk.end()
            ended.ok()
    with ThreadPoolExecutor(len(CASES)) as pool:
        played = [(case, pool.submit(play, case)) for case in CASES]
    wrong = [f"{act.__name__} {kind}: {future.exception()!r}" for (act, kind, _), future in played if future.exception()]
    assert not wrong, "\n".join(wrong)


# What a session is told that cannot go on or begin without a credential.
WORDS = ("the credential of this session has ended|no (usable )?credential|has expired already|could not be fetched|"
         "connection refused|JSON|no server connection became free|is shutting down")


class Load:
    """Eight clients, of transactions of two statements."""

    def __init__(self, it):
        self.it, self.over = it, threading.Event()
        self.done, self.refused, self.cut, self.told = 0, 0, [], []
        self.threads = [threading.Thread(target=self._run) for _ in range(8)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def _run(self):
        while not self.over.is_set():
            try:
                with self.it.psycopg(autocommit=True, connect_timeout=20) as connection:
                    self._use(connection)
            except psycopg.OperationalError as error:
                self.refused += 1
                self.told.append(str(error))
                time.sleep(0.2)

    def _use(self, connection):
        while not self.over.is_set():
            try:
                connection.execute("BEGIN")
            except psycopg.OperationalError as error:
                return self.told.append(str(error))
            try:
                connection.execute("SELECT 1")
                connection.execute("COMMIT")
            except psycopg.OperationalError as error:
                return self.cut.append(str(error))
            self.done += 1
            time.sleep(0.02)


@pytest.mark.parametrize("mode, pool", [("transaction", "max: 4, min_ready: 1"), ("session", "max: 12, min_ready: 1")],
                         ids=["transaction", "session"])
@pytest.mark.parametrize("kind", ["down", "garbage"])
def test_serve_over_an_outage_that_lasts_longer_than_the_lease(sallyport, bao, pg, pki, mode, pool, kind):
    """No transaction is cut: who has none open is told at the end of the credential, or when it wants the next connection. When
    OpenBao is back everybody is served, and of the outage nothing is left."""
    bao.role("outlasted", ttl="4s", max_ttl="6s")
    with ManagerProxy(bao, pki) as proxy:
        it = Service(sallyport, pg, pki, "vault:database/creds/outlasted", user=None,
                     extra_target=f"    pool: {{mode: {mode}, {pool}, wait_max: 3 s}}")
        it.start(env={**proxy.environment, "VAULT_TOKEN": bao.token()})
        load = Load(it)
        try:
            wait_for(lambda: load.done > 50, "the load to run")
            proxy.fault(kind)
            began = time.monotonic()
            wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname LIKE 'v-%outlasted%'"), "the leases to end", 40)
            wait_for(lambda: load.refused >= 4, "new sessions to be refused", 40)
            proxy.mend()
            back = load.done
            wait_for(lambda: load.done > back + 50, "the load to go on when OpenBao is back", 60)
        finally:
            load.stop()
        assert load.cut == [], "in the middle of a transaction"
        assert [told for told in load.told if not re.search(WORDS, told)] == []
        reasons = ("the credential of this session has ended", "localhost", "no credential to log in with")
        assert any(reason in told for told in load.told for reason in reasons), load.told[:20]
        assert time.monotonic() - began < 90
        most = 4 if mode == "transaction" else 12
        wait_for(lambda: len(pg.sql("SELECT 1 FROM pg_stat_activity WHERE usename LIKE 'v-%outlasted%'")) <= most,
                 "the pool's connections and no others")
        it.stop()
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_stat_activity WHERE usename LIKE 'v-%outlasted%'"), "the connections to end")


@pytest.mark.timeout(300)
def test_a_source_that_was_down_for_long_is_found_as_soon_as_somebody_waits(sallyport, bao, pg, pki):
    """Nobody came meanwhile: its next turn would be up to a minute away."""
    if not os.environ.get("SALLYPORT_SOAK"):
        skip_here("./dev soak runs it")
    bao.role("long", ttl="3s", max_ttl="1h")
    with ManagerProxy(bao, pki) as proxy:
        it = Service(sallyport, pg, pki, "vault:database/creds/long", user=None)
        it.start(env={**proxy.environment, "VAULT_TOKEN": bao.token()})
        with it.psycopg(connect_timeout=30) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
        proxy.fault("down")
        time.sleep(80)      # attempts at 0.5, 1, 2, 4, … 64 s, and then at 124
        proxy.mend()
        began = time.monotonic()
        with it.psycopg(connect_timeout=60) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)
        assert time.monotonic() - began < 12
        it.stop()
