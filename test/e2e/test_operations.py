"""What an operator relies on: a pause and a drain that are seen through, connections that stand ready, limits that are told,
and a status that says how a target stands."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

import psycopg
import pytest
from prometheus_client import parser as prometheus

from harness.processes import wait_for
from harness.service import Service
from test_client_tls import TlsService


class Operated:
    """A service with its admin sockets, and its commands."""

    def __init__(self, sallyport, pg, pki, secret, kind=Service, **more):
        self.sallyport = sallyport
        self.folder = os.path.join(sallyport.folder, "sock")
        extra = f'admin: {{listen: "unix:{self.folder}/admin.http", socket: "{self.folder}/admin.sock"}}\n' + more.pop("extra", "")
        self.service = kind(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", extra=extra, **more)

    def start(self, **more):
        self.service.start(**more)
        self.service.run.until("serving")
        return self

    def command(self, *words, code=0):
        done = self.sallyport.run(*words, "-c", self.service.config)
        assert done.code == code, done.output
        return done

    def begin(self, *words):
        return self.sallyport.start(*words, "-c", self.service.config)

    def status(self):
        return json.loads(self.command("status", "--format", "json").stdout)

    def target(self):
        return self.status()["targets"][0]

    def metrics(self):
        time.sleep(0.2)     # one snapshot serves all who ask within 100 ms
        done = subprocess.run(["curl", "-s", "--max-time", "10", "--unix-socket", f"{self.folder}/admin.http", "http://localhost/metrics"],
                              capture_output=True, text=True, check=True)
        return {(sample.name, *sorted(sample.labels.items())): sample.value
                for family in prometheus.text_string_to_metric_families(done.stdout) for sample in family.samples}


@pytest.fixture
def operated(sallyport, pg, pki, secret):
    made = []

    def make(**more):
        made.append(Operated(sallyport, pg, pki, secret, **more))
        return made[-1]
    yield make
    for it in made:
        if it.service.run is not None:
            it.service.stop()


POOLS = {"session": "    pool: {wait_max: 60 s, max: 8}", "transaction": "    pool: {mode: transaction, wait_max: 60 s, max: 8}"}


class Writers:
    """Clients that write one row a transaction, and connect again when they are told to go."""

    def __init__(self, it, table, count=4):
        self.it, self.table, self.written, self.going, self.failures, self.told = it, table, 0, True, [], []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]
        for one in self.threads:
            one.start()

    def run(self):
        while self.going:
            try:
                connection = self.it.service.psycopg(autocommit=True)
            except psycopg.Error as error:
                self.failures.append(repr(error))
                return
            with contextlib.closing(connection):
                self.write(connection)

    def write(self, connection):
        while self.going:
            try:
                connection.execute(f"INSERT INTO {self.table} SELECT 1 FROM pg_sleep(0.02)")
            except psycopg.OperationalError as error:
                self.told.append(repr(error))     # between two transactions: as AdminShutdown, or when the next one is sent
                return
            with self.lock:
                self.written += 1

    def end(self):
        self.going = False
        for one in self.threads:
            one.join(30)


@pytest.mark.parametrize("mode, recipe", [
    ("transaction", [("pause", "main", "--wait=20s")]),
    ("session", [("pause", "main"), ("drain", "main", "--wait=20s")]),
    ("transaction", [("pause", "main"), ("drain", "main", "--wait=20s")])])
def test_behind_the_recipe_nothing_is_written_any_more(operated, pg, mode, recipe):
    it = operated(extra_target=POOLS[mode]).start()
    table = "moved"
    with pg.table(table, "n int"):
        writers = Writers(it, table)
        try:
            wait_for(lambda: writers.written > 20, "some rows to be written")
            for _ in range(3):
                for words in recipe:
                    said = it.command(*words).stdout
                assert "no server connection is in use any more" in said
                assert it.target()["in_use"] == 0
                busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle' AND query LIKE 'INSERT%'"
                assert pg.sql(busy) == [(0,)]
                rows = pg.sql(f"SELECT count(*) FROM {table}", database="app")
                time.sleep(0.5)
                assert pg.sql(f"SELECT count(*) FROM {table}", database="app") == rows
                it.command("reconnect", "main")
                it.command("resume", "main")
                before = writers.written
                wait_for(lambda: writers.written > before + 10 or writers.failures, "the writers to go on")
        finally:
            it.command("resume")
            writers.end()
        assert not writers.failures, writers.told
        assert pg.sql(f"SELECT count(*) FROM {table}", database="app") == [(writers.written,)]


def test_a_wait_ends_at_its_deadline_and_says_how_many_are_left(operated):
    it = operated(extra_target=POOLS["session"]).start()
    with it.service.psycopg() as busy, it.service.psycopg() as other:
        for one in (busy, other):
            one.execute("SELECT 1")
        late = it.command("pause", "main", "--wait=1s", code=1)
        assert "main: 2 server connections are in use after 1 s" in late.stderr and "sallyport drain" in late.stderr
        it.command("resume", "main")
        late = it.command("drain", "main", "--wait=1s", code=1)
        assert "main: 2 sessions have not ended after 1 s" in late.stderr
        waits = it.begin("drain", "main", "--wait=30s")
        assert it.target()["ending"] == 2, "others are answered meanwhile"
        for one in (busy, other):
            one.commit()
        assert waits.wait().code == 0 and "all sessions that were told have ended" in waits.stdout
    assert it.target()["ending"] == 0
    wrong = it.command("pause", "main", "--wait=soon", code=2)
    assert "--wait: is no duration" in wrong.stderr


def test_a_resume_ends_the_wait_of_a_pause(operated):
    it = operated(extra_target=POOLS["session"]).start()
    with it.service.psycopg() as busy:
        busy.execute("SELECT 1")
        waits = it.begin("pause", "main", "--wait")
        wait_for(lambda: it.target()["paused"], "the pause")
        it.command("resume")
        assert waits.wait().code == 2
        assert "the pause was ended meanwhile" in waits.stderr


def backends(pg):
    return sorted(pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'"))


@pytest.mark.parametrize("allow, ahead", [("[{user: root}]", True), ("[{group: root}]", False)])
def test_connections_of_who_is_known_to_come_stand_ready_before_anybody_does(operated, pg, allow, ahead):
    it = operated(allow=allow, extra_target="    pool: {min_ready: 2, max: 5}").start()
    if not ahead:
        time.sleep(2)
        assert backends(pg) == [], "who is of a group is not known before it comes"
        return
    wait_for(lambda: len(backends(pg)) == 2, "two connections to stand ready")
    ready = backends(pg)
    assert int(it.service.psql("SELECT pg_backend_pid()").stdout) in [pid for pid, in ready], "the first client waits for no login"
    it.service.rewrite("max: 5", "max: 6")
    assert it.service.reload()
    wait_for(lambda: len(backends(pg)) == 2 and not set(backends(pg)) & set(ready), "the new pool's connections")


def test_shared_by_role_they_stand_ready_for_whoever_comes(operated, pg):
    pool = '    pool: {mode: transaction, min_ready: 2, max: 5, share: role, share_reason: "one application"}'
    it = operated(allow="[{group: root}]", extra_target=pool).start()
    wait_for(lambda: len(backends(pg)) == 2, "two connections to stand ready")
    said = it.target()["pooling"]
    assert said == {"mode": "transaction", "on_session_state": "pin", "share": "role", "share_reason": "one application"}
    assert "transaction, pin, shared by role: one application" in it.command("status").stdout


def test_status_says_which_host_serves_and_which_is_backed_off(sallyport, pg, pki, secret):
    it = Operated(sallyport, pg, pki, secret, host='["localhost:1", localhost]',
                  extra_target="    pool: {min_ready: 0}").start()
    try:
        assert [host["state"] for host in it.target()["hosts"]] == ["untried", "untried"]
        assert it.service.psql("SELECT 1").stdout == "1\n"

        def hosts():
            """Each login that comes back to the dead host doubles its back-off."""
            it.command("reconnect")
            assert it.service.psql("SELECT 1").stdout == "1\n"
            found = it.target()["hosts"]
            return found if "backed_off_s" in found[0] else None
        dead, alive = wait_for(hosts, "a back-off that lasts until the status is asked for", 60)
        assert dead["host"] == "localhost:1" and dead["state"] == "failed"
        assert 0 < dead["backed_off_s"] <= 60 and dead["backed_off_until"].endswith("Z")
        assert alive == {"host": f"localhost:{pg.port}", "state": "serving"}
        text = it.command("status").stdout
        assert re.search(r"main +localhost:1 +failed", text) and re.search(rf"localhost:{pg.port} +serving", text)
        assert it.target()["pooling"] == {"mode": "session", "share": "identity"}
    finally:
        it.service.stop()


def test_one_client_more_than_may_be_is_told_so(operated):
    it = operated(kind=TlsService, extra="limits: {clients_max: 3}\n").start()
    held = [it.service.psycopg() for _ in range(3)]
    began = time.monotonic()
    for _ in range(12):
        refused = it.service.psql("SELECT 1")
        assert refused.returncode == 2 and "too many clients are connected already" in refused.stderr, refused
    with pytest.raises(psycopg.OperationalError) as told:
        psycopg.connect(it.service.dsn())
    # What comes before TLS cannot be trusted: a newer libpq says that there was an error, an older one which.
    assert re.search("server sent an error response during SSL exchange|too many clients are connected already", str(told.value))
    for _ in range(100):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(it.service.socket)
            assert b"C53300" in one.recv(4096)
    metrics = it.metrics()
    assert metrics[("sallyport_connections_beyond_max_total",)] == 113
    assert metrics[("sallyport_connections_max",)] == 3
    assert metrics[("sallyport_connections_turned_away_total",)] == 0
    it.service.rewrite("clients_max: 3", "clients_max: 4")
    assert it.service.reload()
    assert it.service.psql("SELECT 1").stdout == "1\n"
    for one in held:
        one.close()
    it.service.stop()
    denied = [row for row in it.sallyport.audit("--dir", it.service.audit_directory, "--kind", "session_denied")]
    assert sum(row.get("count", 1) for row in denied) == 113
    lines = it.service.run.output.count("there are as many as may be")
    assert 1 <= lines <= time.monotonic() - began + 2, "one a second at most"


def test_limits_of_the_configuration_have_reasons_of_their_own(operated):
    it = operated(allow="[{user: root, connections_max: 1}]")
    it.service.rewrite("    allow:", "    connections_per_second_max: 3\n    allow:")
    it.start()
    with it.service.psycopg() as held:
        held.execute("SELECT 1")
        assert "53300" not in it.service.psql("SELECT 1").stdout
    wait_for(lambda: it.target()["sessions"] == 0, "the session to end")
    refused = [it.service.psql("SELECT 1").returncode for _ in range(12)]
    metrics = it.metrics()
    route = ("route", f"unix:{it.service.directory}:5432")
    count = lambda reason: metrics.get(("sallyport_refusals_total", ("at", "policy"), ("reason", reason), route), 0)  # noqa: E731
    assert count("identity_connections_max") >= 1
    assert count("connections_per_second_max") == refused.count(2) - (count("identity_connections_max") - 1)
    assert count("limit_exceeded") == 0


def test_metrics_tell_latencies_and_what_the_process_takes(operated):
    it = operated().start()
    for _ in range(3):
        it.service.psql("SELECT 1")
    metrics = it.metrics()
    assert metrics[("sallyport_client_login_seconds_count", ("route", f"unix:{it.service.directory}:5432"), ("target", "main"))] == 3
    assert metrics[("sallyport_credential_fetch_seconds_count", ("role", "default"), ("target", "main"))] >= 1
    with open(f"/proc/{it.service.run.pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    assert 0.5 * resident < metrics[("process_resident_memory_bytes",)] < 2 * resident
    assert 10 < metrics[("process_open_fds",)] < 200 <= metrics[("process_max_fds",)]
    assert 0 < metrics[("process_cpu_seconds_total",)] < 60


def test_a_flood_of_one_line_is_told_also_when_silence_follows(operated):
    it = operated(host='["localhost:1", "localhost:2"]', extra_target="    pool: {min_ready: 0}").start()
    for _ in range(25):
        assert it.service.psql("SELECT 1").returncode == 2
    line = "no host would do"
    wait_for(lambda: re.search(line + '.*repeated', it.service.run.output), "the count to be told", 30)
    assert it.service.run.output.count(line) < 25
