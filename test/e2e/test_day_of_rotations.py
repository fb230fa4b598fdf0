"""A day of rotations in minutes: credentials that live six seconds, clients that come and go, server processes that are killed; or
credentials that live a little longer, and a secret source that is away, slow or out of its mind for less time than a lease has left.

A transaction may end with its server process when that is killed. For no other reason does any fail, and what was committed is there.
The short form takes seconds; ./dev soak runs a hundred rotations in each pool mode and prints the figures."""

import contextlib
import os
import random
import threading
import time

import psycopg
import pytest

from conftest import skip_here
from harness.manager_proxy import ManagerProxy
from harness.openbao import REMEMBERING, remembered
from harness.processes import resident_kb, wait_for
from harness.service import Service

pytestmark = pytest.mark.alone     # needs the processors for itself

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
SECONDS = int(os.environ.get("SALLYPORT_DAY_SECONDS", "480" if SOAK else "12"))
CLIENTS = 24
OUTAGES = ["down", "reset", "slow", "garbage"]


class Client:
    """Sessions one after another, of transactions that are counted here and in the database."""

    def __init__(self, it, number, over):
        self.it, self.number, self.over = it, number, over
        self.random = random.Random(number)
        self.sessions = self.committed = 0
        self.lost = []          # (when, what it was told) of a server process that ended under it
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over.is_set():
            try:
                self._session()
            except psycopg.Error as error:
                self.lost.append((time.monotonic(), f"{error.sqlstate} {error}".strip().replace("\n", " ")))

    def _session(self):
        with self.it.psycopg(connect_timeout=30) as connection:
            self.sessions += 1
            # A session in session pooling lives over several credentials.
            for _ in range(self.random.choice((3, 50, 400))):
                if self.over.is_set():
                    return
                connection.execute("INSERT INTO day VALUES (%s, %s)", (self.number, self.committed))
                connection.execute("SELECT count(*) FROM pgbench_branches", prepare=True).fetchone()
                connection.commit()
                self.committed += 1
                time.sleep(self.random.random() * 0.05)


class Trouble:
    """One thing after another, each over before the next."""

    def __init__(self, pg, proxy, over, outages):
        self.pg, self.proxy, self.over, self.with_outages = pg, proxy, over, outages
        self.kills, self.outages = [], 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        dice = random.Random(7)
        while not self.over.wait(dice.uniform(1, 2)):
            if not self.with_outages or dice.random() < 0.5:
                self._kill()
            else:
                self.outages += 1
                self.proxy.fault(OUTAGES[self.outages % len(OUTAGES)])
                self.over.wait(1)
                self.proxy.mend()

    def _kill(self):
        with contextlib.suppress(psycopg.Error):
            when = time.monotonic()
            self.kills += [when for killed, in self.pg.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'v-%%day%%' "
                "AND backend_type = 'client backend' ORDER BY random() LIMIT 1") if killed]


def unexplained(lost, kills):
    """Those that no kill of shortly before explains; each kill explains one."""
    left = sorted(kills)
    wrong = []
    for when, told in sorted(lost):
        near = [kill for kill in left if kill <= when < kill + 3]
        if near:
            left.remove(near[0])
        else:
            wrong.append(told)
    return wrong


# (time to live of a lease, of a credential, whether the source has its outages). A successor is fetched when 15 % of a life are left:
# an outage, and an answer that is two seconds late, have to be over by then.
LIVES = [("3s", "6s", False), ("15s", "30s", True)]


@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("life", LIVES, ids=["six-seconds", "with-outages"])
@pytest.mark.parametrize("mode, pool, most", [("transaction", "max: 8, min_ready: 2", 8), ("session", "max: 32, min_ready: 2", 32)],
                         ids=["transaction", "session"])
def test_a_day_of_rotations_fails_no_transaction_and_leaks_nothing(sallyport, bao, pg, pki, tables, figures, mode, pool, most, life):
    ttl, max_ttl, outages = life
    if outages and not SOAK:
        skip_here("./dev soak runs it")
    bao.role("day", ttl=ttl, max_ttl=max_ttl, create=REMEMBERING)
    pg.sql("CREATE TABLE day (client int, number int, PRIMARY KEY (client, number)); ALTER TABLE day OWNER TO app_owner", database="app")
    over = threading.Event()
    try:
        with remembered(pg) as passwords, ManagerProxy(bao, pki) as proxy:
            it = Service(sallyport, pg, pki, "vault:database/creds/day", user=None,
                         extra_target=f"    pool: {{mode: {mode}, {pool}}}\n    run_as: app_owner")
            it.start(env={**proxy.environment, "VAULT_TOKEN": bao.token()})
            clients = [Client(it, number, over) for number in range(CLIENTS)]
            trouble = Trouble(pg, proxy, over, outages)
            time.sleep(SECONDS * 0.25)
            before = resident_kb(it.run.pid)
            time.sleep(SECONDS * 0.75)
            over.set()
            for each in (*clients, trouble):
                each.thread.join(60)
            proxy.mend()
            after = resident_kb(it.run.pid)
            # Moves have a connection more for a moment.
            wait_for(lambda: len(connections(pg)) <= most, f"at most {most} server connections: {connections(pg)}", 15)
            it.stop()
            wait_for(lambda: not connections(pg), "the server's connections to end")
            made = len(passwords())
            wait_for(lambda: not bao.leases("day"), "the leases to be given back", 30)
        committed = sum(client.committed for client in clients)
        lost = [one for client in clients for one in client.lost]
        rows = pg.sql("SELECT count(*) FROM day", database="app")[0][0]
        print(it.run.output[-6000:])
        figures(f"{SECONDS} s, {sum(c.sessions for c in clients)} sessions, {committed} transactions, {made} users made and dropped, "
                f"{trouble.outages} outages of the secret source, {len(trouble.kills)} server processes killed, {len(lost)} transactions "
                f"ended with them, {len(unexplained(lost, trouble.kills))} failed otherwise, 0 server connections left, "
                f"resident {before} kB after a quarter, {after} kB at the end")
        assert unexplained(lost, trouble.kills) == []
        assert committed <= rows <= committed + len(lost), "whether a COMMIT was done that was not answered nobody can know"
        assert made >= SECONDS / int(max_ttl[:-1]) - 1 and committed > CLIENTS * SECONDS
        assert after < before * 1.25 + 4096, f"{before} kB, then {after} kB"
    finally:
        over.set()
        pg.sql("DROP TABLE day", database="app")


def connections(pg):
    return pg.sql("SELECT usename, state FROM pg_stat_activity WHERE usename LIKE 'v-%%day%%'")
