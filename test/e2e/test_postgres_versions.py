"""PostgreSQL 13 to 18 behind the broker, both pool modes: what differs between them is passed on, not assumed."""

import contextlib
import os
import signal
import threading
import time
import uuid

import psycopg
import pytest

from conftest import prepare, require
from harness import postgres_versions
from harness.openbao import OpenBao
from harness.postgres import ADMIN_PASSWORD, Postgres
from harness.processes import wait_for
from harness.raw_client import RawClient, query
from harness.service import Service

# CI has the oldest and the newest, `./dev soak` all of them.
MAJORS = list(postgres_versions.VERSIONS) if os.environ.get("SALLYPORT_SOAK") else [13, 18]


@pytest.fixture(scope="module", params=MAJORS)
def old_or_new(request, base, pki, secret):
    programs = postgres_versions.programs_of(request.param, base)
    require(programs, f"PostgreSQL {request.param} (npm {postgres_versions.PACKAGE})")
    server = Postgres(os.path.join(base, f"pg{request.param}"), pki, programs=programs)
    assert server.sql("SHOW server_version_num")[0][0].startswith(str(request.param))
    prepare(server, secret)
    yield server
    server.close()


@pytest.fixture(params=["session", "transaction"])
def service(request, sallyport, old_or_new, pki, secret):
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}",
                 extra_target=f"    pool: {{mode: {request.param}, max: 4, min_ready: 1, verify_session_state: always}}"
                 if request.param == "transaction" else "    pool: {mode: session, max: 8, min_ready: 1}")
    yield it.start()
    it.stop()


def connect(it, **more):
    return psycopg.connect(host=it.directory, port=it.port, user="app", dbname="app", autocommit=True, **more)


def test_queries_statements_transactions_and_errors(service):
    with connect(service) as c:
        for _ in range(3):
            assert c.execute("SELECT %s::int + 1", (41,), prepare=True).fetchone() == (42,)
        with c.pipeline():
            answers = [c.execute("SELECT %s::int", (i,)) for i in range(20)]
        assert [a.fetchone()[0] for a in answers] == list(range(20))
        with pytest.raises(psycopg.errors.DivisionByZero), c.transaction():
            c.execute("SELECT 1/0")
        with c.transaction():
            c.execute("CREATE TABLE pv (i int)")
            with pytest.raises(psycopg.errors.UndefinedColumn), c.transaction():
                c.execute("SELECT nothing FROM pv")
            c.execute("DROP TABLE pv")


def test_copy_both_ways(service):
    with connect(service) as c:
        c.execute("CREATE TABLE pvc (i int, t text)")
        with c.cursor().copy("COPY pvc FROM STDIN") as copy:
            for i in range(5000):
                copy.write_row((i, "x" * 100))
        with c.cursor().copy("COPY pvc TO STDOUT") as copy:
            assert sum(len(part) for part in copy) > 500_000
        c.execute("DROP TABLE pvc")


def test_every_reported_parameter_is_told_as_the_server_tells_it(service, old_or_new, pki, secret):
    """Whatever a version reports (11 parameters in 13, more later), under the values that the client asked for."""
    options = {"options": "-c DateStyle=German -c TimeZone=Asia/Tokyo", "application_name": "pv"}
    direct = psycopg.connect(host="localhost", port=old_or_new.port, user="app", dbname="app", password=secret,
                             sslmode="verify-full", sslrootcert=pki.ca, **options)
    names = [row[0] for row in old_or_new.sql("SELECT name FROM pg_settings")] + ["is_superuser", "session_authorization"]
    with direct, connect(service, **options) as c:
        told = {n: direct.info.parameter_status(n) for n in names if direct.info.parameter_status(n) is not None}
        ours = {n: c.info.parameter_status(n) for n in told}
        assert ours == told and len(told) >= 11
        assert c.execute("SHOW DateStyle").fetchone()[0].startswith("German")
        c.execute("SET TimeZone = 'UTC'")
        assert c.info.parameter_status("TimeZone") == "UTC"
        c.execute("RESET TimeZone")
        assert c.info.parameter_status("TimeZone") == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["psql", "", "tab\there", "x" * 65, "x" * 62 + "é", "é" * 7, "Zürich \\ \t€", b"M\xfcller", b"\xff\xc3\xe3\x80", "é" * 40])
def test_a_name_of_any_bytes_is_what_the_server_makes_of_it(service, old_or_new, name):
    """The SET that gives it to a connection would refuse what is no text in the connection's encoding."""
    def seen(client):
        asked = [client.one(f"SELECT {e}") for e in ("current_setting('application_name')", "(SELECT application_name FROM pg_stat_activity "
                                                     "WHERE pid = pg_backend_pid())")]
        return [client.parameters["application_name"], *asked]
    path = os.path.join(old_or_new.folder, f".s.PGSQL.{old_or_new.port}")
    with RawClient(path, application_name=name) as direct, RawClient.of(service, application_name="another") as other:
        wanted = [each[:63] for each in seen(direct)]     # what no SET can give
        for encoding in ("UTF8", "LATIN1"):
            with RawClient.of(service, application_name=name, client_encoding=encoding) as client, \
                    RawClient.of(service, application_name=name, client_encoding=encoding) as twin:
                for reset in ("RESET ALL", "DISCARD ALL"):
                    assert seen(client) == wanted and seen(twin) == wanted
                    assert other.one("SHOW application_name") == "another"
                    client.ask(query(reset))
                assert seen(client) == wanted


