"""Who gets what, when, from where, how often and for how long; and what `policy explain` says of it."""

import datetime
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

import psycopg
import pytest

from conftest import attempts_in, skip_here
from harness.postgres import BIN, Postgres
from harness.processes import find_program, wait_for
from harness.service import Service


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(server=None, **more):
        return Service(sallyport, server or pg, pki, f"file:{sallyport.secret_file(secret)}", **more)
    return make


def hours_around_now(open_now):
    """`hours` of today, UTC, that hold now, or do not; not within a minute of midnight's change of mind."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = (now if open_now else now + datetime.timedelta(days=3)).strftime("%a")
    before = (now - datetime.timedelta(days=1)).strftime("%a")
    after = (now + datetime.timedelta(days=1)).strftime("%a")
    return f"{before},{day},{after} 00:00-24:00 UTC" if open_now else f"{day} 00:00-24:00 UTC"


# -- hours --------------------------------------------------------------------------------------


def test_outside_its_hours_a_rule_admits_nobody_and_the_server_never_hears_of_it(service, sallyport, pg):
    it = service(allow=f"[{{user: root, hours: {hours_around_now(False)}}}]", extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        refused = it.psql("SELECT 1")
        assert refused.returncode == 2 and "hours" not in refused.stderr, "a stranger is told nothing"
        assert attempts_in(read()) == 0
    it.stop()
    assert "matches rule 1 but for its hours" in sallyport.audit("-c", it.config, "--kind", "session_denied")[0]["reason"]


def test_within_its_hours_it_does_also_by_the_clocks_of_another_place(service):
    everywhere = "00:00-24:00 Pacific/Auckland"
    it = service(allow=f"[{{user: root, hours: ['{hours_around_now(True)}']}}, {{user: postgres, hours: {everywhere}}}]").start()
    assert it.psql("SELECT 'in'").stdout == "in\n"
    assert it.psql("SELECT 'in'", account="postgres").stdout == "in\n"
    it.stop()


def test_a_session_that_began_within_the_hours_survives_a_reload_outside_them(service):
    """`hours` says when one may begin; an unrelated reload does not end who did."""
    it = service(allow=f'[{{user: root, hours: "{hours_around_now(True)}"}}]').start()
    live = it.psycopg(autocommit=True)
    it.rewrite("audit: {", "reload: {grace: 7s}\naudit: {")
    assert it.reload()
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    it.rewrite(hours_around_now(True), hours_around_now(False))
    assert it.reload()
    with pytest.raises(psycopg.errors.AdminShutdown):
        live.execute("SELECT 1")
    it.stop()


# -- limits -------------------------------------------------------------------------------------


def test_an_identity_has_as_many_sessions_as_its_rule_says_and_others_are_not_hindered(service):
    it = service(allow="[{user: root, connections_max: 2}, {user: postgres}]").start()
    two = [it.psycopg(), it.psycopg()]
    refused = it.psql("SELECT 1")
    assert refused.returncode == 2 and "2 sessions of this identity" in refused.stderr
    assert it.psql("SELECT 'in'", account="postgres").stdout == "in\n"
    two.pop().close()
    wait_for(lambda: it.psql("SELECT 'in'").stdout == "in\n", "the place to be free")
    two.pop().close()
    it.stop()


def test_a_route_has_as_many_sessions_as_it_says(service):
    it = service(allow="[{user: root}, {user: postgres}]\n    connections_max: 2").start()
    two = [it.psycopg(), it.psycopg()]
    assert "2 sessions on this route" in it.psql("SELECT 1", account="postgres").stderr
    for one in two:
        one.close()
    it.stop()


def test_who_reconnects_at_once_has_its_place_again(service):
    """A limit of one: the session before is never in the way of the next, however quickly that comes."""
    it = service(allow="[{user: root, connections_max: 1}]").start()
    for _ in range(50):
        answer = it.psql("SELECT 'in'")
        assert answer.stdout == "in\n", answer.stderr
    for _ in range(200):
        it.psycopg().close()
    it.stop()


def test_who_says_goodbye_and_does_not_close_has_no_more_connections_than_its_rule_says(service):
    it = service(allow="[{user: root, connections_max: 1}]").start()
    done = []
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(it.socket)
        body = struct.pack("!I", 196608) + b"user\0app\0database\0app\0\0"
        client.sendall(struct.pack("!I", len(body) + 4) + body)
        heard = b""
        while not heard.endswith(b"Z\0\0\0\5I"):
            more = client.recv(65536)
            assert more, heard
            heard += more
        client.sendall(b"X\0\0\0\4")
        assert client.recv(1) == b"", "the farewell was heard"
        done.append(client)
    still_open = [client for client in done if not refuses(client)]
    assert len(still_open) <= 1, f"{len(still_open)} connections are open"
    assert it.psql("SELECT 'in'").stdout == "in\n"
    for client in done:
        client.close()
    it.stop()


def refuses(client):
    """Whether the other end is closed: one that only says no more still takes bytes."""
    try:
        client.sendall(b"x")
        return False
    except (BrokenPipeError, ConnectionResetError):
        return True


def test_new_sessions_a_second_are_limited(service):
    it = service(allow="[{user: root}]\n    connections_per_second_max: 3").start()
    began = time.monotonic()
    outcomes = []
    while len([1 for refused in outcomes if refused]) == 0 and time.monotonic() - began < 20:
        try:
            it.psycopg().close()
            outcomes.append("")
        except psycopg.OperationalError as error:
            outcomes.append(str(error))
    assert "more than 3 new sessions in a second" in outcomes[-1], outcomes
    wait_for(lambda: it.psql("SELECT 'in'").stdout == "in\n", "a second to pass")
    it.stop()


def test_an_old_session_ends_at_its_boundary(service, sallyport):
    it = service(allow="[{user: root}]\n    session_age_max: 2s").start()
    idle, busy = it.psycopg(autocommit=True), it.psycopg()
    busy.execute("SELECT 1")
    time.sleep(2.5)
    with pytest.raises(psycopg.errors.AdminShutdown, match="as old as"):
        idle.execute("SELECT 1")
    assert busy.execute("SELECT 'still'").fetchone() == ("still",)
    busy.commit()
    with pytest.raises(psycopg.OperationalError):
        time.sleep(0.3)
        busy.execute("SELECT 1")
    it.stop()
    reasons = [row["reason"] for row in sallyport.audit("-c", it.config, "--kind", "session_end")]
    assert reasons == ["session_age_max"] * 2


# -- replication --------------------------------------------------------------------------------


@pytest.fixture
def replicating(base, pki, secret):
    """A PostgreSQL whose user app may replicate."""
    from conftest import prepare
    server = Postgres(os.path.join(base, "pg-repl"), pki, settings={"wal_level": "logical"})
    prepare(server, secret)
    server.sql("ALTER ROLE app REPLICATION; GRANT CREATE ON SCHEMA public TO app", database="app")
    with open(os.path.join(server.data, "pg_hba.conf"), "a", encoding="ascii") as file:
        file.write("hostssl replication app 0.0.0.0/0 scram-sha-256\n")
    server.reload()
    yield server
    server.close()


def tool(name):
    program = find_program(name, BIN)
    if program is None:
        skip_here(f"{name} is missing here")
    return program


def walsenders(server):
    return server.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'")


REPLICATES = "[{user: root, replication: true}]"


def test_replication_that_pg_hba_refuses_costs_nobody_else_the_credential(service, pg):
    """The first login of all; pg_hba.conf of this server has no line for replication over TCP."""
    it = service(allow=REPLICATES, extra_target="    pool: {min_ready: 0}").start()
    done = subprocess.run(["psql", "-XAtqw", f"host={it.directory} user=app dbname=app replication=true", "-c", "IDENTIFY_SYSTEM"],
                          capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 2 and "no pg_hba.conf entry for replication connection" in done.stderr, done.stderr
    began = time.monotonic()
    assert it.psql("SELECT 'in'").stdout == "in\n"
    assert time.monotonic() - began < 5
    it.stop()


def test_without_the_rules_word_no_replication_session_begins(service, replicating, sallyport):
    it = service(server=replicating, extra_target="    pool: {min_ready: 0}").start()
    with replicating.log_since() as read:
        for kind in ("true", "database", "on"):
            done = subprocess.run(["psql", "-XAtqw", f"host={it.directory} user=app dbname=app replication={kind}", "-c",
                                   "IDENTIFY_SYSTEM"], capture_output=True, text=True, timeout=60, cwd="/")
            assert done.returncode == 2
        assert attempts_in(read()) == 0
    assert it.psql("SELECT 'in'").stdout == "in\n"
    it.stop()
    assert "but for its replication" in sallyport.audit("-c", it.config, "--kind", "session_denied")[0]["reason"]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_pg_basebackup_copies_the_cluster_through_the_broker(service, replicating, tmp_path, mode):
    it = service(server=replicating, allow=REPLICATES, extra_target=f"    pool: {{mode: {mode}}}").start()
    for method in ("fetch", "stream"):     # stream: a second session, in CopyBoth, beside the first
        copy = str(tmp_path / method)
        done = subprocess.run([tool("pg_basebackup"), "-h", it.directory, "-U", "app", "-D", copy, "-X", method, "-c", "fast"],
                              capture_output=True, text=True, timeout=120, cwd="/")
        assert done.returncode == 0, done.stderr + it.run.output
        assert os.path.exists(os.path.join(copy, "PG_VERSION"))
        assert os.listdir(os.path.join(copy, "pg_wal"))
        shutil.rmtree(copy)
    wait_for(lambda: not walsenders(replicating), "the walsenders to be gone: none is kept")
    it.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_pg_receivewal_streams_and_is_not_reset_or_pooled(service, replicating, tmp_path, sallyport, mode):
    it = service(server=replicating, allow=REPLICATES, extra_target=f"    pool: {{mode: {mode}}}").start()
    into = tmp_path / "wal"
    into.mkdir()
    receiver = subprocess.Popen([tool("pg_receivewal"), "-h", it.directory, "-U", "app", "-D", str(into), "--synchronous",
                                 "-d", f"application_name=archive1 host={it.directory} user=app"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/")
    wait_for(lambda: replicating.sql("SELECT state FROM pg_stat_replication WHERE application_name = 'archive1'") ==
             [("streaming",)], "the receiver to stream")
    for _ in range(3):
        replicating.sql("SELECT pg_switch_wal()")
        replicating.sql("CREATE TABLE IF NOT EXISTS t (n int); INSERT INTO t SELECT generate_series(1, 20000)", database="app")
    wait_for(lambda: len([name for name in os.listdir(into) if not name.endswith(".partial")]) >= 2, "two segments")
    receiver.send_signal(signal.SIGINT)
    assert receiver.wait(20) == 0, receiver.stderr.read()
    wait_for(lambda: not walsenders(replicating), "the walsender to be gone")
    it.stop()
    start = sallyport.audit("-c", it.config, "--kind", "session_start")[0]
    assert start["database"] == "replication" and start["claimed"]["application_name"] == "archive1"


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_logical_decoding_and_ordinary_sessions_beside_it(service, replicating, mode):
    it = service(server=replicating, allow=REPLICATES, extra_target=f"    pool: {{mode: {mode}}}").start()
    session = f"host={it.directory} user=app dbname=app replication=database"
    done = subprocess.run(["psql", "-XAtqw", session, "-c", "IDENTIFY_SYSTEM", "-c", "SELECT current_user"],
                          capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0 and done.stdout.endswith("|app\napp\n"), done.stdout + done.stderr
    recvlogical = tool("pg_recvlogical")
    connection = ["-h", it.directory, "-U", "app", "-d", "app", "--slot", "s1"]
    subprocess.run([recvlogical, *connection, "--create-slot", "-P", "test_decoding"], check=True, timeout=60, cwd="/")
    it.psql("DROP TABLE IF EXISTS seen", "CREATE TABLE seen (n int)", "INSERT INTO seen VALUES (7)")
    replicating.sql("CHECKPOINT")     # commits are not waited for on this server
    end = replicating.sql("SELECT pg_current_wal_lsn()")[0][0]
    got = subprocess.run([recvlogical, *connection, "--start", "-f", "-", "--endpos", end], capture_output=True, text=True,
                         timeout=60, cwd="/")
    assert "table public.seen: INSERT: n[integer]:7" in got.stdout, got.stdout + got.stderr
    subprocess.run([recvlogical, *connection, "--drop-slot"], check=True, timeout=60, cwd="/")
    assert it.psql("SHOW application_name", "SELECT count(*) FROM seen").stdout == "psql\n1\n"
    it.stop()


# -- databases ----------------------------------------------------------------------------------


def test_a_rule_gives_only_the_databases_that_it_names(service, pg, sallyport):
    pg.sql("DROP DATABASE IF EXISTS reports")
    pg.sql("CREATE DATABASE reports")
    it = service(allow="[{user: root, database: reports}]", extra_target="    pool: {min_ready: 0}")
    it.rewrite("database: app", "database: [app, reports]")
    it.start()
    assert it.psql("SELECT current_database()", database="reports").stdout == "reports\n"
    with pg.log_since() as read:
        refused = it.psql("SELECT 1", database="app")
        assert refused.returncode == 2 and "not allowed" in refused.stderr and "reports" not in refused.stderr
        assert attempts_in(read()) == 0
    it.rewrite("database: reports}", "database: [reports, app]}")
    assert it.reload()
    assert it.psql("SELECT current_database()", database="app").stdout == "app\n"
    with psycopg.connect(host=it.directory, user="app", dbname="app", autocommit=True) as live:
        it.rewrite("database: [reports, app]}", "database: reports}")
        assert it.reload()
        with pytest.raises(psycopg.errors.AdminShutdown):
            for _ in range(50):
                live.execute("SELECT 1")
                time.sleep(0.1)
    it.stop()
    assert "but for its database" in sallyport.audit("-c", it.config, "--kind", "session_denied")[0]["reason"]
    pg.sql("DROP DATABASE reports WITH (FORCE)")


# -- policy explain -----------------------------------------------------------------------------


def explain(sallyport, it, *arguments, code=0):
    run = sallyport.run("policy", "explain", "-c", it.config, *arguments)
    assert run.code == code, run.output
    return run.stdout


def test_explain_says_what_the_broker_does(service, sallyport):
    it = service(allow="[{user: root, hours: 'Mon-Fri 07:00-20:00 Europe/Berlin'}, {group: 54321, connections_max: 3}]\n"
                 "    session_age_max: 1h").start()
    route = ["--route", f"unix:{it.directory}"]
    admitted = explain(sallyport, it, *route, "--identity", "user:root", "--user", "app", "--at", "2026-07-06T12:00+02:00")
    assert "admitted by rule 1 as uid:0(root)" in admitted and "database app" in admitted and "file:" in admitted
    assert "for everybody: sessions end after 60 min" in admitted, admitted
    refused = explain(sallyport, it, *route, "--identity", "uid:0", "--at", "2026-07-06T20:00+02:00", code=1)
    assert "no: outside Mon-Fri 07:00-20:00 Europe/Berlin" in refused and "refused: " in refused
    grouped = json.loads(explain(sallyport, it, "--identity", "uid:77 gid:54321", "--format", "json"))
    assert grouped["admitted"] and grouped["decision"]["rule"] == 2 and grouped["decision"]["identity"] == "gid:54321 uid:77"
    assert grouped["rules"][0]["unmet"][0] == {"condition": "user", "why": "wanted is root (uid 0), this is uid 77"}
    table = explain(sallyport, it)
    assert "user root, Mon-Fri 07:00-20:00 Europe/Berlin" in table and "group 54321, at most 3 sessions at once" in table
    it.stop()


def test_explain_of_a_rule_with_a_program_asks_for_the_program(service, sallyport):
    """What the trail prints of such a client does not name the program; the broker let it in."""
    it = service(allow=f"[{{user: root, executable: {BIN}/psql}}]").start()
    assert it.psql("SELECT 1").stdout == "1\n"
    start = next(row for row in sallyport.audit("-c", it.config) if row["kind"] == "session_start")
    told = explain(sallyport, it, "--identity", start["verified"]["identity"], code=1)
    assert "depends on the program that it runs: rule 1 admits " + BIN in told and "refused" not in told, told
    known = explain(sallyport, it, "--identity", start["verified"]["identity"], "--identity", f"executable:{BIN}/psql")
    assert "admitted by rule 1 as uid:0(root)" in known
    other = json.loads(explain(sallyport, it, "--identity", "uid:0 executable:/bin/sh", "--format", "json", code=1))
    assert not other["admitted"] and "depends_on" not in other
    help_text = sallyport.run("policy", "explain", "--help").output
    for word in ("user:", "uid:", "group:", "gid:", "unit:", "cgroup:", "executable:", "namespaced", "cert:", "password:"):
        assert word in help_text, word
    it.stop()


def test_explain_of_several_roles_asks_for_the_user_name(service, sallyport):
    """Who asks for none of them is refused; who has not said what it asks for is not."""
    it = service(allow="[{user: root, role: rw, connections_max: 1}, {user: root, role: ro}]")
    auth = it.text.split("    auth: ")[1].split("\n")[0]
    it.rewrite(f"    auth: {auth}\n    user: app\n", f"    roles: {{rw: {{auth: {auth}, user: app}}, ro: {{auth: {auth}, user: app}}}}\n")
    told = explain(sallyport, it, "--identity", "uid:0", code=1)
    assert "depends on the user name that it asks for, which has to be one of its roles: ro, rw\n  fix: Say it: --user ro" in told
    assert "refused" not in told and "at most 1 session at once" in told, told
    assert json.loads(explain(sallyport, it, "--identity", "uid:0", "--format", "json", code=1))["depends_on"] == "user"
    assert "admitted by rule 1" in explain(sallyport, it, "--identity", "uid:0", "--user", "rw")
    assert 'refused: uid 0' in explain(sallyport, it, "--identity", "uid:0", "--user", "other", code=1)
    it.rewrite("database: app", "database: [app, reports]")
    assert "leads to target main, databases app, reports\n" in sallyport.run("policy", "-c", it.config, "explain").ok().stdout
    when = sallyport.run("policy", "explain", "-c", it.config, "--identity", "uid:0", "--at", "yesterday")
    assert when.code == 2 and '--at: "yesterday" is no time' in when.stderr and "ago" not in when.stderr


def test_explain_names_what_it_does_not_know(service, sallyport):
    it = service()
    assert "Routes: unix:" in sallyport.run("policy", "explain", "-c", it.config, "--route", "unix:/nowhere").output
    for wrong in ("app", "host:x", "user:nobody-of-this-name"):
        assert explain(sallyport, it, "--identity", wrong, code=2) == ""
    assert explain(sallyport, it, "--identity", "uid:0", "--from", "example", code=2) == ""
    assert explain(sallyport, it, "--identity", "uid:0", "--database", "other", code=1).count("none of target main's") == 1


def test_rules_that_do_nothing_are_warnings_at_a_reload_too(service, sallyport):
    it = service().start()
    it.rewrite("[{user: root}]", "[{user: root}, {user: root, hours: 'Mon 08:00-09:00 UTC'}]")
    assert it.reload()
    assert "this rule never decides: the rule at" in it.run.output
    check = sallyport.run("check-config", it.config, "--strict")
    assert check.code == 1 and "this rule never decides" in check.stdout
    it.stop()


# -- the process --------------------------------------------------------------------------------


def real_psql():
    """What the kernel runs: Debian's psql is a script in front of it."""
    return os.path.join(BIN, "psql") if os.path.exists(os.path.join(BIN, "psql")) else os.path.realpath(shutil.which("psql"))


