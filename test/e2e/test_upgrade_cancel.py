"""Cancels around a binary upgrade: they come where clients connect, and reach sessions wherever these live."""

import pwd
import socket
import struct
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from harness.upgrade import Upgradable, Upgrading
from test_client_tls import SPIFFE, TlsService


@pytest.fixture
def service(sallyport, pg, pki, secret):
    return Upgradable(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")


class Running:
    """A statement of a session, on a thread of its own, and how it ended."""

    def __init__(self, connection, seconds):
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(connection, seconds))
        self._thread.start()
        time.sleep(0.5)

    def _run(self, connection, seconds):
        try:
            connection.execute(f"SELECT pg_sleep({seconds})")
            self.outcome = "finished"
        except psycopg.Error as error:
            self.outcome = error.sqlstate

    def ended(self):
        self._thread.join(60)
        return self.outcome


def test_a_cancel_finds_sessions_of_every_old_one_and_of_the_new(service):
    service.start()
    connections = [service.psycopg(autocommit=True)]
    for _ in range(2):
        service.upgrade()
        connections.append(service.psycopg(autocommit=True))
    for connection in connections:
        running = Running(connection, 30)
        connection.cancel_safe(timeout=20)
        assert running.ended() == "57014"
        assert connection.execute("SELECT 1").fetchone() == (1,)
    for connection in connections:
        connection.close()
    for old in service.older:
        assert old.wait(30).code == 0, old.output
    service.stop()


def cancel(service, pid, key, account=None):
    """As whoever has the key; returns when the other end has closed."""
    script = ("import socket, struct, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); "
              "k = bytes.fromhex(sys.argv[3]); s.sendall(struct.pack('!III', 12 + len(k), 80877102, int(sys.argv[2])) + k); "
              "assert s.recv(1) == b''")
    who = {"user": pwd.getpwnam(account).pw_uid, "extra_groups": []} if account else {}
    subprocess.run(["/usr/bin/python3" if account else sys.executable, "-c", script, service.socket, str(pid), key.hex()],
                   check=True, timeout=60, cwd="/", **who)


class Bare:
    """A session of the protocol's bare messages, so that its cancel key can be seen."""

    def __init__(self, service):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(service.socket)
        words = b"user\0app\0database\0app\0\0"
        self.socket.sendall(struct.pack("!II", 8 + len(words), 196608) + words)
        self.file = self.socket.makefile("rb")
        while True:
            kind, body = self.read()
            if kind == b"K":
                self.pid, self.key = struct.unpack("!I", body[:4])[0], body[4:]
            if kind == b"Z":
                break

    def read(self):
        kind = self.file.read(1)
        return kind, self.file.read(struct.unpack("!I", self.file.read(4))[0] - 4)

    def ask(self, statement):
        self.socket.sendall(b"Q" + struct.pack("!I", 5 + len(statement)) + statement.encode() + b"\0")

    def answered(self):
        """Kinds of messages, until the server is ready again."""
        kinds = b""
        while not kinds.endswith(b"Z"):
            kinds += self.read()[0]
        return kinds

    def close(self):
        self.socket.sendall(b"X\0\0\0\4")
        self.file.close()
        self.socket.close()


def test_a_cancel_for_an_old_session_is_heard_from_its_owner_only(service):
    service.rewrite("allow: [{user: root}]", "allow: [{user: root}, {user: postgres}]")
    service.start()
    session = Bare(service)
    old = service.upgrade()
    session.ask("SELECT 'whole' FROM pg_sleep(3)")
    time.sleep(0.3)
    cancel(service, session.pid, session.key, account="postgres")
    cancel(service, session.pid, bytes(len(session.key)))
    assert session.answered() == b"TDCZ", "neither the key in another's hand nor a wrong key stops it"
    session.ask("SELECT pg_sleep(30)")
    time.sleep(0.3)
    cancel(service, session.pid, session.key)
    assert b"E" in session.answered()
    session.close()
    assert old.wait(30).code == 0
    service.stop()


class TlsUpgradable(Upgrading, TlsService):
    pass


def test_a_session_over_tls_lives_on_and_its_cancel_comes_over_tls(sallyport, pg, pki, secret):
    service = TlsUpgradable(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")
    app = pki.client("app-client", "app", f"URI:{SPIFFE},DNS:app.example.com")
    service.start()
    with service.connect(app) as live:
        old = service.upgrade()
        assert service.psql_tls(app).stdout == "hello\n", "the port is the new one's"
        running = Running(live, 5)
        live.cancel()               # libpq's old way: in clear, always
        assert running.ended() == "finished"
        running = Running(live, 30)
        live.cancel_safe(timeout=20)
        assert running.ended() == "57014"
    assert old.wait(30).code == 0
    service.stop()
