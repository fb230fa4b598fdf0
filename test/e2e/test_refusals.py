"""Refusals in PostgreSQL's own terms: SQLSTATE, message, detail naming the hop, hint naming the fix."""

import re

import psycopg
import pytest

from conftest import REFUSED
from harness.children import psql, python
from harness.processes import free_port
from harness.service import Service


def verbose(sallyport, url, **kwargs):
    """What psql prints for a refused connection."""
    run = sallyport.exec(psql("SELECT 1"), url, **kwargs)
    assert run.code in REFUSED, run.output
    return run.stderr


def test_a_refused_connection_has_message_detail_and_hint(sallyport, file_url):
    text = verbose(sallyport, file_url(port=free_port()))
    assert re.search(r"FATAL:  ", text) and "DETAIL:" in text and "HINT:" in text
    assert "tcp" in text.lower() and "refused" in text.lower()


def test_a_name_that_does_not_exist(sallyport, file_url):
    text = verbose(sallyport, file_url(host="no-such-host.invalid"))
    assert "no-such-host.invalid" in text and "dns" in text.lower()


def test_a_database_that_does_not_exist_keeps_the_servers_words(sallyport, file_url):
    text = verbose(sallyport, file_url(dbname="nope"))
    assert 'database "nope" does not exist' in text


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(**more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", **more)
    return make


def test_sqlstates_of_the_server_pass(service):
    it = service()
    it.rewrite("database: app", "database: nope")
    it.start()
    done = it.psql("SELECT 1", database="nope")
    assert done.returncode == 2 and 'database "nope" does not exist' in done.stderr
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(host=it.directory, user="app", dbname="nope")
    assert "DETAIL" in str(caught.value) and "HINT" in str(caught.value)
    it.stop()


def test_another_database_than_the_targets_is_refused_before_the_server(sallyport, file_url, pg):
    from conftest import connections_in
    with pg.log_since() as read:
        run = sallyport.exec(["sh", "-c", "psql -XAtqc 'SELECT 1' -d postgres"], file_url())
        assert run.code in REFUSED and "postgres" in run.stderr
        assert "app@postgres" not in read() and "database=postgres" not in read(), connections_in(read())


def test_a_locked_out_user_keeps_the_servers_words(sallyport, file_url, pg):
    pg.sql("ALTER ROLE other_user NOLOGIN")
    try:
        text = verbose(sallyport, file_url(user="other_user"))
        assert re.search("not permitted to log in|refuses the credential", text), text
    finally:
        pg.sql("ALTER ROLE other_user LOGIN")


def test_terminated_sessions_hear_57p01(sallyport, file_url, pg):
    script = """
import os, psycopg
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("pid", c.info.backend_pid, flush=True)
try: c.execute("SELECT pg_sleep(20)")
except psycopg.Error as e: print("state", e.sqlstate)
"""
    run = sallyport.start_exec(python(script), file_url())
    pid = int(run.until(r"pid (\d+)").group(1))
    pg.sql("SELECT pg_terminate_backend(%s)", pid)
    assert "state 57P01" in run.wait().stdout
