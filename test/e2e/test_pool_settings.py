"""What single settings of a pool do, seen from the server: how long connections live, what `ignore` and `"*"` mean."""

import time

import psycopg
import pytest

from harness.processes import wait_for
from harness.service import Service

MODES = ["session", "transaction"]


@pytest.fixture
def service(sallyport, pg, pki, secret):
    made = []

    def make(pool, database="app"):
        made.append(Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {{{pool}}}"))
        made[-1].rewrite("database: app", f"database: {database}")
        return made[-1].start()
    yield make
    for it in made:
        it.stop()


def connect(it, database="app"):
    return psycopg.connect(host=it.directory, port=it.port, user="app", dbname=database, autocommit=True)


def backends(pg):
    return {pid for (pid,) in pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app'")}


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_that_nobody_uses_is_closed_after_idle_max_down_to_min_ready(service, pg, mode):
    it = service(f"mode: {mode}, min_ready: 1, max: 4, idle_max: 1 s")
    clients = [connect(it) for _ in range(3)]
    for client in clients:
        client.execute("BEGIN")
    assert len(backends(pg)) in (3, 4), "one more stands ready, where it is kept beside those in use"
    for client in clients:
        client.execute("COMMIT")
        client.close()
    wait_for(lambda: len(backends(pg)) == 1, "all but min_ready to be closed", 20)
    left = backends(pg)
    time.sleep(2)
    assert backends(pg) == left, "min_ready stays, whatever idle_max says"


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_is_replaced_after_lifetime_max_and_no_client_notices(service, pg, mode):
    it = service(f"mode: {mode}, min_ready: 1, max: 1, lifetime_max: 1 s")
    pids = set()
    until = time.monotonic() + 4
    with connect(it) as resting:
        if mode == "session":
            resting.close()     # it would keep its connection
        while time.monotonic() < until:
            with connect(it) as client:
                pids.add(client.execute("SELECT pg_backend_pid()").fetchone()[0])
            time.sleep(0.05)
        if mode == "transaction":
            assert resting.execute("SELECT 1").fetchone() == (1,)
    assert 2 <= len(pids) <= 8, "some lifetimes of about a second in four"


def test_ignored_state_pins_nobody_and_stays_where_it_was_made(service, pg):
    it = service("mode: transaction, min_ready: 1, max: 1, on_session_state: ignore")
    with connect(it) as first, connect(it) as second:
        first.execute("LISTEN heard")
        first.execute("SELECT pg_advisory_lock(4711)")
        # One connection for both: had the first kept it, the second would wait.
        assert second.execute("SELECT array_agg(c) FROM pg_listening_channels() AS c").fetchone() == (["heard"],)
        assert second.execute("SELECT pg_advisory_unlock(4711)").fetchone() == (True,)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("database, others", [('"*"', ["other"]), ("[app, other]", ["other"])])
def test_a_target_of_any_database_and_of_a_list(service, pg, mode, database, others):
    for name in ("other", "third"):
        if not pg.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            pg.sql(f"CREATE DATABASE {name}")
    it = service(f"mode: {mode}, max: 4", database=database)
    for name in ["app", *others]:
        assert it.psql("SELECT current_database()", database=name).stdout == name + "\n"
    third = it.psql("SELECT current_database()", database="third")
    if database == '"*"':
        assert third.stdout == "third\n"
        absent = it.psql("SELECT 1", database="absent")
        assert absent.returncode == 2 and 'database "absent" does not exist' in absent.stderr
    else:
        assert third.returncode == 2 and "does not exist" not in third.stderr, "the server is not asked"
    for name in ("other", "third"):
        pg.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", ["ROLE app", "DATABASE app"])
def test_who_comes_after_an_alter_set_begins_with_it_as_directly(service, pg, mode, what):
    it = service(f"mode: {mode}, min_ready: 2, max: 4")
    name = "statement_timeout"
    try:
        with connect(it) as other:
            other.execute("SELECT 1")
            for value in ("11s", "12s", "13s"):
                with connect(it) as client:
                    client.execute(f"ALTER {what} SET {name} = '{value}'")
                for _ in range(3):
                    with connect(it) as client:
                        assert client.execute(f"SHOW {name}").fetchone() == (value,)
            with connect(it) as client, client.transaction():
                client.execute(f"ALTER {what} RESET {name}")
            with connect(it) as client:
                assert client.execute(f"SHOW {name}").fetchone() == ("0",)
            other.execute("SELECT 1")
    finally:
        pg.sql(f"ALTER {what} RESET {name}")


@pytest.mark.parametrize("alter", ["{}", "BEGIN; {}; COMMIT", "SELECT 1; {}"])
@pytest.mark.parametrize("mode", MODES)
def test_an_alter_set_is_seen_wherever_it_stands_in_its_text(service, pg, mode, alter):
    it = service(f"mode: {mode}, min_ready: 2, max: 4")
    try:
        with connect(it) as client:
            client.execute(alter.format("ALTER ROLE app SET statement_timeout = '31s'"))
        with connect(it) as late:
            assert late.execute("SHOW statement_timeout").fetchone() == ("31s",)
    finally:
        pg.sql("ALTER ROLE app RESET statement_timeout")


@pytest.mark.parametrize("mode", MODES)
def test_who_alters_itself_without_end_is_served_and_begins_with_what_came_last(service, pg, mode):
    """What it costs others: Pool.WhoAltersItsDefaultsWithoutEndCostsTheOthersOneLoginInTenSeconds."""
    it = service(f"mode: {mode}, min_ready: 2, max: 4")
    try:
        with connect(it) as other:
            with connect(it) as client:
                for i in range(60):
                    client.execute(f"ALTER ROLE app SET statement_timeout = '{i + 10}s'")
                    assert other.execute("SELECT 1").fetchone() == (1,)
            with connect(it) as late:
                assert late.execute("SHOW statement_timeout").fetchone() == ("69s",)
    finally:
        pg.sql("ALTER ROLE app RESET statement_timeout")
