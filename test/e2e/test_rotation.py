"""The credential's life under load: users are really dropped while transactions go on, and none fails."""

import re

import pytest

from harness.canary import assert_in_no_process
from harness.children import python
from harness.openbao import CREATE, REMEMBERING, remembered
from harness.processes import wait_for


def users_in(log):
    return set(re.findall(r"connection authorized: user=(v-\S+)", log))


@pytest.mark.parametrize("mode", ["simple", "prepared"])
def test_pgbench_while_every_user_lives_six_seconds(sallyport, bao, vault_url, pg, tables, mode):
    bao.role("six", ttl="3s", max_ttl="6s", create=REMEMBERING)
    token = bao.token()
    with pg.log_since() as read, remembered(pg) as passwords:
        run = sallyport.start_exec(["pgbench", "-n", "-c", "4", "-T", "20", "-M", mode], vault_url("six"),
                                   env=bao.environment(token))
        for count in (1, 2):
            wait_for(lambda: len(passwords()) >= count or run.process.poll() is not None, f"{count} users")
            assert run.process.poll() is None, run.output
            assert_in_no_process(run.pid, token, *passwords())
        run.wait(90).ok()
        for each in (token, *passwords()):
            sallyport.assert_no_canary(each)
        assert re.search(r"failed transactions: 0 ", run.stdout), run.output
        users = users_in(read())
        assert len(users) >= 4, users
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = ANY(%s)", list(users)),
             "all its users to be dropped", 20)


def test_a_movable_session_sees_its_backend_change_and_nothing_else(sallyport, bao, vault_url, pg):
    bao.role("six", ttl="3s", max_ttl="6s")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, options="-c statement_timeout=12345")
c.execute("SET DateStyle = 'German'")
pids, users = set(), set()
until = time.monotonic() + 14
while time.monotonic() < until:
    pid, user, timeout, style = c.execute("SELECT pg_backend_pid(), session_user, current_setting('statement_timeout'), "
                                          "current_setting('DateStyle')", prepare=True).fetchone()
    pids.add(pid); users.add(user); assert timeout == "12345ms" and style.startswith("German"), (timeout, style)
    time.sleep(0.05)
print(len(pids) > 1, len(users) > 1)
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "True True\n"


@pytest.mark.parametrize("make, use", [
    ("CREATE TEMP TABLE mine (a int)", "INSERT INTO mine VALUES (1)"),
    ("CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT pg_temp.mine()"),
    ("CREATE TYPE pg_temp.mine AS ENUM ('a')", "SELECT 'a'::pg_temp.mine"),
    ("CREATE DOMAIN pg_temp.mine AS int", "SELECT 1::pg_temp.mine"),
    ("CREATE COLLATION pg_temp.mine (provider = libc, locale = 'C')", "SELECT 'a' < 'b' COLLATE pg_temp.mine"),
], ids=["table", "function", "enum", "domain", "collation"])
def test_a_session_with_state_hears_57p01_at_a_boundary_before_its_user_dies(sallyport, bao, vault_url, make, use):
    bao.role("six", ttl="3s", max_ttl="6s")
    script = f"""
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
c.prepare_threshold = None  # a statement that cannot be prepared on the new connection would keep it, too
c.execute({make!r})
started = time.monotonic()
try:
    while time.monotonic() < started + 20:
        c.execute({use!r}); time.sleep(0.05)
    print("never told")
except psycopg.Error as e: print(e.sqlstate, bool(getattr(e.diag, "message_hint", None)))
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "57P01 True\n"


def test_a_client_that_reads_its_answer_late_hears_57p01_all_the_same(sallyport, bao, vault_url):
    """Read together with that answer libpq would take it for a notice, and the end for an accident."""
    bao.role("six", ttl="3s", max_ttl="6s")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
c.execute("CREATE TEMP TABLE mine (a int)")
started, told = time.monotonic(), None
while told is None and time.monotonic() < started + 20:
    c.pgconn.send_query(b"INSERT INTO mine VALUES (1)")
    time.sleep(0.2)
    while (result := c.pgconn.get_result()) is not None:
        told = told or result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
print(told, c.pgconn.error_message.decode().strip().splitlines()[:1])
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout.startswith("b'57P01'"), run.output


def test_what_was_temporary_and_is_gone_keeps_no_session_from_moving(sallyport, bao, vault_url):
    bao.role("six", ttl="3s", max_ttl="6s")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
for sql in ("CREATE TEMP TABLE t (a int)", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TYPE pg_temp.e AS ENUM ('a')", "DROP TABLE t", "DROP FUNCTION pg_temp.f()", "DROP TYPE pg_temp.e"):
    c.execute(sql)
pids = set()
until = time.monotonic() + 14
while time.monotonic() < until:
    pids.add(c.execute("SELECT pg_backend_pid()").fetchone()[0]); time.sleep(0.05)
print(len(pids) > 1)
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "True\n"


def test_a_session_with_more_statements_than_are_looked_at_is_told_and_not_taken_for_lost(sallyport, bao, vault_url):
    bao.role("six", ttl="3s", max_ttl="6s")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
c.prepared_max = None
for n in range(2100):
    c.execute(f"SELECT {n}")
until = time.monotonic() + 12
try:
    while time.monotonic() < until:
        c.execute("SELECT 'alive'")
        time.sleep(0.05)
except psycopg.Error as told:
    print(told.sqlstate, told.diag.message_primary)
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "57P01 sallyport: the credential of this session has ended\n", run.output


def test_a_long_lease_is_renewed_and_kept(sallyport, bao, vault_url, pg):
    bao.role("renewed", ttl="3s", max_ttl="1h")
    script = """
