"""Two identities, one role: whatever one leaves behind, the other never finds it, nor the server process that has it, unless
`share: role` says so; and then a reset lies between them (threat 4)."""

import contextlib

import psycopg
import pytest

POISON = {
    "SET work_mem = '99MB'": ("SHOW work_mem", "4MB"),
    "SET search_path = evil, public": ("SHOW search_path", '"$user", public'),
    "SET TimeZone = 'Asia/Tokyo'": ("SELECT current_setting('TimeZone') <> 'Asia/Tokyo'", "t"),
    "PREPARE poison AS SELECT 1": ("SELECT count(*) FROM pg_prepared_statements WHERE from_sql", "0"),
    "CREATE TEMP TABLE poison (a int)": ("SELECT to_regclass('pg_temp.poison') IS NULL", "t"),
    "LISTEN poison": ("SELECT count(*) FROM pg_listening_channels()", "0"),
    "SELECT pg_advisory_lock(5252)": ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", "0"),
    "DECLARE poison CURSOR WITH HOLD FOR SELECT 1": ("SELECT count(*) FROM pg_cursors WHERE is_holdable", "0"),
    "SET ROLE app_owner": ("SELECT current_user", "app"),
}
# What the text of a statement does not show, or not at first sight. Each in a session of its own: one that pins it would cover others.
SET_CONFIG = "DO $$ BEGIN PERFORM set_config('{}', '{}', false); END $$"
HIDDEN = {
    "set_config in a DO block": (SET_CONFIG.format("work_mem", "99MB"), "SHOW work_mem", "4MB"),
    "set_config of a custom setting in a DO block": (
        SET_CONFIG.format("poison.tenant", "evil"), "SELECT coalesce(current_setting('poison.tenant', true), '')", ""),
    "set_config of the role in a DO block": (SET_CONFIG.format("role", "app_owner"), "SELECT current_user", "app"),
    "SET ROLE in a DO block": ("DO $$ BEGIN SET ROLE app_owner; END $$", "SELECT current_user", "app"),
    "SET ROLE in a DO block's text": ("DO $$ BEGIN EXECUTE 'SET RO' || 'LE app_owner'; END $$", "SELECT current_user", "app"),
    "SET ROLE in a function": ("SELECT poison.role()", "SELECT current_user", "app"),
    "set_config in a function": ("SELECT poison.setting()", "SHOW work_mem", "4MB"),
    "set_config of a custom setting in a function": (
        "SELECT poison.tenant()", "SELECT coalesce(current_setting('poison.tenant', true), '')", ""),
    "LISTEN in a DO block": ("DO $$ BEGIN LISTEN poison; END $$", "SELECT count(*) FROM pg_listening_channels()", "0"),
    "dblink_connect": ("SELECT dblink_connect_u('far', '{far}')", "SELECT coalesce(dblink_get_connections()::text, 'none')", "none"),
    "dblink_connect in a function": (
        "SELECT poison.connects('{far}')", "SELECT coalesce(dblink_get_connections()::text, 'none')", "none"),
}
ALLOW = "[{user: root}, {user: postgres}]"
both_modes = pytest.mark.parametrize("mode", ["session", "transaction"])


def poisoned(it):
    """A session of root's with all of it; its server process."""
    session = it.psycopg(autocommit=True)
    for sql in POISON:
        session.execute(sql)
    return session, session.execute("SELECT pg_backend_pid()").fetchone()[0]


def the_other_sees(it, *looks):
    """The server process of a session of postgres's, and what it finds there."""
    done = it.psql("SELECT pg_backend_pid()", *(looks or [look for look, _ in POISON.values()]), account="postgres")
    assert done.returncode == 0, done.stderr
    pid, *found = done.stdout.splitlines()
    return int(pid), found


