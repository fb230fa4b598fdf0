"""`pool: {mode: transaction}`: many clients on few server connections, each seeing what it would see alone."""

import subprocess
import threading
import time

import psycopg
import pytest

from harness import raw_client as raw
from harness.processes import wait_for
from harness.service import Service


@pytest.fixture
def service(sallyport, pg, pki, secret):
    made = []

    def make(pool="", **more):
        settings = f"    pool: {{mode: transaction, {pool or 'max: 2, min_ready: 1'}}}"
        made.append(Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", extra_target=settings, **more))
        return made[-1].start()
    yield make
    for it in made:
        it.stop()


def connect(it, **more):
    return psycopg.connect(host=it.directory, port=it.port, user="app", dbname="app", autocommit=True, **more)


def one(connection, sql, *parameters, **more):
    return connection.execute(sql, *parameters, **more).fetchone()[0]


def in_background(connection, sql):
    """The thread that executes it, and where its error will be."""
    errors = []

    def execute():
        try:
            connection.execute(sql)
        except psycopg.Error as error:
            errors.append(error)
    thread = threading.Thread(target=execute)
    thread.start()
    return thread, errors


def test_thirty_clients_work_on_two_connections(service):
    it = service()
    clients = [connect(it) for _ in range(30)]
    pids = {one(c, "SELECT pg_backend_pid()") for c in clients for _ in range(3)}
    assert 1 <= len(pids) <= 2
    for client in clients:
        client.close()


def test_a_transaction_keeps_its_connection_and_waiters_get_it_afterwards(service):
    it = service(pool="max: 1, min_ready: 1")
    first, second = connect(it), connect(it)
    first.execute("BEGIN")
    pid = one(first, "SELECT pg_backend_pid()")
    got = []
    waiting = threading.Thread(target=lambda: got.append(one(second, "SELECT pg_backend_pid()")))
    waiting.start()
    time.sleep(0.3)
    assert got == [] and one(first, "SELECT pg_backend_pid()") == pid
    first.execute("COMMIT")
    waiting.join(10)
    assert got == [pid]


def test_a_reload_that_changes_the_target_takes_its_clients_along(service, pg):
    """They go on with connections of the new pool: its `max` holds for all, and what they have prepared is there."""
    it = service(pool="max: 4, min_ready: 1")
    clients = [connect(it, prepare_threshold=0) for _ in range(8)]
    for client in clients:
        assert one(client, "SELECT 1 + %s", (1,)) == 2
    clients[0].execute("BEGIN")
    it.rewrite("max: 4", "max: 2")
    assert it.reload()
    for _ in range(2):
        for client in clients[1:]:
            assert one(client, "SELECT 1 + %s", (1,)) == 2
    assert one(clients[0], "SELECT 1 + %s", (1,)) == 2, "its transaction stays where it is"
    clients[0].execute("COMMIT")
    time.sleep(3)  # connections of a replaced pool live for a second
    pids = {one(client, "SELECT pg_backend_pid()") for client in clients for _ in range(2)}
    time.sleep(2)
    again = {one(client, "SELECT pg_backend_pid()") for client in clients for _ in range(2)}
    assert again == pids and 1 <= len(pids) <= 2, "nobody logs in every second"
    assert len(pg.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'app'")) <= 2


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_client_without_a_name_has_the_one_that_its_role_has(sallyport, pg, pki, secret, mode):
    pg.sql("ALTER ROLE app SET application_name = 'of the role'")
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}",
                 extra_target=f"    pool: {{mode: {mode}, max: 1}}").start()
    try:
        for _ in range(2):
            for name, expected in (({}, "of the role"), ({"application_name": "own"}, "own")):
                client = connect(it, **name)
                assert client.info.parameter_status("application_name") == expected
                assert one(client, "SHOW application_name") == expected
                client.execute("RESET ALL")
                assert one(client, "SHOW application_name") == expected
                client.close()
    finally:
        pg.sql("ALTER ROLE app RESET application_name")
        it.stop()