def test_our_own_words_fit_into_each_versions_error(sallyport, old_or_new, pki, secret):
    """What transaction pooling refuses fails in the server, whose words ours replace in the same length."""
    words = {"refuse": ("LISTEN something", "0A000", "listen is not available in transaction pooling (on_session_state: refuse)",
                        "Use session pooling for this application, or on_session_state: pin"),
             "pin": ("SELECT lastval()", "55000", "sequence_value was given on another server connection",
                     "Use RETURNING, or one transaction; now the session keeps its connection")}
    for setting, (statement, sqlstate, message, hint) in words.items():
        pool = f"{{mode: transaction, max: 1, on_session_state: {setting}}}"
        it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {pool}").start()
        with connect(it) as c, connect(it) as other:
            c.execute("SELECT 1")
            other.execute("SELECT 1")       # on the same connection
            with pytest.raises(psycopg.Error) as refused:
                c.execute(statement)
        it.stop()
        told = refused.value.diag
        assert (told.sqlstate, told.message_primary, told.message_hint.rstrip()) == (sqlstate, message, hint)


def test_one_text_behind_two_search_paths_means_each_sessions_own_table(sallyport, old_or_new, pki, secret):
    """Where the path is reported they share a connection, which has the text parsed already under the other's path."""
    reported = int(old_or_new.sql("SHOW server_version_num")[0][0]) >= 180000
    tables = {"path_1": "SELECT 1 AS a", "path_2": "SELECT 'two'::text AS a"}
    for schema, query in tables.items():
        old_or_new.sql(f"CREATE SCHEMA {schema}", database="app")
        old_or_new.sql(f"CREATE TABLE {schema}.t AS {query}", database="app")
        old_or_new.sql(f"GRANT USAGE ON SCHEMA {schema} TO app", database="app")
        old_or_new.sql(f"GRANT SELECT ON {schema}.t TO app", database="app")
    pool = f"{{mode: transaction, max: {1 if reported else 2}}}"
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {pool}").start()
    try:
        with connect(it) as one, connect(it) as two:
            one.execute("SET search_path = path_1")
            two.execute("SET search_path = path_2")
            for turn in range(3):
                for session, value in ((one, 1), (two, "two"), (one, 1), (two, "two")):
                    assert session.execute(f"SELECT a FROM t -- {turn}", prepare=True).fetchone() == (value,)
    finally:
        it.stop()
        for schema in tables:
            old_or_new.sql(f"DROP SCHEMA {schema} CASCADE", database="app")


def test_search_path_follows_its_session_where_the_server_reports_it(sallyport, old_or_new, pki, secret):
    """From 18 on it is reported, so that sessions with different ones share a connection; before, it pins."""
    reported = int(old_or_new.sql("SHOW server_version_num")[0][0]) >= 180000
    pool = f"{{mode: transaction, max: {1 if reported else 2}, min_ready: 1, verify_session_state: always}}"
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {pool}").start()
    try:
        with connect(it) as a, connect(it) as b:
            assert (a.info.parameter_status("search_path") is not None) == reported
            a.execute("SET search_path = path_of_a, public")
            pids = set()
            for turn in range(3):
                b.execute(f"SET search_path = path_of_b{turn}")
                for session, path in ((a, "path_of_a, public"), (b, f"path_of_b{turn}")):
                    assert session.execute("SHOW search_path").fetchone() == (path,)
                    pids.add(session.execute("SELECT pg_backend_pid()").fetchone())
            a.execute("BEGIN; SET search_path = gone; ROLLBACK")
            assert a.execute("SHOW search_path").fetchone() == ("path_of_a, public",)
            assert b.execute("SHOW search_path").fetchone() == ("path_of_b2",)
            with connect(it) if reported else contextlib.nullcontext() as c:
                assert c is None or c.execute("SHOW search_path").fetchone() == ('"$user", public',)
            assert len(pids) == (1 if reported else 2)
    finally:
        it.stop()


