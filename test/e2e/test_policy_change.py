"""A reload that changes who may come in: whom the new policy refuses does not stay by having come earlier (threat 14)."""

import os
import pwd
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.processes import wait_for
from harness.service import Service


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(**more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}",
                       **{"allow": "[{user: root}, {user: postgres}]", **more})
    return make


class OtherSession:
    """psql as another account of this machine, which is asked line by line."""

    def __init__(self, it, account):
        entry = pwd.getpwnam(account)
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "VERBOSITY=verbose", "-h", it.directory, "-U", "app", "-d", "app"], cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])

    def ask(self, statement):
        self.process.stdin.write(statement + ";\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        """What it has printed to standard error."""
        return self.process.communicate(timeout=20)[1]


def changes(sallyport, it):
    return [row["reason"] for row in sallyport.audit("-c", it.config, "--kind", "policy_changed")]


def test_an_identity_that_a_reload_removes_is_ended_after_its_transaction_and_others_go_on(service, sallyport):
    it = service().start()
    removed = it.psycopg()
    stays = OtherSession(it, "postgres")
    heard = []      # libpq takes what arrives together with the commit's answer for a notice
    removed.add_notice_handler(lambda notice: heard.append(notice.sqlstate))
    removed.execute("CREATE TEMP TABLE kept (n int)")
    assert stays.ask("SELECT 'hello'") == "hello"
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86400))
    it.rewrite("[{user: root}, {user: postgres}]", "[{user: postgres}]")
    it.rewrite("tls: {", f'tls: {{mode: verify-ca, reason: test, until: "{soon}", ')
    assert it.reload(), it.run.output
    assert "refuses live sessions" in it.run.output
    assert removed.execute("SELECT 'in the transaction'").fetchone() == ("in the transaction",)
    removed.commit()
    with pytest.raises(psycopg.OperationalError) as told:
        removed.execute("SELECT 1")
    assert "57P01" in [*heard, told.value.sqlstate], told.value
    assert it.psql("SELECT 1").returncode == 2
    assert stays.ask("SELECT 'still'") == "still"
    assert stays.end() == ""
    it.stop()
    assert changes(sallyport, it) == [
        f"target main changed, its TLS weaker than before, route unix:{it.directory}:5432 changed"]
    kinds = [row["kind"] for row in sallyport.audit("-c", it.config)]
    assert kinds.index("policy_changed") < kinds.index("session_end"), "the reason stands before what came of it"


def test_an_idle_session_of_a_removed_identity_is_ended_at_once(service):
    it = service().start()
    removed = OtherSession(it, "postgres")
    stays = it.psycopg(autocommit=True)
    assert removed.ask("SELECT 'hello'") == "hello"
    it.rewrite("[{user: root}, {user: postgres}]", "[{user: root}]")
    assert it.reload()
    removed.ask("SELECT 1")
    assert "57P01" in removed.end()
    assert stays.execute("SELECT 'still'").fetchone() == ("still",)
    stays.close()
    it.stop()


def test_sessions_of_a_route_that_is_removed_are_ended(service):
    it = service()
    route = it.add_route(5433)
    it.start()
    removed = psycopg.connect(host=it.directory, port=5433, user="app", dbname="app", autocommit=True)
    stays = it.psycopg(autocommit=True)
    it.rewrite(route, "")
    assert it.reload()
    with pytest.raises(psycopg.OperationalError) as told:
        removed.execute("SELECT 1")
    assert told.value.sqlstate == "57P01", told.value
    assert stays.execute("SELECT 'still'").fetchone() == ("still",)
    stays.close()
    it.stop()


def test_a_statement_that_does_not_end_is_cut_off_after_the_grace(service, pg):
    it = service(extra="reload: {grace: 3 s}").start()
    removed = it.psycopg(autocommit=True)
    it.rewrite("[{user: root}, {user: postgres}]", "[{user: postgres}]")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(removed.execute, "SELECT pg_sleep(60)")
        time.sleep(0.5)
        begun = time.monotonic()
        assert it.reload()
        with pytest.raises(psycopg.OperationalError) as told:
            waiting.result(45)
    assert told.value.sqlstate == "57P01", told.value
    assert 2.5 < time.monotonic() - begun < 15
    wait_for(lambda: not pg.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'"),
             "the statement to be cancelled on the server", seconds=10)
    it.stop()


def test_what_a_reload_cannot_apply_is_said_and_recorded(service, sallyport):
    it = service().start()
    it.rewrite("audit: {", "audit: {durability: power, ")
    it.rewrite("state/state.db", "elsewhere/state.db")
    says = "audit.durability, state changed: needs a restart"
    for _ in range(2):
        assert it.reload()
    assert it.run.output.count(says) == 2, "as long as it is so"
    assert "read at start only" in it.run.output
    assert it.psql("SELECT 'goes on'").stdout == "goes on\n"
    it.stop()
    assert changes(sallyport, it) == [says, says]