def test_a_client_that_waits_too_long_is_told_how_deep_the_queue_was(service):
    it = service(pool="max: 1, wait_max: 1 s")
    first, second = connect(it), connect(it)
    first.execute("BEGIN")
    with pytest.raises(psycopg.errors.TooManyConnections, match="within 1 s: 1 of 1 are in use"):
        second.execute("SELECT 1")
    assert one(first, "SELECT 1") == 1


def test_parameters_that_the_server_reports_follow_their_session(service):
    it = service(pool="max: 1")
    a, b = connect(it, application_name="a"), connect(it, application_name="b")
    a.execute("SET TimeZone = 'Asia/Tokyo'")
    a.execute("SET DateStyle = 'German, DMY'")
    for _ in range(2):
        assert one(b, "SHOW TimeZone") != "Asia/Tokyo" and one(b, "SHOW application_name") == "b"
        assert one(a, "SHOW TimeZone") == "Asia/Tokyo" and one(a, "SHOW application_name") == "a"
        assert one(a, "SHOW DateStyle") == "German, DMY"
    a.execute("BEGIN; SET TimeZone = 'UTC'; ROLLBACK")
    assert one(b, "SHOW TimeZone") != "Asia/Tokyo"
    assert one(a, "SHOW TimeZone") == "Asia/Tokyo"


def test_prepared_statements_of_many_clients_are_each_their_own(service):
    it = service()
    clients = [connect(it, prepare_threshold=0) for _ in range(8)]
    for turn in range(30):
        for number, client in enumerate(clients):
            assert one(client, f"SELECT {number} * 1000 + %s::int", (turn,)) == number * 1000 + turn


def test_dropped_and_evicted_statements_are_prepared_again(service):
    it = service(pool="max: 1, statements_max: 10")
    a, b = connect(it, prepare_threshold=0), connect(it, prepare_threshold=0)
    a.prepared_max = 5  # psycopg sends DEALLOCATE for the others
    for turn in range(3):
        for number in range(30):
            assert one(a, f"SELECT {number} + %s::int", (turn,)) == number + turn
            assert one(b, f"SELECT {number} - %s::int", (turn,)) == number - turn
    a.execute("DEALLOCATE ALL")
    assert one(b, "SELECT 3 - %s::int", (1,)) == 2


def test_a_changed_result_type_is_cured_by_preparing_again(service, pg):
    it = service(pool="max: 1")
    client = connect(it, prepare_threshold=0)
    pg.sql("DROP TABLE IF EXISTS changing; CREATE TABLE changing (a int); INSERT INTO changing VALUES (1); "
           "GRANT ALL ON changing TO app", database="app")
    assert client.execute("SELECT * FROM changing").fetchall() == [(1,)]
    pg.sql("ALTER TABLE changing ADD b int DEFAULT 2", database="app")
    for _ in range(3):
        try:
            assert client.execute("SELECT * FROM changing").fetchall() == [(1, 2)]
            break
        except psycopg.errors.FeatureNotSupported:
            client.execute("DEALLOCATE ALL")
            client._prepared.clear()
    else:
        pytest.fail("the statement stayed unusable")
    pg.sql("DROP TABLE changing", database="app")


# What it was parsed with the first time went with the transaction that had made it.
@pytest.mark.parametrize("end", [("ROLLBACK",), ("ROLLBACK TO a", "COMMIT"), ("SELECT 1 / 0", "COMMIT")])
def test_a_text_is_parsed_again_behind_a_create_that_was_taken_back(service, pg, end):
    client = connect(service(pool="max: 1")).pgconn
    pg.sql("CREATE SCHEMA app AUTHORIZATION app", database="app")      # is in the search_path
    try:
        for number, kind in enumerate(("e", "varchar", "e")):
            for statement in ("BEGIN", "SAVEPOINT a", "CREATE TYPE e AS ENUM ('four')", f"CREATE TABLE made (data {kind})"):
                assert client.exec_(statement.encode()).error_message == b"", statement
            name = f"s{number}".encode()
            client.prepare(name, b"INSERT INTO made VALUES ($1)")
            assert client.exec_prepared(name, [b"four"]).error_message == b"", kind
            for statement in end:
                client.exec_(statement.encode())
    finally:
        client.finish()
        pg.sql("DROP SCHEMA app CASCADE", database="app")