def test_a_search_path_in_another_encoding_than_the_servers_stays_the_sessions_own(sallyport, old_or_new, pki, secret):
    """Its bytes name another schema in UTF-8."""
    for schema in ("é", "Ã©"):
        old_or_new.sql(f'CREATE SCHEMA "{schema}"', database="app")
        old_or_new.sql(f'CREATE TABLE "{schema}".t AS SELECT {schema == "é"} AS is_e', database="app")
        old_or_new.sql(f'GRANT USAGE ON SCHEMA "{schema}" TO app', database="app")
        old_or_new.sql(f'GRANT SELECT ON "{schema}".t TO app', database="app")
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target="    pool: {mode: transaction, max: 4}")
    it.start()
    try:
        with connect(it) as a, connect(it) as b, connect(it) as c, connect(it, client_encoding="LATIN1") as d:
            a.execute("SET client_encoding = 'LATIN1'")
            for session in (a, d):
                session.execute('SET search_path = "Ã©"')
            for session in (b, c):
                session.execute('SET search_path = "é"')
            for _ in range(3):
                for session, is_e in ((c, True), (a, False), (b, True), (d, False)):
                    assert session.execute("SELECT is_e FROM t").fetchone() == (is_e,)
    finally:
        it.stop()
        for schema in ("é", "Ã©"):
            old_or_new.sql(f'DROP SCHEMA "{schema}" CASCADE', database="app")


def test_a_cancel_ends_the_query_that_it_was_meant_for(service):
    with connect(service) as c:
        threading.Timer(0.5, c.cancel).start()
        started = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - started < 10 and c.execute("SELECT 1").fetchone() == (1,)


def test_state_that_only_the_server_can_see_is_found(service):
    """The questions of verify_session_state, and of a move, are understood by this version."""
    with connect(service) as c:
        c.execute("CREATE FUNCTION pv_lock() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(77)'")
        c.execute("SELECT pv_lock()")
        with connect(service) as other:
            assert other.execute("SELECT pg_try_advisory_lock(77)").fetchone() == (False,)
        for _ in range(3):
            assert c.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()").fetchone() == (1,)
        c.execute("DROP FUNCTION pv_lock()")


def test_sessions_move_to_a_new_credential_unseen(sallyport, old_or_new, base, pki):
    bao = OpenBao(os.path.join(base, "bao-" + uuid.uuid4().hex[:6]))
    try:
        bao.use_database(old_or_new, admin_password=ADMIN_PASSWORD)
        bao.role("six", ttl="3s", max_ttl="6s")
        it = Service(sallyport, old_or_new, pki, "vault:database/creds/six", user=None, extra_target="    run_as: app_owner")
        it.start(env=bao.environment(bao.token()))
        with connect(it) as c:
            users = set()
            c.execute("SET DateStyle = 'German'")

            def two_users():
                users.add(c.execute("SELECT session_user, current_setting('DateStyle')", prepare=True).fetchone())
                return len(users) >= 2
            wait_for(two_users, "the session to be moved", 30, every=0.1)
            assert {style for _, style in users} == {"German, DMY"}
        it.stop(signal.SIGTERM)
    finally:
        bao.close()


@pytest.mark.parametrize("schemas", [1, 40, 400], ids=["60 bytes", "2 kB", "20 kB"])
def test_a_search_path_of_any_length_is_its_sessions_own(sallyport, old_or_new, pki, secret, schemas):
    """PostgreSQL 18 reports it; one that is too long to be followed keeps its session on its connection."""
    path = ", ".join(f"schema_{number:040}" for number in range(schemas))
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target="    pool: {mode: transaction, max: 2}").start()
    try:
        with connect(it) as a, connect(it) as b:
            a.execute(f"SET search_path = {path}")
            for _ in range(3):
                assert b.execute("SHOW search_path").fetchone() == ('"$user", public',)
                assert a.execute("SHOW search_path").fetchone() == (path,)
    finally:
        it.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_cancel_that_was_taken_costs_no_connection(sallyport, old_or_new, pki, secret, mode):
    """Each version says goodbye on the connection that carried it, so that it is known to be over."""
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {{mode: {mode}, max: 1}}").start()
    try:
        pids = set()
        for _ in range(3):
            with connect(it) as session:
                pids.add(session.execute("SELECT pg_backend_pid()").fetchone())
                timer = threading.Timer(0.3, session.cancel)
                timer.start()
                with pytest.raises(psycopg.errors.QueryCanceled):
                    session.execute("SELECT pg_sleep(30)")
                timer.join()
        assert len(pids) == 1, pids
    finally:
        it.stop()


def test_a_number_and_a_name_without_space_hide_nothing(sallyport, old_or_new, pki, secret):
    """Up to 14 1e$b$ is a number and a name, no dollar quote; later servers refuse it."""
    it = Service(sallyport, old_or_new, pki, f"file:{sallyport.secret_file(secret)}", extra_target="    pool: {mode: transaction, max: 1}").start()
    old = int(old_or_new.sql("SHOW server_version_num")[0][0]) < 150000
    try:
        with connect(it) as a:
            with contextlib.nullcontext() if old else pytest.raises(psycopg.errors.SyntaxError):
                a.execute("SELECT 1e$b$; SET work_mem = '77MB'; SELECT 1 AS x")
            assert a.execute("SHOW work_mem").fetchone() == ("77MB" if old else "4MB",)
        with connect(it) as b:
            assert b.execute("SHOW work_mem").fetchone() == ("4MB",)
    finally:
        it.stop()