@pytest.fixture
def hiding(pg):
    """Functions that hide what they do, in the schema `poison`; hiding(what): its (sql, look, clean)."""
    pg.sql("CREATE EXTENSION dblink; GRANT EXECUTE ON FUNCTION dblink_connect_u(text, text) TO app; "
           "CREATE SCHEMA poison; GRANT USAGE ON SCHEMA poison TO app", database="app")
    for function, what in {"role()": "SET ROLE app_owner", "setting()": "PERFORM set_config('work_mem', '99MB', false)",
                           "tenant()": "PERFORM set_config('poison.tenant', 'evil', false)",
                           "connects(far text)": "PERFORM dblink_connect_u('far', far)"}.items():
        pg.sql(f"CREATE FUNCTION poison.{function} RETURNS void LANGUAGE plpgsql AS $$ BEGIN {what}; END $$", database="app")
    far = f"host={pg.folder} port={pg.port} user=postgres dbname=app application_name=far"
    yield lambda what: (HIDDEN[what][0].replace("{far}", far), *HIDDEN[what][1:])
    pg.sql("DROP SCHEMA poison CASCADE; DROP EXTENSION dblink", database="app")


def hidden_by(it, sql):
    """A session of root's in which it is done; its server process. It does not look: naming dblink would tell on it."""
    session = it.psycopg(autocommit=True)
    session.execute(sql)
    return session, session.execute("SELECT pg_backend_pid()").fetchone()[0]


CLEAN = [clean for _, clean in POISON.values()]


@both_modes
def test_what_one_identity_leaves_behind_no_other_finds(pooled, mode):
    it = pooled(mode, "max: 4", allow=ALLOW)
    mine = set()
    for _ in range(2):
        session, pid = poisoned(it)
        mine.add(pid)
        for leaves in (False, True):
            if leaves:
                session.close()
            for _ in range(4):
                pid, found = the_other_sees(it)
                assert pid not in mine and found == CLEAN
    assert the_other_sees(it)[1] == CLEAN


@both_modes
def test_shared_by_role_a_reset_lies_between_them(pooled, mode):
    it = pooled(mode, 'max: 1, share: role, share_reason: "both are the same service"', allow=ALLOW)
    for _ in range(3):
        session, pid = poisoned(it)
        session.close()
        assert the_other_sees(it) == (pid, CLEAN), "the same server process, as there is but one"
    with it.psycopg(autocommit=True) as session, pytest.raises(psycopg.errors.InvalidSqlStatementName):
        session.execute("EXECUTE poison")


def is_hidden_somewhere(it, session, look, clean):
    """In transaction pooling a session may be given another of its identity's connections, where a login was slow: all of them
    are looked at, each held by a transaction."""
    if str(session.execute(look).fetchone()[0]) != clean:
        return True
    with contextlib.ExitStack() as held:
        for _ in range(3):
            other = held.enter_context(it.psycopg())
            if str(other.execute(look).fetchone()[0]) != clean:
                return True
    return False


@both_modes
@pytest.mark.parametrize("what", HIDDEN)
def test_what_one_identity_hides_no_other_finds(pooled, hiding, mode, what):
    """Nobody has to notice it: the connections of one are not the other's."""
    it = pooled(mode, "max: 4", allow=ALLOW)
    sql, look, clean = hiding(what)
    session, mine = hidden_by(it, sql)
    for leaves in (False, True):
        if leaves:
            assert is_hidden_somewhere(it, session, look, clean), "nothing was hidden"
            session.close()
        for _ in range(4):
            pid, found = the_other_sees(it, look)
            assert pid != mine and found == [clean]


# docs/pooling.md, "What no check sees": where identities share connections these are not claimed to be found.
SEEN_BY_NO_RESET = {"dblink_connect in a function"}
SEEN_BY_NO_QUESTION = SEEN_BY_NO_RESET | {"set_config of a custom setting in a function"}


@pytest.mark.parametrize("mode, what", [("session", what) for what in HIDDEN if what not in SEEN_BY_NO_RESET] +
                         [("transaction, verify_session_state: always", what) for what in HIDDEN if what not in SEEN_BY_NO_QUESTION])
def test_shared_by_role_what_one_identity_hides_is_reset_before_the_other(pooled, hiding, mode, what):
    it = pooled(mode, 'max: 1, share: role, share_reason: "both are the same service"', allow=ALLOW)
    sql, look, clean = hiding(what)
    session, mine = hidden_by(it, sql)
    session.close()
    pid, found = the_other_sees(it, look)
    assert found == [clean] and (pid == mine) == (what != "dblink_connect"), "the same server process, but that of dblink is closed"
