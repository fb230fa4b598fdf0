"""TLS towards clients, and client certificates as identities: real libpq, old and new, on a TCP route of `serve`."""

import contextlib
import json
import os
import pwd
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from conftest import attempts_in, require
from harness.processes import free_port, wait_for
from harness.raw_client import query
from harness.service import Service

SPIFFE = "spiffe://example.org/ns/prod/sa/app"
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def startup(user="app", database="app"):
    body = struct.pack("!I", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!I", len(body) + 4) + body


class TlsService(Service):
    """A Service with a second route: TCP, TLS, and certificates of the test's authority."""

    def __init__(self, sallyport, pg, pki, auth, allow=f'[{{certificate: "{SPIFFE}"}}]', required="true", crl=False, more_tls="", **more):
        super().__init__(sallyport, pg, pki, auth, **more)
        self.pki, self.tcp = pki, free_port()
        self.certificate, self.key = (os.path.join(sallyport.folder, name) for name in ("tls.crt", "tls.key"))
        self.use_certificate("good")
        self.route = f"tcp:127.0.0.1:{self.tcp}"
        self.rewrite("\nstate: ", f"""
  - listen: "{self.route}"
    target: main
    tls: {{cert: "{self.certificate}", key: "{self.key}", client_ca: "{pki.ca}", required: {required}{
        f', client_crl: "{pki.crl}"' if crl else ''}{more_tls}}}
    allow: {allow}
state: """)

    def start(self, **more):
        super().start(**more)
        self.run.until("serving")       # the TCP route listens after the socket
        return self

    def use_certificate(self, name):
        """By renaming, as whoever renews certificates does it; the key first."""
        for source, target in ((self.pki.leaf(name).key, self.key), (self.pki.leaf(name).certificate, self.certificate)):
            shutil.copy(source, target + ".new")
            os.chmod(target + ".new", 0o600)
            os.rename(target + ".new", target)

    def dsn(self, client=None, **more):
        words = {"host": "localhost", "hostaddr": "127.0.0.1", "port": self.tcp, "user": "app", "dbname": "app",
                 "sslmode": "verify-full", "sslrootcert": self.pki.ca, "connect_timeout": 20, **more}
        if client:
            words.update(sslcert=client.certificate, sslkey=client.key)
        else:
            words.setdefault("sslcert", "/nonexistent")
        return " ".join(f"{k}='{v}'" for k, v in words.items() if v is not None)

    def psql_tls(self, client=None, *statements, **more):
        words = [w for s in statements or ("SELECT 'hello'",) for w in ("-c", s)]
        return subprocess.run(["psql", "-XAtq", self.dsn(client, **more), *words], capture_output=True, text=True, timeout=60)

    def connect(self, client=None, **more):
        return psycopg.connect(self.dsn(client, **more), autocommit=True)

    def trail(self, *words):
        """Its lines, newest last."""
        return self.sallyport.run("audit", "query", "--format", "json", "-c", self.config, *words).ok().stdout

    def refused_cancels(self):
        return [json.loads(line) for line in self.trail("--kind", "security", "--result", "cancel_refused").splitlines()]


@pytest.fixture
def service(sallyport, pg, pki, secret):
    made = []

    def make(**more):
        made.append(TlsService(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", **more))
        return made[-1]
    yield make
    for it in made:
        if it.run and it.run.process.poll() is None:
            it.stop()


@pytest.fixture(scope="session")
def app(pki):
    return pki.client("app-client", "app", f"URI:{SPIFFE},DNS:app.example.com")


def test_psql_connects_with_its_certificate_and_the_trail_names_it(service, app):
    it = service().start()
    assert it.psql_tls(app, "SELECT current_user").stdout == "app\n"
    assert it.psql_tls(app, "SELECT 'r'", sslmode="require").stdout == "r\n"
    it.stop()
    trail = it.trail()
    for text in (f'"certificate_spiffe_id":"{SPIFFE}"', f'"identity":"cert:{SPIFFE}"', '"certificate_subject":"CN=app"',
                 '"certificate_dns":"app.example.com"', '"client_tls":"TLSv1.3 TLS_AES_128_GCM_SHA256"', '"address":"127.0.0.1"'):
        assert text in trail.replace('": "', '":"'), trail


@pytest.mark.parametrize("rule, matches", [
    (SPIFFE, True), ("spiffe://example.org/ns/*/sa/app", True), ("dns:app.example.com", True), ("CN=app", True),
    ("spiffe://example.com/ns/*/sa/app", False), ("spiffe://example.org/ns/*", False), ("dns:example.com", False),
    ("CN=app,O=Example", False)])
def test_rules_mean_subjects_dns_names_and_spiffe_ids(service, app, pg, rule, matches):
    it = service(allow=f'[{{certificate: "{rule}"}}]', extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        done = it.psql_tls(app)
        if matches:
            assert done.stdout == "hello\n", done.stderr
        else:
            assert done.returncode == 2 and "the connection is not allowed" in done.stderr, done.stderr
            assert SPIFFE not in done.stderr, "the wire tells a stranger nothing"
            assert attempts_in(read()) == 0


def test_without_a_certificate_nobody_is_anybody(service, pg):
    it = service(extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        refused = it.psql_tls()
        assert refused.returncode == 2 and "the connection is not allowed" in refused.stderr
        assert attempts_in(read()) == 0
    it.run.until("a client without a proven identity does not match the route's only rule")


def test_a_certificate_without_names_matches_its_subject_only(service, pki, pg):
    """Whatever its common name says: that is no DNS name and no SPIFFE ID."""
    nameless = [pki.client(f"nameless-{n}", cn) for n, cn in enumerate(("app.example.com", SPIFFE.replace("/", "\\/")))]
    it = service(allow=f'[{{certificate: "{SPIFFE}"}}, '
                       '{certificate: "dns:app.example.com"}, {certificate: "CN=another"}]', extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        for client in nameless:
            refused = it.psql_tls(client)
            assert refused.returncode == 2 and "the connection is not allowed" in refused.stderr, refused.stderr
        assert attempts_in(read()) == 0
    it.rewrite("CN=another", "CN=app.example.com")
    assert it.reload()
    assert it.psql_tls(nameless[0]).stdout == "hello\n"
    assert it.psql_tls(nameless[1]).returncode == 2
    it.stop()
    assert '"identity":"cert:CN=app.example.com"' in it.trail().replace('": "', '":"')


def test_two_uri_names_are_no_spiffe_id(service, pki):
    it = service().start()
    twice = pki.client("twice", "app", f"URI:{SPIFFE},URI:spiffe://example.org/other")
    assert it.psql_tls(twice).returncode == 2
    it.run.until("exactly one is allowed")


@pytest.mark.parametrize("name, words", [("expired", "has expired"), ("not-yet", "is not valid yet"), ("revoked", "was revoked"),
                                         ("wrong-client", "which is not in")])
def test_a_certificate_that_is_not_good_fails_the_handshake(service, pki, pg, name, words):
    it = service(crl=True, extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        refused = it.psql_tls(pki.leaf(name))
        assert refused.returncode == 2 and "alert" in refused.stderr, refused.stderr
        assert attempts_in(read()) == 0
    it.run.until(words)


def test_a_good_certificate_passes_the_revocation_list(service, app):
    it = service(crl=True).start()
    assert it.psql_tls(app).stdout == "hello\n"


def test_plain_text_is_refused_in_the_protocol(service):
    it = service().start()
    refused = it.psql_tls(sslmode="disable")
    assert refused.returncode == 2 and "TLS is required" in refused.stderr, refused.stderr
    with pytest.raises(psycopg.OperationalError, match="TLS is required"):
        it.connect(sslmode="disable")


def test_a_client_verifies_our_name(service, app):
    it = service().start()
    refused = it.psql_tls(app, host="a.example.test")
    assert refused.returncode == 2 and "a.example.test" in refused.stderr
    assert it.psql_tls(app, sslrootcert=it.pki.other_ca).returncode == 2
    it.run.until("the client does not accept our certificate")


def test_a_unix_route_answers_no_to_tls(service):
    it = service().start()
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(it.socket)
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"N"


def test_direct_tls(service, app):
    it = service().start()
    with it.connect(app, sslnegotiation="direct") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SELECT current_user").fetchone() == ("app",)


@pytest.mark.parametrize("alpn, wanted", [("postgresql", True), (None, False), ("http/1.1", False)])
def test_direct_tls_needs_the_protocols_name(service, alpn, wanted):
    it = service().start()
    context = ssl.create_default_context(cafile=it.pki.ca)
    if alpn:
        context.set_alpn_protocols([alpn])
    with socket.create_connection(("127.0.0.1", it.tcp), 10) as plain:
        if not wanted:
            with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
                context.wrap_socket(plain, server_hostname="localhost")
            return
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.selected_alpn_protocol() == "postgresql"
            secured.sendall(startup())
            assert secured.recv(1) == b"E", "no certificate, so refused, but understood"


def test_no_session_is_resumed(service, app):
    it = service().start()
    context = ssl.create_default_context(cafile=it.pki.ca)
    context.load_cert_chain(app.certificate, app.key)
    context.set_alpn_protocols(["postgresql"])
    session = None
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", it.tcp), 10) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as secured:
                secured.sendall(startup())
                assert secured.recv(1) == b"R"
                session = secured.session
                assert not secured.session_reused
                assert session is None or not session.has_ticket


def test_bytes_injected_behind_the_request_are_never_plain_text(service, pg):
    it = service(required="false", extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        for injected in (startup(), startup() + b"Q\0\0\0\x0dSELECT 1\0", SSL_REQUEST, b"\0"):
            with socket.create_connection(("127.0.0.1", it.tcp), 15) as plain:
                plain.sendall(SSL_REQUEST + injected)
                if injected == b"\0":
                    plain.shutdown(socket.SHUT_WR)
                answer = b""
                while chunk := plain.recv(4096):
                    answer += chunk
                # An S, and perhaps an alert record of TLS; no message of the protocol.
                assert answer[:1] == b"S" and answer[1:2] in (b"", b"\x15"), answer
        assert attempts_in(read()) == 0


class TlsByHand:
    """The client's end of TLS, whose bytes the test sends and receives itself."""

    def __init__(self, it, app):
        context = ssl.create_default_context(cafile=it.pki.ca)
        context.load_cert_chain(app.certificate, app.key)
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.end = context.wrap_bio(self.into, self.out, server_hostname="localhost")

    def over(self, plain, call):
        """What `call` returns, once all that it needs has come."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                if self.out.pending:
                    plain.sendall(self.out.read())
                got = plain.recv(65536)
                self.into.write(got) if got else self.into.write_eof()

    def log_in(self, plain):
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        self.over(plain, self.end.do_handshake)
        self.end.write(startup())
        greeting = b""
        while not greeting.endswith(b"Z\0\0\0\x05I"):
            greeting += self.over(plain, lambda: self.end.read(65536))


def test_a_client_hello_in_one_packet_with_the_request_is_taken(service, app):
    it = service().start()
    tls = TlsByHand(it, app)
    with pytest.raises(ssl.SSLWantReadError):
        tls.end.do_handshake()
    with socket.create_connection(("127.0.0.1", it.tcp), 10) as plain:
        plain.sendall(SSL_REQUEST + tls.out.read())
        assert plain.recv(1) == b"S"
        tls.over(plain, tls.end.do_handshake)
        tls.end.write(startup())
        assert tls.over(plain, lambda: tls.end.read(1)) == b"R"


def test_who_says_no_more_over_tls_gets_its_answer(service, app):
    """A close_notify and the end of TCP's direction: the other direction goes on, as without TLS."""
    it = service().start()
    tls = TlsByHand(it, app)
    with socket.create_connection(("127.0.0.1", it.tcp), 10) as plain:
        tls.log_in(plain)
        tls.end.write(query("SELECT repeat('y', 3000000) FROM pg_sleep(0.5)"))
        with pytest.raises(ssl.SSLWantReadError):
            tls.end.unwrap()
        plain.sendall(tls.out.read())
        plain.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ssl.SSLError):     # the broker's own close_notify
            while chunk := tls.over(plain, lambda: tls.end.read(65536)):
                answer += chunk
        assert answer.count(b"y") >= 3_000_000 and answer.endswith(b"Z\0\0\0\x05I"), answer[-200:]


def test_pgbench_over_tls(service, app, tables):
    it = service().start()
    done = subprocess.run(["pgbench", "-n", "-S", "-c", "8", "-j", "2", "-t", "200", "-C", it.dsn(app)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "1600/1600" in done.stdout, done.stdout + done.stderr
    done = subprocess.run(["pgbench", "-n", "-c", "8", "-j", "2", "-t", "200", "-M", "prepared", it.dsn(app)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "1600/1600" in done.stdout, done.stdout + done.stderr


def test_large_results_and_copy_over_tls(service, app):
    it = service().start()
    with it.connect(app) as connection:
        assert len(connection.execute("SELECT repeat('x', 20000000)").fetchone()[0]) == 20_000_000
        connection.execute("CREATE TEMPORARY TABLE t (line text)")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for _ in range(200):
                copy.write("y" * 50_000 + "\n")
        assert connection.execute("SELECT count(*), sum(length(line)) FROM t").fetchone() == (200, 10_000_000)


class Sleeping:
    """A connection that sleeps in another thread; what became of it."""

    def __init__(self, connection):
        self.connection, self.ended = connection, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        time.sleep(0.5)

    def _run(self):
        try:
            self.connection.execute("SELECT pg_sleep(20)")
            self.ended = "slept"
        except psycopg.Error as error:
            self.ended = type(error).__name__


def test_a_cancel_comes_over_tls_if_the_session_did(service, app):
    it = service(required="false").start()
    sleeping = Sleeping(it.connect(app))
    sleeping.connection.cancel()        # libpq's old way: in clear, always
    time.sleep(1)
    assert sleeping.ended is None
    told, = it.refused_cancels()
    assert told["reason"].endswith("it came in clear, and the session has TLS") and told["verified"]["address"] == "127.0.0.1"
    sleeping.connection.cancel_safe(timeout=10)
    sleeping.thread.join(10)
    assert sleeping.ended == "QueryCanceled"
    sleeping.connection.close()


def secured_socket(it, client):
    context = ssl.create_default_context(cafile=it.pki.ca)
    context.load_cert_chain(client.certificate, client.key)
    plain = socket.create_connection(("127.0.0.1", it.tcp), 20)
    plain.sendall(SSL_REQUEST)
    assert plain.recv(1) == b"S"
    return context.wrap_socket(plain, server_hostname="localhost")


def greeting_of(secured):
    """(pid, key) out of BackendKeyData."""
    secured.sendall(startup())
    data = b""
    while not data.endswith(b"Z\0\0\0\x05I"):
        data += secured.recv(4096)
    at = data.index(b"K\0\0\0\x0c")
    return data[at + 5:at + 9], data[at + 9:at + 13]


def test_the_right_key_with_another_certificate_cancels_nothing(service, app, pki):
    other = pki.client("other-client", "other", "URI:spiffe://example.org/ns/prod/sa/other")
    it = service(allow='[{certificate: "spiffe://example.org/ns/prod/sa/*"}]').start()
    with secured_socket(it, app) as session:
        pid, key = greeting_of(session)
        session.sendall(b"Q" + struct.pack("!I", 4 + 20) + b"SELECT pg_sleep(15)\0")
        time.sleep(0.5)
        for client, cancels in ((other, False), (app, True)):
            with secured_socket(it, client) as canceller:
                canceller.sendall(struct.pack("!II", 16, 80877102) + pid + key)
                canceller.settimeout(10)
                assert canceller.recv(1) == b""
            session.settimeout(10 if cancels else 1)
            if cancels:
                assert b"57014" in session.recv(4096)
            else:
                with pytest.raises(TimeoutError):
                    session.recv(4096)
    told, = it.refused_cancels()
    start, = [json.loads(line) for line in it.trail("--kind", "session_start").splitlines()]
    assert told["session"] == start["session"] and told["verified"]["certificate_spiffe_id"].endswith("/other")
    assert key.hex() not in json.dumps(told)


def test_a_certificate_that_expires_admits_nobody_any_more_and_ends_no_session(service, pki):
    """Who somebody is, is asked when a session begins; `session_age_max` says how long that holds."""
    def utc(seconds):
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
    short = pki.client("short-lived", "app", f"URI:{SPIFFE}", dates=(utc(-60), utc(5)))
    it = service().start()
    live = it.connect(short)
    assert live.execute("SELECT 'let in'").fetchone() == ("let in",)
    wait_for(lambda: it.psql_tls(short).returncode == 2, "the certificate to expire", 20, 0.5)
    it.run.until("has expired")
    assert live.execute("SELECT 'goes on'").fetchone() == ("goes on",)
    assert it.reload(), "nor does a reload end it: the rule still names it"
    time.sleep(1)
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    live.close()


# Opens TLS connections without end and stops in the middle of each handshake.
HALF_OPEN = """
import collections, socket, struct, sys, time
port, seconds, how = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
hello = bytes.fromhex("16030102000100")
held, made, end = collections.deque(), 0, time.monotonic() + seconds
while time.monotonic() < end:
    s = socket.socket(); s.settimeout(2)
    try:
        s.connect(("127.0.0.1", port))
        s.sendall(struct.pack("!II", 8, 80877103) if how == "request" else hello); made += 1
        held.append(s)
    except OSError: pass
    if len(held) > 900: held.popleft().close()
print(made, flush=True)
"""


@pytest.mark.parametrize("how", ["request", "direct"])
def test_thousands_of_half_open_handshakes_keep_nobody_out(service, app, how):
    require(os.geteuid() == 0, "root, to be two accounts")
    it = service().start()
    nobody = pwd.getpwnam("nobody")
    flood = subprocess.Popen(["/usr/bin/python3", "-c", HALF_OPEN, str(it.tcp), "6", how], stdout=subprocess.PIPE, text=True,
                             user=nobody.pw_uid, group=nobody.pw_gid, cwd="/")
    time.sleep(1)
    slowest = 0
    for _ in range(10):
        began = time.monotonic()
        assert it.psql_tls(app).stdout == "hello\n"
        slowest = max(slowest, time.monotonic() - began)
    made = int(flood.communicate(timeout=30)[0])
    assert made > 2000, made
    assert slowest < 5, slowest
    wait_for(lambda: len(os.listdir(f"/proc/{it.run.pid}/fd")) < 100, "the half-open ones to be closed", 20)


def test_new_certificates_are_found_and_broken_ones_leave_the_old_in_force(service, app, pki):
    it = service().start()
    live = it.connect(app)
    assert it.psql_tls(app).stdout == "hello\n"
    it.use_certificate("other-host")
    wait_for(lambda: it.psql_tls(app, host="a.example.test").stdout == "hello\n", "the new certificate", 40, 1)
    assert it.psql_tls(app).returncode == 2
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    with open(it.certificate, "w", encoding="ascii") as file:
        file.write("no certificate\n")
    it.run.until("the old ones stay in force", 40)
    assert it.psql_tls(app, host="a.example.test").stdout == "hello\n"
    assert not it.reload(), "a reload with it is refused whole"
    it.use_certificate("good")
    assert it.reload()
    assert it.psql_tls(app).stdout == "hello\n"
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    live.close()


def test_a_reload_that_takes_the_rule_away_ends_the_session(service, app):
    it = service(extra="reload: {grace: 1 s}").start()
    live = it.connect(app)
    live.execute("SELECT 1")
    it.rewrite(SPIFFE, "spiffe://example.org/ns/prod/sa/nobody")
    assert it.reload()

    def ended():
        try:
            live.execute("SELECT 1")
            return False
        except psycopg.OperationalError:
            return True
    wait_for(ended, "the session to end")
    assert it.psql_tls(app).returncode == 2


# -- exec: a certificate of the run, for applications that insist on TLS ---------------------------------------------


def by_url(statement, more="", url="$DATABASE_URL"):
    return ["sh", "-c", f'psql -XAtq -c "{statement}" "{url}{more}"']


def test_exec_over_tcp_stays_without_tls_unless_it_is_asked_for(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", 'echo "$DATABASE_URL $PGSSLMODE $PGSSLROOTCERT"'], file_url(), flags=("--listen", "tcp")).ok()
    assert "sslmode=disable" in run.stdout and "sslrootcert" not in run.stdout
    assert run.stdout.split()[1:] == ["disable"]


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_an_application_whose_own_url_insists_on_tls_gets_it(sallyport, file_url, mode):
    statement = "SELECT current_user"
    env = {"DATABASE_URL": f"postgresql://me@db.example.com/app?sslmode={mode}"}
    target = "DATABASE_URL=" + file_url()
    for child in (by_url(statement), ["psql", "-XAtqc", statement]):
        run = sallyport.run("exec", "--listen", "tcp", "-e", target, "--", *child, env=env).ok()
        assert run.stdout == "app\n"
    run = sallyport.run("exec", "--listen", "tcp", "-e", target, "--", "sh", "-c",
                        'echo "$DATABASE_URL"; cat "$PGSSLROOTCERT"', env=env).ok()
    assert f"sslmode={mode}&sslrootcert=/" in run.stdout and "BEGIN CERTIFICATE" in run.stdout
    root = run.stdout.split("sslrootcert=")[1].split()[0]
    assert not os.path.exists(root) and not os.path.exists(os.path.dirname(root)), "gone with the run"


def test_an_application_that_insists_in_code_gets_tls_and_channel_binding(sallyport, file_url, tmp_path):
    code = """
import os, psycopg, psycopg.conninfo as c
words = c.conninfo_to_dict(os.environ["DATABASE_URL"])
words.update(sslmode="require", channel_binding="require")
with psycopg.connect(**words) as connection:
    print(connection.pgconn.ssl_in_use, connection.execute("SELECT current_user").fetchone()[0])
    connection.cancel_safe(timeout=10)
words["sslnegotiation"] = "direct"
with psycopg.connect(**words) as connection:
    print(connection.pgconn.ssl_in_use)
"""
    run = sallyport.exec([sys.executable, "-c", code], file_url(), flags=("--listen", "tcp")).ok()
    assert run.stdout == "True app\nTrue\n"


def timers(port):
    """(kind, seconds left) of the established connections of this listener; kind 2 is the keep-alive (proc_net_tcp.txt)."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        fields = [line.split() for line in file][1:]
    for row in fields:
        if int(row[1].split(":")[1], 16) == port and row[3] == "01":
            kind, left = row[5].split(":")
            yield int(kind, 16), int(left, 16) / os.sysconf("SC_CLK_TCK")


def test_the_kernel_watches_clients_for_their_sudden_end(service, app):
    it = service().start()
    with it.connect(app) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)
        wait_for(lambda: [kind for kind, _ in timers(it.tcp)] == [2], "the data to be acknowledged")
        (_, left), = timers(it.tcp)
        assert 30 < left <= 60, "its default is two hours"
    it.stop()