PINS = {
    "LISTEN a": "listen",
    "CREATE TEMP TABLE t (a int)": "temporary_table",
    "SET work_mem = '99MB'": "setting",
    "SELECT set_config('app.tenant', '5', false)": "set_config",
    "SELECT pg_advisory_lock(77)": "advisory_lock",
    "PREPARE p AS SELECT 1": "prepared_in_sql",
    "SET ROLE app_owner": "set_role",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1": "cursor_with_hold",
    "SELECT 1 AS a INTO TEMP t": "temporary_table",
    "SELECT setseed(0.5)": "random_seed",
    "DO $$ BEGIN PERFORM set_config('app.tenant', '6', false); END $$": "set_config",
}
# What this user may not do, or not in a session that has drawn nothing yet: refused, it does not come to that.
REFUSED = {**PINS, "LOAD 'auto_explain'": "loaded_library", "SELECT lastval()": "sequence_value", "SELECT currval('s')": "sequence_value"}


@pytest.mark.parametrize("sql", PINS)
def test_a_session_that_leaves_state_keeps_its_connection(service, sql):
    it = service(pool="max: 2")
    a, b = connect(it), connect(it)
    a.execute(sql)
    pid = one(a, "SELECT pg_backend_pid()")
    assert {one(a, "SELECT pg_backend_pid()") for _ in range(5)} == {pid}
    assert pid not in {one(b, "SELECT pg_backend_pid()") for _ in range(5)}
    a.close()
    # Its connection comes back reset.
    pids = set()
    for _ in range(10):
        c = connect(it)
        c.execute("BEGIN")
        assert one(c, "SHOW work_mem") == "4MB" and one(c, "SELECT current_user") == "app"
        assert one(c, "SELECT current_setting('app.tenant', true)") in (None, "")
        pids.add(one(c, "SELECT pg_backend_pid()"))
        c.close()


def test_discard_all_lets_a_pinned_session_share_again(service):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    a.execute("SET work_mem = '99MB'")
    a.execute("DISCARD ALL")
    assert one(b, "SHOW work_mem") == "4MB"
    assert one(a, "SHOW work_mem") == "4MB"


def test_who_notifies_itself_finds_its_own_number_in_the_notification(service):
    """libpq's documentation, 34.9: the number of one's own process is PQbackendPID()."""
    it = service(pool="max: 3")
    a, b = connect(it), connect(it)
    a.execute("LISTEN news")
    for i in range(20):
        a.execute(f"NOTIFY news, 'own {i}'")
        b.execute(f"NOTIFY news, 'other {i}'")
    heard = list(a.notifies(timeout=5, stop_after=40))
    assert len(heard) == 40
    assert {each.pid == a.info.backend_pid for each in heard if each.payload.startswith("own")} == {True}
    assert {each.pid == a.info.backend_pid for each in heard if each.payload.startswith("other")} == {False}


@pytest.mark.parametrize("change", ["SET search_path TO {}", "SET LOCAL search_path TO {}", "SET SCHEMA '{}'",
                                    "SELECT set_config('search_path', '{}', true)"])