def ask(it, program=None, inside=()):
    return subprocess.run([*inside, program or real_psql(), "-XAtqw", "-h", it.directory, "-U", "app", "-d", "app", "-c",
                           "SELECT 'in'"], capture_output=True, text=True, timeout=60, cwd="/")


def test_an_executable_narrows_a_user_and_a_copy_at_its_path_is_another(service, tmp_path, sallyport):
    program = real_psql()
    it = service(allow=f"[{{user: root, executable: {program}}}]").start()
    assert ask(it).stdout == "in\n"
    with pytest.raises(psycopg.OperationalError):
        it.psycopg()
    copy = str(tmp_path / "psql")
    shutil.copy(program, copy)
    assert ask(it, copy).returncode == 2
    if os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"]).returncode == 0:
        mounted = ask(it, inside=["unshare", "-m", "sh", "-c", f'mount --bind {copy} {program} && exec "$@"', "sh"])
        assert mounted.returncode == 2, "mounted over the path, it has that path"
    it.stop()
    assert "does not match the route's only rule" in sallyport.audit("-c", it.config, "--kind", "session_denied")[0]["reason"]


def test_an_executable_that_changed_is_not_the_one_that_was_meant(service, sallyport, tmp_path):
    program = os.path.join(sallyport.folder, "psql-copy")
    shutil.copy(real_psql(), program)
    os.chmod(program, 0o755)
    it = service(allow=f"[{{user: root, executable: {program}}}]").start()
    assert ask(it, program).stdout == "in\n"
    with open(program, "ab") as file:
        file.write(b"\0")
    assert ask(it, program).returncode == 2
    assert it.reload()
    assert ask(it, program).stdout == "in\n"
    it.stop()
    digest = "0" * 64
    it.rewrite("executable: ", f"executable_sha256: {digest}, executable: ")
    assert "is not that of" in sallyport.run("check-config", it.config).output
    with open(program, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n")
    assert "is a script" in sallyport.run("check-config", it.config).output


def test_a_container_beside_ours_is_known_only_where_the_processes_are_shared(service, sallyport):
    """docs/sidecar.md: two containers of a pod are two process namespaces beside each other."""
    inside = ("unshare", "--pid", "--fork", "--kill-child=SIGTERM", "--mount-proc")
    if os.getuid() != 0 or subprocess.run([*inside, "true"], check=False).returncode != 0:
        skip_here("needs process namespaces")
    it = service()
    it.start(inside=inside)
    refused = ask(it)
    assert refused.returncode == 2 and "Event" in refused.stderr, refused
    assert "namespace" not in refused.stderr, "a stranger is told nothing"
    it.stop()
    denied = sallyport.audit("-c", it.config, "--kind", "session_denied")
    assert "is not visible here (another pid namespace)" in denied[0]["reason"], denied
    it.start()
    assert ask(it, inside=["unshare", "--pid", "--fork"]).stdout == "in\n", "ours sees it"
    it.stop()


def test_a_process_of_another_user_namespace_needs_the_rules_word(service, sallyport):
    if subprocess.run(["unshare", "--user", "--map-root-user", "true"]).returncode != 0:
        skip_here("needs user namespaces")
    inside = ["unshare", "--user", "--map-root-user"]
    it = service().start()
    assert ask(it).stdout == "in\n"
    assert ask(it, inside=inside).returncode == 2
    it.rewrite("{user: root}", "{user: root, allow_namespaced: true}")
    assert it.reload()
    assert ask(it, inside=inside).stdout == "in\n"
    it.stop()
    denied = sallyport.audit("-c", it.config, "--kind", "session_denied")
    assert "of another user namespace" in denied[0]["reason"], denied


def test_a_control_group_admits_what_is_in_it(service, sallyport):
    with open("/proc/self/cgroup", encoding="ascii") as file:
        own = [line.strip().split(":", 2)[2] for line in file if line.startswith("0::") or ":name=systemd:" in line][-1:]
    if not own or ".." in own[0]:
        skip_here("this process is in no control group that can be seen")
    it = service(allow=f"[{{cgroup: {own[0]}}}]").start()
    assert ask(it).stdout == "in\n"
    it.rewrite(f"cgroup: {own[0]}", "cgroup: /no.such.slice/x.service")
    assert it.reload()
    assert ask(it).returncode == 2
    it.stop()
    assert sallyport.audit("-c", it.config, "--kind", "session_start")[0]["verified"]["identity"] == f"uid:0 cgroup:{own[0]}"
