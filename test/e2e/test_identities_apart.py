"""Two identities, one role: whatever one leaves behind, the other never finds it, nor the server process that has it, unless
`share: role` says so; and then a reset lies between them (threat 4)."""

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
ALLOW = "[{user: root}, {user: postgres}]"
both_modes = pytest.mark.parametrize("mode", ["session", "transaction"])


def poisoned(it):
    """A session of root's with all of it; its server process."""
    session = it.psycopg(autocommit=True)
    for sql in POISON:
        session.execute(sql)
    return session, session.execute("SELECT pg_backend_pid()").fetchone()[0]


def the_other_sees(it):
    """The server process of a session of postgres's, and what it finds there."""
    done = it.psql("SELECT pg_backend_pid()", *(look for look, _ in POISON.values()), account="postgres")
    assert done.returncode == 0, done.stderr
    pid, *found = done.stdout.splitlines()
    return int(pid), found


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
