"""At the end of a credential /metrics says how many sessions were moved and how many were told to go, and why; the trail says it of
each. Users are really dropped."""

import time

import psycopg
import pytest
from prometheus_client import parser as prometheus

from harness.processes import wait_for
from test_admin import admin, values  # noqa: F401

# What keeps a session from moving, and the word for it: docs/operations.md.
OBSTACLES = {
    "LISTEN something": "listen",
    "SELECT pg_advisory_lock(4711)": "advisory_lock",
    "DECLARE kept CURSOR WITH HOLD FOR SELECT 1": "cursor",
    "CREATE TEMP TABLE mine (a int)": "temporary_table",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'": "temporary_object",
    "PREPARE mine AS SELECT 1": "prepared_in_sql",
    "SET ROLE none": "set_role",
    "SET app.tenant = '5'": "custom_setting",
    "SET client_encoding = 'LATIN1'; SET TimeZone = '<é>-3'": "not_restorable",
}
WORDS = "sallyport: the credential of this session has ended"


class Watched:
    """A session of two statements a transaction. `users`: whom the server took it for; `told`: the error that ended it, and at which
    statement of a transaction it came."""

    def __init__(self, service, name, sql):
        self.connection = service.psycopg(application_name=name, prepare_threshold=None)
        self.name, self.users, self.pids, self.told = name, [], [], None
        self.connection.execute(sql)
        self.connection.commit()

    def work(self):
        if self.told:
            return
        step = "first"
        try:
            user, pid = self.connection.execute("SELECT session_user, pg_backend_pid()").fetchone()
            for known, now in ((self.users, user), (self.pids, pid)):
                if now not in known:
                    known.append(now)
            step = "second"
            self.connection.execute("SELECT 1")
            step = "commit"
            self.connection.commit()
        except psycopg.Error as error:
            self.told = (step, error.sqlstate, error.diag.message_primary, bool(error.diag.message_hint))


@pytest.fixture
def short(admin, bao, sallyport):  # noqa: F811
    """A broker whose credentials live for six seconds; the secret of its target is that of OpenBao."""
    def make(mode, pool="max: 24", ttl="3s", max_ttl="6s"):
        bao.role("counted", ttl=ttl, max_ttl=max_ttl)
        it = admin(user=None, extra_target=f"    pool: {{mode: {mode}, {pool}}}\n    run_as: app_owner")
        it.service.rewrite(f"file:{sallyport.folder}/home/password", "vault:database/creds/counted")
        it.service.start(env=bao.environment(bao.token()))
        return it
    return make


def figures(it):
    """(moved, {reason: ended}) of the target, as /metrics has it."""
    time.sleep(0.15)    # one snapshot serves all who ask within 100 ms
    _, text = it.metrics()
    found = values(text, prometheus.text_string_to_metric_families)
    target = ("target", "main")
    forced = {dict(labels)["reason"]: count for (name, *labels), count in found.items()
              if name == "sallyport_rotation_forced_total" and target in labels and count}
    return found[("sallyport_session_moves_total", target)], forced


def ends_in_trail(it):
    """{application name: the record of its session's end}"""
    rows = it.sallyport.audit("-c", it.service.config)
    names = {row["session"]: row["claimed"]["application_name"] for row in rows if row["kind"] == "session_start"}
    return {names[row["session"]]: row for row in rows if row["kind"] == "session_end"}


def ended_in_peace(log, pid):
    """Whether that process of the server ended because its client had left, and was not ended: the drop of its user does that."""
    own = "".join(line for line in log.splitlines() if f"[{pid}]" in line)
    return "disconnection: " in own and "FATAL" not in own


def moves_of(sessions):
    return sum(len(each.users) - 1 for each in sessions)