def test_who_prepares_a_text_anew_after_its_search_path_gets_what_its_names_mean_then(service, pg, change):
    """pgjdbc's SchemaTest: the same text, twice in a transaction, of tables with other columns."""
    pg.sql("CREATE SCHEMA one; CREATE TABLE one.t (i int); INSERT INTO one.t VALUES (1); CREATE SCHEMA two; CREATE TABLE two.t (s text); "
           "INSERT INTO two.t VALUES ('two'); GRANT USAGE ON SCHEMA one, two TO app; GRANT SELECT ON one.t, two.t TO app", database="app")
    try:
        it = service(pool="max: 1")
        with raw.RawClient.of(it) as client:
            client.ask(raw.query("BEGIN"))
            for name, schema, value in (("a", "one", "1"), ("b", "two", "two"), ("c", "one", "1")):
                client.ask(raw.query(change.format(schema)))
                answer = client.ask(raw.parse(name, "SELECT * FROM t"), raw.bind(name), raw.execute(), raw.sync())
                assert raw.rows(answer) == [(value,)], answer
            client.ask(raw.query("COMMIT"))
    finally:
        pg.sql("DROP SCHEMA one, two CASCADE", database="app")


@pytest.mark.parametrize("how", ["simple", "extended"])
def test_what_a_pipeline_leaves_behind_a_discard_all_keeps_the_connection(service, how):
    it = service(pool="max: 2")

    def pipeline(*statements):
        if how == "simple":
            return [raw.query(sql) for sql in statements]
        return [frame for sql in statements for frame in (raw.parse("", sql), raw.bind(""), raw.execute())] + [raw.sync()]
    with raw.RawClient.of(it) as client, raw.RawClient.of(it) as other:
        client.ask(raw.query("LISTEN before"))
        answers = client.ask(*pipeline("DISCARD ALL", "LISTEN behind"), ready=2 if how == "simple" else 1)
        assert raw.tags(answers) == ["DISCARD ALL", "LISTEN"], answers
        pid = client.one("SELECT pg_backend_pid()")
        assert {other.one("SELECT pg_backend_pid()") for _ in range(5)} & {pid} == set(), "it is the client's alone"
        other.ask(raw.query("NOTIFY behind, 'heard'"))
        assert b"heard" in client.until("A")[-1][1]
        client.ask(raw.query("DISCARD ALL"))
        assert {c.one("SELECT pg_backend_pid()") for _ in range(5) for c in (client, other)} >= {pid}, "shared again"


def test_an_impossible_message_is_refused_behind_the_answers_to_what_was_asked_before(service):
    """As by a server, which reads one message after the other: nobody hears of the second before the first."""
    it = service(pool="max: 1")
    for bad in (raw.bind("n" * 1_000_000), raw.frame("~"), b"Q\0\0\0\1"):
        with raw.RawClient.of(it) as client:
            client.send(raw.query("SELECT 'first' FROM pg_sleep(0.3)"), bad)
            told = client.until("E")
            assert raw.rows(told) == [("first",)] and raw.error(told) == "08P01", told
            assert client.receive() is None
        with raw.RawClient.of(it) as client:
            client.send(raw.parse("", "SELECT 'first'"), raw.bind(""), raw.execute(), bad)
            told = client.until("E")
            assert raw.rows(told) == [("first",)] and raw.error(told) == "08P01", told
    with raw.RawClient.of(it) as client:
        assert client.one("SELECT 1") == "1"


def test_names_up_to_twenty_thousand_bytes_mean_what_they_mean_to_a_server(service):
    it = service(pool="max: 2")
    with raw.RawClient.of(it) as client, raw.RawClient.of(it) as other:
        for size in (63, 9_990, 15_000):
            name = "n" * size
            client.ask(raw.parse(name, "SELECT $1::text"), raw.sync())
            other.ask(raw.query("SELECT 1"))
            assert raw.rows(client.ask(raw.bind(name, "x"), raw.execute(), raw.sync())) == [("x",)]
        assert raw.error(client.ask(raw.bind("m" * 19_000), raw.execute(), raw.sync())) == "26000"
        assert client.one("SELECT 1") == "1"


