"""A session may change what it logs in as, behind our back: the password, or the settings that its user's sessions begin
with (threat 5). Each is an event of the trail within one login."""

import time

import pytest

from harness.processes import wait_for
from harness.service import Service


@pytest.fixture
def own_user(pg, secret):
    """A user that a test may change."""
    pg.sql(f"CREATE ROLE changed LOGIN PASSWORD '{secret}'")
    yield "changed"
    pg.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'changed'")
    pg.sql("DROP ROLE changed")


@pytest.fixture
def service(sallyport, pg, pki, secret, own_user):
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", user=own_user,
                 extra_target="    pool: {mode: transaction, min_ready: 0, max: 4}")
    yield it.start()
    it.stop()


def events(it, what):
    return [e for e in it.sallyport.audit("--dir", it.audit_directory, "--kind", "security") if e["result"] == what]


def hold_all(it, count):
    """As many sessions in a transaction: a new login for each that is not there yet."""
    sessions = [it.psycopg() for _ in range(count)]
    return sessions, [s.execute("SHOW search_path").fetchone()[0] for s in sessions]


@pytest.mark.parametrize("sql, name", [
    ("ALTER ROLE CURRENT_USER SET search_path = evil, public", "search_path"),
    ("ALTER ROLE CURRENT_USER IN DATABASE app SET statement_timeout = 54321", "statement_timeout"),
])
def test_changed_settings_are_an_event_within_one_login(service, sql, name):
    with service.psycopg(autocommit=True) as attacker:
        attacker.execute(sql)
    time.sleep(1.1)     # a burst of logins is asked about once a second
    sessions, _ = hold_all(service, 2)
    wait_for(lambda: events(service, "role_changed_outside"), "the event")
    for session in sessions:
        session.close()
    time.sleep(1.1)
    sessions, _ = hold_all(service, 3)
    for session in sessions:
        session.close()
    found = events(service, "role_changed_outside")
    assert len(found) == 1, "told once"
    assert f"({name})" in found[0]["reason"] and "changed" in found[0]["reason"]
    assert "evil" not in str(found) + service.run.output and "54321" not in str(found) + service.run.output
    assert '"event":"role_changed_outside"' in service.run.output.replace(" ", "")


def test_settings_that_stay_are_no_event(service, pg):
    pg.sql("ALTER ROLE changed SET search_path = fine")
    for count in (2, 4):
        sessions, paths = hold_all(service, count)
        for session in sessions:
            session.close()
        assert set(paths) == {"fine"}
        time.sleep(1.1)
    assert not events(service, "role_changed_outside")


def test_a_changed_password_is_an_event_within_one_login(service):
    with service.psycopg(autocommit=True) as attacker:
        attacker.execute("ALTER ROLE CURRENT_USER PASSWORD 'mine now'")
        busy = service.psycopg()
        busy.execute("SELECT 1")
        with pytest.raises(Exception, match="password|credential"):
            hold_all(service, 2)
    wait_for(lambda: events(service, "credential_changed_outside"), "the event")
    assert "mine now" not in service.run.output


def test_changes_without_end_fill_no_trail(sallyport, pg, pki, secret, own_user):
    """Ten at once and one in ten seconds; the next that is told says how many were not."""
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", user=own_user,
                 extra_target="    pool: {mode: transaction, min_ready: 0, max: 4, verify_session_state: always}").start()

    def change(attacker, value):
        attacker.execute(f"ALTER ROLE CURRENT_USER SET statement_timeout = {value}")
        with it.psycopg(autocommit=True) as other:
            other.execute("SELECT 1")
    began = time.monotonic()
    with it.psycopg(autocommit=True) as attacker:
        for i in range(60):
            change(attacker, 60_000 + i)
        wait_for(lambda: len(events(it, "role_changed_outside")) >= 10, "the first ten")
        told = len(events(it, "role_changed_outside"))
        assert told <= 11 + (time.monotonic() - began) / 10
        time.sleep(11)
        change(attacker, 99_000)
        wait_for(lambda: "changes that were not told" in events(it, "role_changed_outside")[-1]["reason"], "the next one")
    it.stop()
