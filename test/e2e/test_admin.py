"""Health, metrics, status and commands of a running broker, and who may not have them (threat 15)."""

import http.client
import json
import os
import pwd
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import psycopg
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

from conftest import require
from harness.frozen import frozen
from harness.processes import wait_for
from harness.service import Service

TOKEN = "a-token-of-the-tests-0123456789"
OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


class Admin:
    """A service with both kinds of HTTP listener to choose from, and its commands."""

    def __init__(self, sallyport, pg, pki, secret, tcp, extra="", **more):
        self.sallyport = sallyport
        self.port = free_port() if tcp else None
        self.folder = os.path.join(sallyport.folder, "sock")
        self.socket = os.path.join(self.folder, "admin.sock")
        self.http = os.path.join(self.folder, "admin.http")
        token = sallyport.secret_file(TOKEN + "\n", "admin-token")
        listen = f"127.0.0.1:{self.port}" if tcp else f"unix:{self.http}"
        self.service = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}",
                               extra=f'admin: {{listen: "{listen}", socket: "{self.socket}", token: "file:{token}"{extra}}}',
                               **more)

    def start(self):
        self.service.start()
        self.service.run.until("serving")
        return self

    def get(self, path, **headers):
        """(status, headers, text)"""
        if self.port:
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status, dict(answer.headers), answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, dict(error.headers), error.read().decode()
        words = [w for name, value in headers.items() for w in ("-H", f"{name}: {value}")]
        done = subprocess.run(["curl", "-s", "-i", "--max-time", "10", "--unix-socket", self.http, *words,
                               f"http://localhost{path}"], capture_output=True, text=True)
        assert done.returncode == 0, done
        head, _, text = done.stdout.partition("\n\n" if "\n\n" in done.stdout else "\r\n\r\n")
        lines = head.splitlines()
        return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), text

    def metrics(self, **headers):
        code, got, text = self.get("/metrics", Authorization=f"Bearer {TOKEN}", **headers)
        assert code == 200, text
        return got["Content-Type"], text

    def command(self, *words, code=0):
        done = self.sallyport.run(*words, "-c", self.service.config)
        assert done.code == code, done.output
        return done

    def status(self):
        return json.loads(self.command("status", "--format", "json").stdout)

    def raw(self, *lines):
        """Lines to the admin socket, and those that come back until it closes or as many as were sent."""
        with socket.socket(socket.AF_UNIX) as it:
            it.settimeout(10)
            it.connect(self.socket)
            reader = it.makefile("rb")
            answers = []
            for line in lines:
                it.sendall(line)
                answers.append(json.loads(reader.readline()))
            return answers


@pytest.fixture
def admin(sallyport, pg, pki, secret):
    def make(tcp=False, **more):
        return Admin(sallyport, pg, pki, secret, tcp, **more)
    return make


def values(text, parse):
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in parse(text) for sample in family.samples}


