"""OpenBao sealed, down, slow, talking nonsense, revoking under us: clear words, and what lives goes on living."""

import os
import re
import shutil
import socket
import ssl
import threading
import time

from harness.children import psql, python
from harness.processes import free_port, wait_for

PROBE = """
import os, psycopg, sys, time
def who(): return psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT session_user").fetchone()[0]
live = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("ready", live.execute("SELECT session_user").fetchone()[0], flush=True)
for line in sys.stdin:
    word = line.strip()
    try:
        print(word, "->", live.execute("SELECT 'alive'").fetchone()[0] if word == "old" else who(), flush=True)
    except psycopg.Error as error:
        print(word, "-> error", error.sqlstate, str(error).replace(chr(10), " "), flush=True)
"""


class Dialogue:
    """A child under exec that connects when told to."""

    def __init__(self, sallyport, url, env):
        import subprocess
        self.pipe = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.run = sallyport.start_exec(python(PROBE), url, env=env, stdin=self.pipe.stdout)
        self.pipe.stdout.close()
        self.user = self.run.until(r"ready (\S+)").group(1)
        self.said = 0

    def ask(self, word, seconds=40):
        """The answer to "old" (the live session) or "new" (a new one)."""
        self.pipe.stdin.write(word.encode() + b"\n")
        self.pipe.stdin.flush()
        self.said += 1

        def answers():
            found = re.findall(r"^(?:old|new) -> (.*)$", self.run.stdout, re.M)
            return found[self.said - 1] if len(found) >= self.said else None
        return wait_for(answers, f"an answer to {word}", seconds)

    def end(self):
        self.pipe.stdin.close()
        self.pipe.wait()
        return self.run.wait()


def test_sealed_from_the_start_is_said(sallyport, own_bao, vault_url):
    token = own_bao.token()
    own_bao.seal()
    run = sallyport.exec(psql("SELECT 1"), vault_url(), env=own_bao.environment(token), seconds=90)
    assert run.code in (2, 125) and "seal" in run.stderr.lower()


def test_down_from_the_start_is_said(sallyport, own_bao, vault_url):
    authority = shutil.copy(own_bao.ca, os.path.join(sallyport.folder, "home"))      # its folder goes with it
    env = {**own_bao.environment(own_bao.token()), "VAULT_CACERT": authority}
    own_bao.close()
    run = sallyport.exec(psql("SELECT 1"), vault_url(), env=env, seconds=90)
    assert run.code in (2, 125)
    assert str(own_bao.port) in run.stderr and re.search("refused|connect", run.stderr)


def test_sealed_later_live_sessions_go_on_and_new_ones_use_what_is_still_valid(sallyport, own_bao, vault_url):
    talk = Dialogue(sallyport, vault_url(), own_bao.environment(own_bao.token()))
    own_bao.seal()
    assert talk.ask("old") == "alive"
    assert talk.ask("new").startswith("v-")
    own_bao.unseal()
    assert talk.ask("new").startswith("v-")
    talk.end().ok()


def test_a_lease_revoked_under_us_is_replaced(sallyport, bao, vault_url):
    bao.role("under-us")
    talk = Dialogue(sallyport, vault_url("under-us"), bao.environment(bao.token()))
    bao.call("PUT", "sys/leases/revoke-prefix/database/creds/under-us", {"sync": True})
    wait_for(lambda: not bao.leases("under-us"), "the leases to be gone")
    fresh = talk.ask("new")
    assert fresh.startswith("v-") and fresh != talk.user
    talk.end().ok()


class Strange:
    """A TLS server in OpenBao's place that answers every request with the same bytes, or never."""

    def __init__(self, pki, answer):
        self.port = free_port()
        self.answer = answer
        self.requests = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.leaf("good").certificate, pki.leaf("good").key)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._context = context
        self.environment = {"VAULT_ADDR": f"https://localhost:{self.port}", "VAULT_CACERT": pki.ca, "VAULT_TOKEN": "s.x"}

    def __enter__(self):
        threading.Thread(target=self._loop, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _loop(self):
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            with self._context.wrap_socket(plain, server_side=True) as secured:
                secured.recv(65536)
                self.requests += 1
                if self.answer is None:
                    time.sleep(120)
                    return
                secured.sendall(self.answer)
        except OSError:
            pass


def http(status, body, kind="application/json", extra=""):
    data = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n{extra}\r\n".encode() + data


import pytest  # noqa: E402


@pytest.mark.parametrize("name, answer", [
    ("not json", http("200 OK", "<html>hello</html>", "text/html")),
    ("no data", http("200 OK", "{}")),
    ("wrong types", http("200 OK", '{"lease_id": 5, "data": {"username": [], "password": {}}}')),
    ("deep nesting", http("200 OK", "[" * 100000)),
    ("nul in the user", http("200 OK", '{"lease_id":"database/creds/app-role/x","lease_duration":60,"renewable":true,'
                                       '"data":{"username":"a\\u0000b","password":"p"}}')),
    ("not http", b"\x00\x01\x02 garbage\r\n\r\n"),
    ("redirect to another host", http("307 Temporary Redirect", "", extra="Location: https://192.0.2.7/v1/x\r\n")),
    ("endless header", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 3_000_000),
    ("huge body", http("200 OK", b"{" + b" " * 20_000_000)),
])
def test_strange_answers_are_clear_refusals(sallyport, pki, vault_url, name, answer):
    with Strange(pki, answer) as strange:
        run = sallyport.exec(psql("SELECT 1"), vault_url(), env=strange.environment, seconds=90)
        assert run.code in (2, 125), run.output
        assert strange.requests >= 1 and run.stderr.strip()


def test_an_answer_that_never_comes_ends_at_a_named_deadline(sallyport, pki, vault_url):
    with Strange(pki, None) as strange:
        started = time.monotonic()
        run = sallyport.exec(psql("SELECT 1"), vault_url(), env=strange.environment, seconds=100)
        assert run.code in (2, 125) and time.monotonic() - started < 90
        assert re.search(r"\d+ s|timed? ?out|deadline", run.stderr), run.stderr