@pytest.mark.parametrize("sql", [s for s in REFUSED if not s.startswith("DO")])
def test_state_is_refused_where_that_is_set(service, sql):
    it = service(pool="max: 1, on_session_state: refuse")
    a, b = connect(it), connect(it)
    for prepare in (False, True):
        with pytest.raises(psycopg.errors.FeatureNotSupported) as told:
            a.execute(sql, prepare=prepare)
        assert told.value.diag.message_primary == f"{REFUSED[sql]} is not available in transaction pooling (on_session_state: refuse)"
        assert told.value.diag.message_hint.startswith("Use session pooling for this application, or")
    assert one(b, "SELECT 1") == 1 and one(a, "SELECT 1") == 1
    a.execute("SET TimeZone = 'Asia/Tokyo'")
    a.execute("BEGIN; SET LOCAL work_mem = '9MB'; COMMIT")


def test_an_error_in_a_transaction_and_a_lost_client_leave_nothing_behind(service, pg):
    it = service(pool="max: 1")
    a = connect(it)
    a.execute("BEGIN")
    with pytest.raises(psycopg.errors.DivisionByZero):
        a.execute("SELECT 1/0")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        a.execute("SELECT 1")
    b = connect(it)
    a.close()
    assert one(b, "SELECT txid_current_if_assigned()") is None