def until_told(sessions, working, seconds=30):
    """All work in turn, until the first ones have been told to go, and the others have another user."""
    deadline = time.monotonic() + seconds
    while not all(each.told for each in sessions) or moves_of(working) < len(working):
        assert time.monotonic() < deadline, [(each.name, each.users, each.told) for each in (*sessions, *working)]
        for each in (*sessions, *working):
            each.work()
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_who_is_moved_and_who_is_told_to_go_is_counted_and_in_the_trail(short, pg, mode):
    """In transaction pooling LISTEN and the like pin a session, and so does work_mem, which moves with it."""
    it = short(mode)
    assert figures(it) == (0, {})
    with pg.log_since() as log:
        kept = [Watched(it.service, reason, sql) for sql, reason in OBSTACLES.items()]
        movable = [Watched(it.service, f"movable{n}", "SET work_mem = '5MB'") for n in range(3)]
        until_told(kept, movable)
        before = moves_of(movable)
        moved, forced = figures(it)
        for each in movable:
            each.work()
        assert before <= moved <= moves_of(movable), "a move is counted once, and nothing else is one"
        assert forced == {reason: 1 for reason in OBSTACLES.values()}
        for each in kept:
            assert each.told == ("first", "57P01", WORDS, True), each.name
            assert len(each.users) == len(each.pids) == 1, "it was where it began until it was told"
        for each in movable:
            assert not each.told and each.connection.execute("SHOW work_mem").fetchone()[0] == "5MB"
        users = {user for each in kept for user in each.users}
        wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = ANY(%s)", list(users)), "their user to be dropped", 30)
        for each in kept:
            assert ended_in_peace(log(), each.pids[0])
    for each in (*kept, *movable):
        each.connection.close()
    names = {each.name for each in (*kept, *movable)}
    ends = wait_for(lambda: (found := ends_in_trail(it)).keys() >= names and found, "the ends of the sessions in the trail")
    for each in kept:
        assert (ends[each.name]["result"], ends[each.name]["reason"]) == ("failed", "rotation_forced"), ends[each.name]
    for each in movable:
        assert ends[each.name]["result"] == "ok", ends[each.name]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_listener_at_rest_is_told_before_its_user_is_dropped(short, pg, mode):
    """It waits for notifications and asks nothing: libpq hands it what comes in meanwhile as a notice, as it does with a server's."""
    it = short(mode)
    with pg.log_since() as log, it.service.psycopg(autocommit=True, application_name="rests") as listener:
        notices = []
        listener.add_notice_handler(lambda notice: notices.append((notice.sqlstate, notice.message_primary)))
        listener.execute("LISTEN something")
        user, pid = listener.execute("SELECT session_user, pg_backend_pid()").fetchone()
        with pytest.raises(psycopg.OperationalError):
            for _ in listener.notifies(timeout=30):
                pass
            notices.append("never told")
        assert notices == [("57P01", WORDS)]
        assert figures(it) == (0, {"listen": 1})
        wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", user), "its user to be dropped", 30)
        assert ended_in_peace(log(), pid)
    end = wait_for(lambda: ends_in_trail(it).get("rests"), "its end in the trail")
    assert (end["result"], end["reason"]) == ("failed", "rotation_forced")


def test_a_session_that_shares_goes_on_with_the_next_credential_and_is_no_move(short):
    """Between two transactions it has no server connection that could end."""
    it = short("transaction")
    shares = Watched(it.service, "shares", "SELECT 1")
    until_told([], [shares])
    assert not shares.told and figures(it) == (0, {})
    shares.connection.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_session_that_is_in_a_transaction_to_the_last_is_counted_too(short, mode):
    """docs/operations.md, `no_connection`: "or it never came to the end of its transaction"."""
    it = short(mode)
    with it.service.psycopg(application_name="long") as session:
        deadline = time.monotonic() + 30
        with pytest.raises(psycopg.Error) as told:
            while time.monotonic() < deadline:
                session.execute("SELECT 1")
                time.sleep(0.05)
        assert told.value.sqlstate == "57P01"
    assert figures(it) == (0, {"no_connection": 1})
    end = wait_for(lambda: ends_in_trail(it).get("long"), "its end in the trail")
    assert (end["result"], end["reason"]) == ("failed", "server closed with its credential")


def test_behind_a_move_nothing_of_others_is_found(short, pg):
    """Its new connection is one that others have had: what they have drawn, and prepared behind another search_path. They have had it
    for some seconds by then, as a lease of 20 s is replaced at its half and told to end at three quarters."""
    it = short("transaction", "max: 2", ttl="20s", max_ttl="20s")
    pg.sql("DROP SCHEMA IF EXISTS mine CASCADE; DROP TABLE IF EXISTS whose; DROP SEQUENCE IF EXISTS drawn; CREATE SCHEMA mine; "
           "CREATE TABLE mine.whose AS SELECT 'mine'::text v; CREATE TABLE whose AS SELECT 'public'::text v; CREATE SEQUENCE drawn; "
           "GRANT USAGE ON SCHEMA mine TO PUBLIC; GRANT SELECT ON mine.whose, whose TO PUBLIC; GRANT USAGE ON SEQUENCE drawn TO PUBLIC",
           database="app")
    try:
        with it.service.psycopg(autocommit=True) as a, it.service.psycopg(autocommit=True) as b:
            a.execute("SET search_path = mine")
            seen = set()

            def is_moved():
                b.execute("SELECT nextval('drawn')")
                assert b.execute("SELECT v FROM whose", prepare=True).fetchone() == ("public",)
                seen.add(b.execute("SELECT pg_backend_pid()").fetchone()[0])
                return figures(it)[0] > 0
            wait_for(is_moved, "the session to be moved", 60)
            # Its first word there: behind any other statement, which may have drawn one, it is not told apart (docs/pooling.md).
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
                a.execute("SELECT lastval()")
            assert a.execute("SELECT v FROM whose", prepare=True).fetchone() == ("mine",)
            assert a.execute("SELECT pg_backend_pid()").fetchone()[0] in seen, "it has one that the other has had"
    finally:
        pg.sql("DROP SCHEMA mine CASCADE; DROP TABLE whose; DROP SEQUENCE drawn", database="app")
