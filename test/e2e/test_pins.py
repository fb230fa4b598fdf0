"""What pins a session, against a real server: the state is there, its connection is nobody else's, and /metrics has its
reason."""

import time

import psycopg
import pytest
from prometheus_client import parser as prometheus

from harness import raw_client as raw
from test_admin import admin, values  # noqa: F401

PINS = {
    "LOAD 'auto_explain'": ("loaded_library", "SELECT count(*) FROM pg_settings WHERE name = 'auto_explain.log_nested_statements'", 1),
    "DECLARE kept CURSOR WITH HOLD FOR SELECT 1": ("cursor_with_hold", "SELECT count(*) FROM pg_cursors WHERE name = 'kept'", 1),
    "SELECT nextval('pins_s'), currval('pins_s')": ("sequence_value", None, None),
    "SELECT lastval() FROM nextval('pins_s')": ("sequence_value", None, None),
    "SELECT setseed(0.5)": ("random_seed", None, None),
    "SELECT 1 AS a INTO TEMP into_temp": ("temporary_table", "SELECT count(*) FROM pg_class WHERE relname = 'into_temp' AND relnamespace = pg_my_temp_schema()", 1),
    "SET SESSION AUTHORIZATION app_owner": ("set_role", "SELECT current_user", "app_owner"),
}


def one(connection, sql):
    return connection.execute(sql).fetchone()[0]


@pytest.fixture
def superuser(pg, secret):
    """LOAD of what is not in plugins/, and another session's user, are for superusers."""
    pg.sql(f"CREATE ROLE pinner LOGIN SUPERUSER PASSWORD '{secret}'")
    pg.sql("CREATE SEQUENCE pins_s", database="app")
    yield "pinner"
    pg.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'pinner'")
    pg.sql("DROP SEQUENCE pins_s", database="app")
    pg.sql("DROP ROLE pinner")


def pins(it):
    time.sleep(0.15)    # one snapshot serves all who ask within 100 ms
    _, text = it.metrics()
    found = values(text, prometheus.text_string_to_metric_families)
    return {dict(name[1:])["reason"]: count for name, count in found.items() if name[0] == "sallyport_pins_total" and count}


def test_each_kind_of_state_pins_its_session_and_is_counted_by_its_reason(admin, superuser):  # noqa: F811
    it = admin(user=superuser, extra_target=f"    pool: {{mode: transaction, max: {len(PINS) + 1}}}").start()
    counted, sessions, taken = {}, [], set()
    with it.service.psycopg(autocommit=True) as other:
        for sql, (reason, look, there) in PINS.items():
            session = it.service.psycopg(autocommit=True)
            sessions.append(session)
            session.execute(sql)
            pids = {one(session, "SELECT pg_backend_pid()") for _ in range(3)}
            assert len(pids) == 1 and not pids & taken, sql
            taken |= pids
            if look:
                assert one(session, look) == there and one(other, look) != there, sql
            assert not taken & {one(other, "SELECT pg_backend_pid()") for _ in range(3)}, sql
            counted[reason] = counted.get(reason, 0) + 1
            assert pins(it) == counted, sql
        for session in sessions:
            session.close()
        # They come back, reset or new.
        fresh = [it.service.psycopg() for _ in PINS]
        for session in fresh:
            assert one(session, "SELECT current_user") == superuser
            for _, look, there in PINS.values():
                assert not look or one(session, look) != there
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                session.execute("SELECT lastval()")
        for session in fresh:
            session.close()


@pytest.mark.parametrize("order", ["LOAD first", "LOAD last"])
def test_a_library_that_was_loaded_stays_with_its_connection_also_in_session_pooling(admin, superuser, order):  # noqa: F811
    it = admin(user=superuser, extra_target="    pool: {max: 1}").start()
    large = [raw.parse("", "SELECT '" + "x" * 1_100_000 + "'"), raw.sync()]
    with raw.RawClient.of(it.service) as client:
        if order == "LOAD last":
            client.ask(*large)
        client.ask(raw.query("LOAD 'auto_explain'"))
        if order == "LOAD first":
            client.ask(*large)
        pid = client.one("SELECT pg_backend_pid()")
    with it.service.psycopg(autocommit=True) as other:
        assert one(other, "SELECT pg_backend_pid()") != int(pid)
        assert one(other, "SELECT count(*) FROM pg_settings WHERE name = 'auto_explain.log_nested_statements'") == 0


def test_a_value_of_a_sequence_is_never_that_of_another_session(admin, pg):  # noqa: F811
    """INSERT on its own, then lastval(): on another connection it would be somebody else's, so it fails there, once."""
    pg.sql("CREATE TABLE drawn (id serial, who text)", database="app")
    pg.sql("GRANT ALL ON drawn, drawn_id_seq TO app", database="app")
    it = admin(extra_target="    pool: {mode: transaction, max: 4}").start()
    insert = "INSERT INTO drawn (who) VALUES ('%s')"
    try:
        for ask in (lambda c, sql: c.execute(sql), lambda c, sql: c.execute(sql, prepare=True)):
            with it.service.psycopg(autocommit=True) as alone:
                ask(alone, insert % "alone")
                mine = one(alone, "SELECT max(id) FROM drawn")
                assert ask(alone, "SELECT lastval()").fetchone()[0] == mine, "nobody has had the connection since"
            with it.service.psycopg(autocommit=True) as a, it.service.psycopg(autocommit=True) as b:
                ask(a, insert % "a")
                ask(b, insert % "b")
                with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as lost:
                    ask(a, "SELECT lastval()")
                assert lost.value.diag.message_primary == "sequence_value was given on another server connection"
                assert lost.value.diag.message_hint.rstrip() == "Use RETURNING, or one transaction; now the session keeps its connection"
                ask(a, insert % "a")
                ask(b, insert % "b")
                assert ask(a, "SELECT lastval()").fetchone()[0] == one(a, "SELECT max(id) FROM drawn WHERE who = 'a'")
            with it.service.psycopg() as transaction:
                ask(transaction, insert % "t")
                assert ask(transaction, "SELECT currval('drawn_id_seq')").fetchone()[0] == one(transaction, "SELECT max(id) FROM drawn")
    finally:
        it.service.stop()
        pg.sql("DROP TABLE drawn", database="app")
