"""Which connections a pool keeps ready, counted by the logins in the server's log: not lost because others have theirs, and
not tried for ever where the server refuses what is asked."""

import os
import threading
import time

import psycopg
import pytest

from conftest import attempts_in
from harness import canary
from harness.processes import wait_for
from test_passwords import passwd

NAMES = 20


def answers(it, database="app", **more):
    """None: served; else what the client was told."""
    try:
        with psycopg.connect(host=it.directory, port=it.port, dbname=database, **{"user": "app", **more}) as one:
            one.execute("SELECT 1")
        return None
    except psycopg.OperationalError as error:
        return str(error)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_connections_of_many_identities_stay_ready(pooled, pg, sallyport, mode):
    """Twenty names of one role, each asks once a second; nobody is logged in again."""
    path = os.path.join(sallyport.folder, "home", "passwords")
    password = canary.make()
    for number in range(NAMES):
        passwd(sallyport, f"name{number}", "--file", path, "--iterations", "4096", password=password)
    it = pooled(mode, "max: 60", allow=f"[{{verifier: {path}}}]")
    over = time.monotonic() + 14
    failed = []

    def client(number):
        try:
            while time.monotonic() < over:
                with psycopg.connect(host=it.directory, port=it.port, user=f"name{number}", password=password, dbname="app") as one:
                    one.execute("SELECT 1")
                time.sleep(1)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    with pg.log_since() as read:
        threads = [threading.Thread(target=client, args=(n,)) for n in range(NAMES)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        logins = attempts_in(read())
    assert not failed, failed[:1]
    assert logins <= 2 * NAMES, f"{logins} logins for {NAMES} names"


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("what", ["database", "option"])
def test_what_the_server_refuses_is_not_tried_again(pooled, pg, mode, what):
    it = pooled(mode, "max: 10, min_ready: 1")
    if what == "database":
        it.rewrite("database: app", 'database: "*"')
        assert it.reload()
    assert answers(it) is None
    time.sleep(1)
    with pg.log_since() as read:
        if what == "database":
            assert 'database "no_such_database" does not exist' in answers(it, "no_such_database")
        else:
            assert "no_such_setting" in answers(it, options="-c no_such_setting=1")
        time.sleep(8)
        assert attempts_in(read()) == 1


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_database_that_was_dropped_by_force_is_tried_once(pooled, pg, mode):
    it = pooled(mode, "max: 10, min_ready: 1")
    it.rewrite("database: app", 'database: "*"')
    assert it.reload()
    pg.sql("DROP DATABASE IF EXISTS held_by_the_pool WITH (FORCE)")
    pg.sql("CREATE DATABASE held_by_the_pool")
    assert answers(it, "held_by_the_pool") is None
    wait_for(lambda: pg.sql("SELECT 1 FROM pg_stat_activity WHERE datname = 'held_by_the_pool'"), "a ready connection")
    with pg.log_since() as read:
        pg.sql("DROP DATABASE held_by_the_pool WITH (FORCE)")
        time.sleep(8)
        assert attempts_in(read()) <= 2
    pg.sql("CREATE DATABASE held_by_the_pool")
    assert answers(it, "held_by_the_pool") is None, "who asks is logged in as before"
    time.sleep(0.5)
    pg.sql("DROP DATABASE held_by_the_pool WITH (FORCE)")