import os, psycopg, time
users = set()
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
for _ in range(20): users.add(c.execute("SELECT session_user").fetchone()[0]); time.sleep(0.5)
users.add(psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT session_user").fetchone()[0])
print(len(users))
"""
    run = sallyport.exec(python(script), vault_url("renewed"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "1\n"


def test_idle_in_transaction_is_not_cut_while_its_lease_can_be_renewed(sallyport, bao, vault_url):
    bao.role("renewed", ttl="3s", max_ttl="1h")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"])
c.execute("CREATE TEMP TABLE t (a int)"); time.sleep(8); c.execute("INSERT INTO t VALUES (1)"); c.commit()
print(c.execute("SELECT count(*) FROM t").fetchone()[0])
"""
    run = sallyport.exec(python(script), vault_url("renewed"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "1\n"


def test_isolation_levels_keep_no_session_from_moving(sallyport, bao, vault_url):
    """That of a transaction which is over stays among the session's settings, and cannot be set where there is no transaction."""
    bao.role("six", ttl="3s", max_ttl="6s")
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
c.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
pids = set()
until = time.monotonic() + 14
while time.monotonic() < until:
    with c.transaction():
        c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        pids.add(c.execute("SELECT pg_backend_pid()").fetchone()[0])
    assert c.execute("SHOW transaction_isolation").fetchone()[0] == "serializable"
    time.sleep(0.05)
print(len(pids) > 1)
"""
    run = sallyport.exec(python(script), vault_url("six"), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == "True\n"


@pytest.mark.parametrize("set_role, moves", [(None, True), ("none", False)])
def test_a_role_of_the_creation_statements_keeps_no_session_from_moving(sallyport, bao, vault_url, set_role, moves):
    bao.role("owned", ttl="3s", max_ttl="6s", create=CREATE + """ALTER ROLE "{{name}}" SET role = 'app_owner';""")
    script = f"""
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
if {set_role!r}: c.execute("SET ROLE " + {set_role!r})
pids = set()
until = time.monotonic() + 14
try:
    while time.monotonic() < until:
        pid, owner = c.execute("SELECT pg_backend_pid(), current_user = 'app_owner'").fetchone()
        assert owner != bool({set_role!r})
        pids.add(pid); time.sleep(0.05)
except psycopg.Error as told: assert told.sqlstate == "57P01", told
print(len(pids) > 1)
"""
    run = sallyport.exec(python(script), vault_url("owned", run_as=None), env=bao.environment(bao.token()), seconds=60).ok()
    assert run.stdout == f"{moves}\n"