def test_what_stands_ready_is_not_replaced_while_its_target_is_paused(admin, pg):
    """A session alters what sessions begin with: whoever needs a connection would be left without one until the resume."""
    def backends():
        return {pid for (pid,) in pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app'")}
    it = admin(extra_target="    pool: {mode: transaction, min_ready: 3, max: 6}").start()
    with it.service.psycopg(autocommit=True) as client:
        client.execute("LISTEN something")      # keeps its connection, paused or not
        wait_for(lambda: len(backends()) == 4, "three connections to stand ready")
        before, own = backends(), client.execute("SELECT pg_backend_pid()").fetchone()[0]
        it.command("pause", "main")
        try:
            client.execute("ALTER ROLE app SET statement_timeout = '31s'")
            time.sleep(2.5)
            assert backends() == before
            it.command("resume", "main")
            wait_for(lambda: backends() & before == {own}, "those to be replaced")
            assert it.service.psql("SHOW statement_timeout").stdout == "31s\n"
        finally:
            pg.sql("ALTER ROLE app RESET statement_timeout")


def test_metrics_tell_who_waited_in_vain_what_pins_and_what_moves(admin):
    it = admin(extra_target="    pool: {mode: transaction, max: 1, wait_max: 3 s}").start()
    with it.service.psycopg(autocommit=True) as pinned:
        pinned.execute("LISTEN something")
        waits = it.service.psql("SELECT 1")
        assert waits.returncode != 0 and "no server connection became free within" in waits.stderr
        time.sleep(0.2)
        _, text = it.metrics()
    found = values(text, prometheus.text_string_to_metric_families)
    pool = (("role", "default"), ("target", "main"))
    assert found[("sallyport_pool_waits_in_vain_total", ("reason", "timed_out"), *pool)] == 1
    assert found[("sallyport_pool_waits_in_vain_total", ("reason", "queue_full"), *pool)] == 0
    assert found[("sallyport_pool_waiting", *pool)] == 0
    assert found[("sallyport_pins_total", ("reason", "listen"), ("target", "main"))] == 1
    assert not [name for name in found if name[0] == "sallyport_state_refused_total"]
    assert found[("sallyport_trail_queue_records",)] >= 0


@pytest.mark.parametrize("tcp", [False, True])
def test_metrics_are_read_by_an_independent_parser(admin, tcp):
    it = admin(tcp).start()
    for _ in range(3):
        assert it.service.psql("SELECT 1", "SELECT 2").stdout == "1\n2\n"
    assert it.service.psql("SELECT 1", account="nobody").returncode == 2
    wait_for(lambda: it.status()["routes"][0]["connections"] == 0, "the sessions to end")
    with it.service.psycopg() as live:
        live.execute("SELECT 1")
        time.sleep(0.2)     # one snapshot serves all who ask within 100 ms
        kind, text = it.metrics(**OPEN)
    assert kind.startswith("application/openmetrics-text")
    found = values(text, openmetrics.text_string_to_metric_families)
    pool = (("role", "default"), ("target", "main"))
    assert found[("sallyport_sessions_started_total", ("target", "main"))] == 4
    assert found[("sallyport_sessions", ("target", "main"))] == 1
    assert found[("sallyport_pool_connections", pool[0], ("state", "in_use"), pool[1])] == 1
    assert found[("sallyport_pool_wait_seconds_count", *pool)] == 4
    assert found[("sallyport_logins_total", ("result", "ok"), *pool)] >= 1
    assert found[("sallyport_login_duration_seconds_count", *pool)] >= 1
    assert found[("sallyport_session_duration_seconds_count", ("target", "main"))] == 3
    assert found[("sallyport_relayed_bytes_total", ("direction", "to_client"), ("target", "main"))] > 100
    assert found[("sallyport_transactions_total", ("target", "main"))] == 6
    assert found[("sallyport_transaction_seconds_count", *pool)] == 6
    assert 0 < found[("sallyport_transaction_seconds_sum", *pool)] < 60
    assert found[("sallyport_refusals_total", ("at", "policy"), ("reason", "denied"), ("route", f"unix:{it.service.directory}:5432"))] == 1
    assert found[("sallyport_credential_present", *pool)] == 1
    assert found[("sallyport_trail_healthy",)] == 1
    kind, text = it.metrics()
    assert kind.startswith("text/plain; version=0.0.4")
    older = values(text, prometheus.text_string_to_metric_families)
    assert older[("sallyport_sessions_started_total", ("target", "main"))] == 4
    assert it.service.stop().code == 0


def test_no_text_of_a_client_becomes_a_metric(admin):
    it = admin().start()
    with psycopg.connect(host=it.service.directory, port=it.service.port, user="app", dbname="app",
                         application_name="hostile-canary", options="-c search_path=hostile-canary"):
        it.service.psql("SELECT 1", user="hostile-canary", database="hostile-canary")
        assert "hostile" not in it.metrics()[1]
        assert "hostile" not in json.dumps(it.status())
    it.service.stop()


def test_health_says_what_is_missing(admin, sallyport):
    it = admin(True)
    os.rename(os.path.join(sallyport.folder, "home", "password"), os.path.join(sallyport.folder, "home", "away"))
    it.start()
    assert it.get("/livez")[0] == 200
    assert it.get("/startupz")[0] == 200
    code, _, text = it.get("/readyz")
    assert code == 503 and "failed credential main/default: it is missing\n" in text and "ok audit trail" in text
    assert "password" not in text, "why is for `sallyport status`"
    assert "password" in it.command("status").stdout
    os.rename(os.path.join(sallyport.folder, "home", "away"), os.path.join(sallyport.folder, "home", "password"))
    wait_for(lambda: it.get("/readyz")[0] == 200, "readiness", 40)
    it.service.stop()


def test_a_relay_loop_that_hangs_is_not_alive(admin):
    it = admin(True).start()
    with frozen(it.service.run.pid, "relay") as still:
        require(still, "the right to trace a process")
        code, _, text = it.get("/livez")
        assert code == 503 and text == "failed relay loop: it did not answer in time\n"
        refused = it.sallyport.run("status", "-c", it.service.config)
        assert refused.code == 2 and "did not answer in time" in refused.stderr
    wait_for(lambda: it.get("/livez")[0] == 200, "the loop to go on")
    it.service.stop()


def test_tcp_wants_a_host_an_origin_and_a_token(admin):
    it = admin(True, extra=", hosts: [broker.example]").start()
    assert it.get("/livez", Host="evil.example")[0] == 421, "DNS rebinding"
    assert it.get("/livez", Host=f"broker.example:{it.port}")[0] == 200
    assert it.get("/livez", Origin="http://evil.example")[0] == 403
    for path in ("/metrics", "/status"):
        code, headers, _ = it.get(path)
        assert code == 401 and headers["WWW-Authenticate"] == "Bearer"
        assert it.get(path, Authorization="Bearer " + TOKEN[:-1])[0] == 401
        assert it.get(path, Authorization="Bearer " + TOKEN)[0] == 200
    assert it.get("/metrics", Authorization="Bearer " + TOKEN, Host="evil.example")[0] == 421
    assert it.get("/nothing")[0] == 404
    with open(os.path.join(it.sallyport.folder, "home", "admin-token"), "w") as file:
        file.write("another-token-of-the-tests")
    assert it.service.reload()
    assert it.get("/metrics", Authorization="Bearer " + TOKEN)[0] == 401, "a reload reads the token again"
    assert it.get("/metrics", Authorization="Bearer another-token-of-the-tests")[0] == 200
    it.service.stop()


def test_nobody_keeps_others_from_the_http_port(admin):
    it = admin(True).start()
    silent = [socket.create_connection(("127.0.0.1", it.port)) for _ in range(60)]
    assert it.get("/livez")[0] == 200
    for one in silent:
        one.close()
    for bytes_sent in (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20000 + b"\r\n\r\n", b"\x16\x03\x01" + b"\0" * 600,
                       b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", b"\0" * 10000):
        with socket.create_connection(("127.0.0.1", it.port), timeout=10) as one:
            answer = b""
            try:
                one.sendall(bytes_sent)
                one.shutdown(socket.SHUT_WR)
                while chunk := one.recv(4096):
                    answer += chunk
            except OSError:
                pass    # closed with bytes of ours unread
            assert b" 200 " not in answer
    assert it.get("/livez")[0] == 200
    it.service.stop()


def test_commands_do_what_they_say_and_stand_in_the_trail(admin):
    it = admin(extra_target="    pool: {wait_max: 20 s}").start()
    service = it.service
    with service.psycopg(autocommit=True) as live:
        first = live.execute("SELECT pg_backend_pid()").fetchone()[0]
        assert "main is paused" in it.command("pause", "main").stdout
        assert it.status()["targets"][0]["paused"] is True
        waits = subprocess.Popen(["psql", "-XAtqc", "SELECT 'went on'", "-h", service.directory, "-U", "app", "-d", "app"],
                                 stdout=subprocess.PIPE, text=True)
        wait_for(lambda: it.status()["targets"][0]["roles"][0]["pool"]["waiting"] == 1, "a session to wait")
        assert live.execute("SELECT 1").fetchone() == (1,)
        assert "main: 1 session ends" in it.command("drain", "main").stdout
        with pytest.raises(psycopg.errors.AdminShutdown):
            time.sleep(0.5)
            live.execute("SELECT 1")
        assert waits.poll() is None
        it.command("reconnect", "main")
        it.command("resume")
        assert waits.communicate(timeout=20)[0] == "went on\n"
    with service.psycopg(autocommit=True) as live:
        assert live.execute("SELECT pg_backend_pid()").fetchone()[0] != first
    assert "changed: nothing" in it.command("reload").stdout
    route = service.add_route(5433)
    assert "route unix:" in it.command("reload").stdout
    service.rewrite(route, "")
    service.rewrite("audit:", "audti:")
    for refused in (it.command("reload", code=2), it.sallyport.run("reload", "--socket", it.socket)):
        assert refused.code == 2
        assert "the configuration was not reloaded, the old one stays" in refused.stderr and "audti" in refused.stderr
    unknown = it.sallyport.run("pause", "nosuch", "--socket", it.socket)
    assert unknown.code == 2
    assert "there is no target nosuch\n" in unknown.stderr and "fix: sallyport status" in unknown.stderr
    service.stop()
    records = [row for row in it.sallyport.audit("--dir", service.audit_directory, "--kind", "admin")]
    told = [(row["reason"], row.get("target", ""), row["result"]) for row in records]
    assert told == [("pause", "main", "ok"), ("drain", "main", "ok"), ("reconnect", "main", "ok"), ("resume", "", "ok"),
                    ("reload", "", "ok"), ("reload", "", "ok"), ("reload", "", "failed"), ("reload", "", "failed"), ("pause", "nosuch", "failed")]
    assert all(row["verified"]["uid"] == "0" for row in records)


def test_status_is_a_table_for_people(admin):
    it = admin().start()
    it.service.psql("SELECT 1")
    text = it.command("status").stdout
    assert text.startswith("Sallyport ") and "serving" in text and "audit trail: well" in text
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("POOL"))
    row = next(line for line in lines if line.startswith("main/default"))
    assert head.index("IN USE") + len("IN USE") == len("main/default") + row[len("main/default"):].index("0") + 1
    assert it.sallyport.run("status", "--socket", os.path.join(it.folder, "nothing")).code == 3
    it.service.stop()


@pytest.mark.parametrize("account", ["postgres", "nobody"])
def test_another_account_commands_nothing_and_reads_nothing(admin, account):
    it = admin().start()
    assert os.stat(it.socket).st_mode & 0o777 == 0o600 and os.stat(it.http).st_mode & 0o777 == 0o600
    uid = pwd.getpwnam(account).pw_uid

    def as_account(opened):
        """As if somebody had opened the mode: the kernel's word about the peer still decides."""
        for path in (it.socket, it.http):
            os.chmod(path, 0o666 if opened else 0o600)
        script = ("import socket, sys\n"
                  "s = socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
                  "try:\n"
                  "    s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode())\n"
                  "    print(s.recv(65536).decode())\n"
                  "except OSError as e: print('refused', type(e).__name__)\n")
        out = []
        for path, text in ((it.socket, '{"command": "status"}\n'), (it.socket, '{"command": "drain"}\n'),
                           (it.http, "GET /metrics HTTP/1.0\r\n\r\n")):
            out.append(subprocess.run(["python3", "-c", script, path, text], capture_output=True, text=True, cwd="/",
                                      user=uid, env={"PATH": os.environ["PATH"]}).stdout)
        return out

    assert all(one == "refused PermissionError\n" for one in as_account(False))
    commanded = as_account(True)
    assert all(f"uid {uid} may not command this Sallyport" in one for one in commanded[:2])
    assert "sallyport_" not in commanded[2]
    it.service.stop()
    records = it.sallyport.audit("--dir", it.service.audit_directory, "--kind", "admin")
    assert [(row["result"], row["verified"]["uid"]) for row in records] == [("denied", str(uid))] * 2


@pytest.fixture
def service_of_postgres(sallyport, pg, pki, secret):
    """Under an account of its own, whose files root's configuration names: (the run, how root commands it, its configuration)."""
    entry = pwd.getpwnam("postgres")
    own, etc = os.path.join(sallyport.folder, "own"), os.path.join(sallyport.folder, "etc")
    for path in (own, etc):
        os.mkdir(path)
    os.chmod(sallyport.folder, 0o755)
    for name, text in (("password", secret), ("token", TOKEN)):
        path = os.path.join(own, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        os.chown(path, entry.pw_uid, entry.pw_gid)
    os.chown(own, entry.pw_uid, entry.pw_gid)
    config = os.path.join(etc, "sallyport.yaml")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f"""version: 1
targets:
  main: {{engine: postgresql, host: localhost, port: {pg.port}, database: app, auth: "file:{own}/password", user: app,
         tls: {{roots: ["{pki.ca}"]}}}}
routes:
  - {{listen: "unix:{own}", target: main, allow: [{{user: games}}]}}
state: "sqlite:{own}/state.db"
audit: {{dir: "{own}/audit"}}
admin: {{socket: "{own}/admin.sock", listen: "unix:{own}/admin.http", token: {own}/token}}
""")
    run = sallyport.start("serve", "-c", config, inside=("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"))
    run.until("serving")

    def command(*words):
        return sallyport.run(*words, "-c", config)
    yield run, command, config
    run.process.terminate()
    run.wait(30)


def test_root_commands_a_service_of_another_account(service_of_postgres):
    run, command, config = service_of_postgres
    assert "main" in command("status").ok().stdout
    assert "main is paused" in command("pause", "main").ok().stdout
    told = os.path.join(os.path.dirname(config), "told")
    assert command("resume", "-o", told).ok().stdout == "" and "main serves" in open(told, encoding="utf-8").read()
    assert "cannot be written to /nowhere/told" in command("status", "-o", "/nowhere/told").stderr
    assert "the configuration was reloaded" in command("reload").ok().stdout
    assert "broker_start" in command("audit", "tail").ok().stdout


def test_a_broken_file_stops_no_command_and_a_reload_says_all_that_is_wrong(service_of_postgres):
    run, command, config = service_of_postgres
    with open(config, "a", encoding="utf-8") as file:
        file.write("audti: {}\nlimits: {clients_max: many}\n")
    assert "main is paused" in command("pause").ok().stdout
    assert "main" in command("status").ok().stdout
    refused = command("reload")
    assert refused.code == 2
    for part in ("not reloaded, the old one stays", "`audti`", "clients_max"):
        assert part in refused.stderr, refused.stderr
    assert run.output.count("the configuration was not reloaded") == 2
    assert "broker_start" in command("audit", "tail").ok().stdout
    with open(config, "a", encoding="utf-8") as file:
        file.write("]\n")
    assert "or name the broker's socket: --socket PATH" in command("status").stderr


def test_denials_of_an_account_are_found_by_its_name_and_each_kind_is_told_apart(admin):
    it = admin(allow="[{user: games, role: writes}, {user: games, role: reads}]")
    reference = f"file:{it.sallyport.folder}/home/password"
    it.service.rewrite(f'    auth: "{reference}"\n    user: app\n', f'    roles: {{writes: {{auth: "{reference}", user: app}}, '
                       f'reads: {{auth: "{reference}", user: app}}}}\n')
    it.start()
    def heard(user, database):
        text = it.service.psql("SELECT 1", account="games", user=user, database=database).stderr
        return re.sub("Event [0-9a-f]+", "Event ID", text)
    same = {heard("nobody", "app") for _ in range(5)} | {heard("reads", "nosuch")}
    assert len(same) == 1 and "Event ID" in same.pop(), "which reason it was nobody learns, nor whether it is recorded"
    it.service.stop()
    found = it.sallyport.audit("--dir", it.service.audit_directory, "--identity", "games", "--result", "denied")
    assert sorted(row.get("count") or 0 for row in found) == [0, 0, 0, 0, 2]
    by_number = it.sallyport.audit("--dir", it.service.audit_directory, "--identity", f"uid:{pwd.getpwnam('games').pw_uid}")
    assert by_number == found


def test_lines_that_are_no_commands_are_answered_and_harm_nothing(admin):
    it = admin().start()
    answers = it.raw(b"\n", b"{}\n", b'{"command": "stop"}\n', b'{"command": "pause", "target": "a\\u001b[31m"}\n', b"\xff\xfe\n",
                     b'{"command": "status"}\n')
    assert [a["ok"] for a in answers] == [False] * 5 + [True]
    assert "fix" in answers[0]
    assert it.raw(b"x" * 5000)[0] == {"ok": False, "text": "the command is longer than 4096 bytes"}
    held = []
    for _ in range(40):
        one = socket.socket(socket.AF_UNIX)
        one.connect(it.socket)
        held.append(one)
    assert it.status()["process"]["listening"] is True
    for one in held:
        one.close()
    it.service.stop()


def test_many_ask_at_once(admin):
    it = admin(True).start()
    failures = []

    def ask():
        for _ in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", it.port, timeout=10)
            connection.request("GET", "/readyz")
            if connection.getresponse().status != 200:
                failures.append(1)
            connection.close()
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    it.service.stop()


def test_a_default_socket_that_cannot_be_opened_is_told_and_a_named_one_is_an_error(sallyport, pg, pki, secret):
    auth = f"file:{sallyport.secret_file(secret)}"
    it = Service(sallyport, pg, pki, auth, extra=f"admin: {{socket: {sallyport.folder}/none/there/admin.sock, listen: off}}")
    refused = sallyport.run("serve", "-c", it.config)
    assert refused.code == 2 and f"{sallyport.folder}/none: does not exist" in refused.stderr
    it.rewrite(f"{sallyport.folder}/none/there/admin.sock", "off")
    it.start()
    it.run.until("serving")
    done = sallyport.run("status", "-c", it.config)
    assert done.code == 2 and "admin.socket: off" in done.stderr
    it.stop()