def test_copy_both_ways_and_its_failures(service, pg):
    it = service(pool="max: 1")
    pg.sql("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int); GRANT ALL ON copied TO app", database="app")
    a, b = connect(it), connect(it)
    with a.cursor().copy("COPY copied FROM STDIN") as copy:
        for i in range(10_000):
            copy.write_row((i,))
    assert one(b, "SELECT count(*) FROM copied") == 10_000
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        with a.cursor().copy("COPY copied FROM STDIN") as copy:
            copy.write("no number\n")
    with b.cursor().copy("COPY copied TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 10_000
    assert one(a, "SELECT count(*) FROM copied") == 10_000
    pg.sql("DROP TABLE copied", database="app")


def test_pipelines_with_an_error_in_the_middle(service):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    for _ in range(3):
        with pytest.raises(psycopg.errors.DivisionByZero):
            with a.pipeline():
                results = [a.execute("SELECT %s::int", (i,)) for i in range(5)]
                a.execute("SELECT 1/%s", (0,))
                a.execute("SELECT 7")
        assert [r.fetchone()[0] for r in results] == list(range(5))
        assert one(b, "SELECT 5") == 5


def test_a_cancel_stops_a_query_that_runs_and_one_that_waits(service):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    for victim in (a, b):
        timer = threading.Timer(0.5, victim.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            victim.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - began < 10
    a.execute("BEGIN")
    waiting, errors = in_background(b, "SELECT pg_sleep(20)")
    time.sleep(0.3)
    b.cancel()
    time.sleep(0.2)
    a.execute("COMMIT")
    waiting.join(10)
    assert isinstance(errors[0], psycopg.errors.QueryCanceled)
    assert one(a, "SELECT 1") == 1


def test_what_waits_when_its_cancel_comes_is_never_executed(service, pg):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    a.execute("BEGIN")
    with pg.log_since() as read:
        waiting, told = in_background(b, "SELECT pg_advisory_lock(1), 'never executed'")
        time.sleep(0.3)
        b.cancel()
        waiting.join(10)
        assert isinstance(told[0], psycopg.errors.QueryCanceled), "while the other still has the connection"
        a.execute("COMMIT")
        assert one(b, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        assert one(a, "SELECT 1") == one(b, "SELECT 1") == 1
        assert "canceling statement" not in read()


def test_a_late_cancel_does_not_hit_the_next_client(service):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    for _ in range(50):
        a.execute("SELECT 1")
        a.cancel()
        assert one(b, "SELECT count(*) FROM generate_series(1, 20000)") == 20000


def test_two_identities_never_share_a_connection(service):
    it = service(pool="max: 4", allow="[{user: root}, {user: postgres}]")
    mine = connect(it)
    pids = {one(mine, "SELECT pg_backend_pid()") for _ in range(5)}
    for _ in range(5):
        assert int(it.psql("SELECT pg_backend_pid()", account="postgres").stdout) not in pids


def test_a_server_that_ends_its_connections_costs_idle_clients_nothing(service, pg):
    it = service(pool="max: 3")
    clients = [connect(it) for _ in range(6)]
    for client in clients:
        client.execute("SELECT 1")
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
    wait_for(lambda: pg.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state <> 'idle'") is not None,
             "the server")
    time.sleep(0.3)
    for client in clients:
        assert one(client, "SELECT 2") == 2


def test_a_simple_query_of_megabytes_and_rows_of_megabytes_pass(service):
    it = service(pool="max: 1")
    a, b = connect(it), connect(it)
    text = "x" * 3_000_000
    assert a.execute(f"SELECT length('{text}')").fetchone() == (3_000_000,)
    assert one(b, "SELECT length(%s::text)", (text,)) == 3_000_000
    assert len(one(a, "SELECT repeat('y', 20000000)")) == 20_000_000
    assert one(b, "SELECT 1") == 1


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_runs_its_transactions(service, pg, mode):
    it = service(pool="max: 8, min_ready: 2")
    subprocess.run(["pgbench", "-i", "-q", "-s", "1", "-h", it.directory, "-U", "app", "app"], check=True, capture_output=True)
    done = subprocess.run(["pgbench", "-n", "-M", mode, "-c", "8", "-j", "2", "-T", "3", "-h", it.directory, "-U", "app", "app"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "number of failed transactions: 0 " in done.stdout, done.stderr
    pg.sql("DROP TABLE pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history", database="app")


HIDDEN = {
    "a function that sets": ("SELECT hide_setting()", "SHOW work_mem", "4MB"),
    "a function that locks": ("SELECT hide_lock()", "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "0"),
    "a function that listens": ("SELECT hide_listen()", "SELECT count(*)::text FROM pg_listening_channels()", "0"),
    "a function that makes a temporary table": ("SELECT hide_table()", "SELECT coalesce(to_regclass('pg_temp.hidden')::text, '')", ""),
    "a function that declares a cursor": ("SELECT hide_cursor()", "SELECT count(*)::text FROM pg_cursors WHERE is_holdable", "0"),
    "a function that prepares": ("SELECT hide_prepare()", "SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql", "0"),
}


@pytest.fixture
def hiding_functions(pg):
    pg.sql("CREATE SCHEMA hiding; GRANT USAGE ON SCHEMA hiding TO app; ALTER ROLE app SET search_path = hiding, public", database="app")
    for name, what in {"hide_setting": "PERFORM set_config('work_mem', '99MB', false)", "hide_lock": "PERFORM pg_advisory_lock(7)",
                       "hide_listen": "LISTEN hidden", "hide_table": "CREATE TEMP TABLE hidden (a int)",
                       "hide_cursor": "EXECUTE 'DECLARE hidden CURSOR WITH HOLD FOR SELECT 1'",
                       "hide_prepare": "EXECUTE 'PREPARE hidden AS SELECT 1'"}.items():
        pg.sql(f"CREATE FUNCTION hiding.{name}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {what}; END $$", database="app")
    yield
    pg.sql("ALTER ROLE app RESET search_path; DROP SCHEMA hiding CASCADE", database="app")


@pytest.mark.parametrize("what", HIDDEN)
def test_the_server_is_asked_for_state_that_functions_hide(service, hiding_functions, what):
    it = service(pool="max: 3, verify_session_state: always")
    hide, look, clean = HIDDEN[what]
    a, b = connect(it), connect(it)
    a.execute("SELECT 1")
    a.execute(hide)
    pid = one(a, "SELECT pg_backend_pid()")
    for _ in range(5):
        assert one(a, "SELECT pg_backend_pid()") == pid
        assert one(b, look) == clean and one(b, "SELECT pg_backend_pid()") != pid
    with b.transaction():
        assert one(b, "SELECT 5") == 5


def test_sampling_finds_a_lock_that_a_function_takes_within_sixteen_transactions(service, hiding_functions):
    """And whoever took it keeps the connection from then on: it is free again when that session has ended."""
    it = service(pool="max: 2, verify_session_state: sample")
    hide, look, clean = HIDDEN["a function that locks"]
    for before in (1, 7):       # where among the sixteen it happens
        a = connect(it)
        for turn in range(before):
            assert one(a, "SELECT %s::int", (turn,)) == turn
        a.execute(hide)
        pids = {one(a, "SELECT pg_backend_pid()") for _ in range(16)}
        assert len(pids) == 1, "nobody else has asked for a connection"
        with connect(it) as b:
            for _ in range(20):
                assert one(b, look) == clean and one(b, "SELECT pg_backend_pid()") not in pids
                assert one(a, "SELECT pg_backend_pid()") in pids and one(a, look) == "1"
        a.close()
        with connect(it) as b:
            wait_for(lambda: one(b, "SELECT pg_try_advisory_xact_lock(7)"), "the lock to be given back")


def test_asking_the_server_costs_clean_sessions_nothing_that_they_see(service):
    it = service(pool="max: 2, verify_session_state: sample")
    clients = [connect(it, prepare_threshold=0, application_name=f"c{i}") for i in range(5)]
    clients[0].execute("SET TimeZone = 'Asia/Tokyo'")
    for turn in range(40):
        for client in clients:
            assert one(client, "SELECT %s::int", (turn,)) == turn
    assert len({one(c, "SELECT pg_backend_pid()") for c in clients}) <= 2
    assert one(clients[0], "SHOW TimeZone") == "Asia/Tokyo"


def test_the_isolation_of_a_transaction_that_is_over_is_nothing_left_behind(service):
    """PostgreSQL has it among the session's settings until the session ends, and DISCARD ALL leaves it there."""
    it = service(pool="max: 1, wait_max: 3 s, verify_session_state: always")
    a, b = connect(it), connect(it)
    for client in (a, b, a):
        with client.transaction():
            client.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE")
            assert one(client, "SHOW transaction_isolation") == "serializable"
        assert one(client, "SHOW transaction_isolation") == "read committed"
    assert one(b, "SELECT 1") == 1


@pytest.mark.parametrize("how", ["ALTER ROLE", "options"])
def test_the_role_that_a_connection_begins_with_is_nothing_left_behind(service, pg, how):
    if how == "ALTER ROLE":
        pg.sql("ALTER ROLE app SET role = 'app_owner'")
    try:
        it = service(pool="max: 1, wait_max: 3 s, verify_session_state: always")
        options = {"options": "-c role=app_owner"} if how == "options" else {}
        a, b = connect(it, **options), connect(it, **options)
        for client in (a, b, a):
            assert one(client, "SELECT current_user") == "app_owner"
        a.execute("DISCARD ALL")
        for client in (b, a):
            assert one(client, "SELECT current_user") == "app_owner"
        a.close()
        assert one(b, "SELECT current_user") == "app_owner"
    finally:
        pg.sql("ALTER ROLE app RESET role")


@pytest.mark.parametrize("where", ["SET LOCAL", "set_config", "the start"])
def test_a_table_that_is_temporary_by_the_search_path_keeps_the_connection(service, where):
    it = service(pool="max: 2")
    options = {"options": "-c search_path=pg_temp,public"} if where == "the start" else {}
    a, b = connect(it, **options), connect(it, **options)
    with a.transaction():
        if where == "SET LOCAL":
            a.execute("SET LOCAL search_path = pg_temp, public")
        elif where == "set_config":
            a.execute("SELECT set_config('search_path', 'pg_temp, public', true)")
        a.execute("CREATE TABLE scratch (a int)")
    pid = one(a, "SELECT pg_backend_pid()")
    for _ in range(5):
        assert one(b, "SELECT pg_backend_pid()") != pid
        assert one(b, "SELECT to_regclass('pg_temp.scratch') IS NULL")
        assert one(a, "SELECT count(*) FROM pg_temp.scratch") == 0
