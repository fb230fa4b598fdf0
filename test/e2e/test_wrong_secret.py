"""A password that was changed behind our back, and a crowd that waits for it: the server hears of it a few times, not once a
client; each client is told why; and once the secret is right again all are served."""

import os
import re
import selectors
import socket
import struct
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.processes import wait_for
from harness.raw_client import fields, text
from harness.sallyport import binary
from harness.service import Service

CROWD = 300


def startup(user):
    body = struct.pack("!I", 196608) + text("user") + text(user) + text("database") + text("app") + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def outcome(data):
    """The first message's error, or "served"; None: neither is there yet."""
    at = 0
    while len(data) - at >= 5:
        length = struct.unpack_from("!I", data, at + 1)[0]
        if len(data) - at < length + 1:
            return None
        kind = chr(data[at])
        if kind == "Z":
            return "served"
        if kind == "E":
            return fields(bytes(data[at + 5:at + length + 1]))
        at += length + 1
    return None


def crowd(it, count=CROWD, seconds=40):
    """So many clients at once, each until it is served (and leaves) or refused: how each fared."""
    waiting, ends = selectors.DefaultSelector(), []
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX)
        one.connect(it.socket)
        one.sendall(startup("app"))
        waiting.register(one, selectors.EVENT_READ, bytearray())
    until = time.monotonic() + seconds
    while len(ends) < count and time.monotonic() < until:
        for key, _ in waiting.select(1):
            more = key.fileobj.recv(65536)
            key.data.extend(more)
            end = outcome(key.data)
            if end is None and not more:
                end = "closed"
            if end is not None:
                ends.append(end)
                waiting.unregister(key.fileobj)
                key.fileobj.close()
    for key in list(waiting.get_map().values()):
        key.fileobj.close()
    return ends


@pytest.fixture
def changed(pg, secret):
    """A user whose password the test changes."""
    name = "changed_" + uuid.uuid4().hex[:8]
    pg.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{secret}'")
    yield name
    pg.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{name}'")
    pg.sql(f"DROP ROLE {name}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_three_hundred_clients_with_a_wrong_secret_do_not_hammer_the_server(sallyport, pg, pki, secret, changed, mode, figures):
    path = sallyport.secret_file(secret)
    it = Service(sallyport, pg, pki, f"file:{path}", user=changed, extra_target=f"    pool: {{mode: {mode}, max: 10, min_ready: 2}}").start()
    try:
        assert crowd(it, 2) == ["served"] * 2
        pg.sql(f"ALTER ROLE {changed} PASSWORD 'mine now'")
        pg.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{changed}'")
        with pg.log_since() as read:
            started = time.monotonic()
            told = []
            while time.monotonic() - started < 6:
                told += crowd(it)
            failures = len(re.findall(rf'password authentication failed for user "{changed}"', read()))
            took = time.monotonic() - started
        for error in told:
            assert error["C"] == "28P01" and "password" in error["M"], error
            assert "mine now" not in str(error) and secret not in str(error)
        figures(f"{len(told)} clients in {took:.0f} s: the server heard {failures} wrong passwords")
        # The old password once more, from the source, then one login each time that the back-off (5 s and longer) is over.
        assert len(told) >= CROWD and failures <= 6
        sallyport.secret_file("mine now")
        wait_for(lambda: crowd(it, 1) == ["served"], "the secret to be taken again", 40, 0.3)
        assert crowd(it) == ["served"] * CROWD
    finally:
        it.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_ten_identities_with_a_wrong_secret_are_one_failed_login(sallyport, pg, pki, changed, mode, figures):
    """From the first one on: servers lock an account after a few."""
    names = [f"name{i}" for i in range(10)]
    verifiers, password = os.path.join(sallyport.folder, "home", "passwords"), "of them all"
    for name in names:
        subprocess.run([binary(), "passwd", name, "--file", verifiers, "--stdin"], input=password + "\n",
                       env=sallyport.env(), text=True, check=True, capture_output=True, timeout=60)
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file('never was it')}", user=changed,
                 allow=f"[{{verifier: {verifiers}}}]", extra_target=f"    pool: {{mode: {mode}, min_ready: 2}}").start()

    def enter(name):
        try:
            psycopg.connect(host=it.directory, user=name, password=password, dbname="app", connect_timeout=30).close()
            return None
        except psycopg.OperationalError as error:
            return str(error)

    try:
        with pg.log_since() as read, ThreadPoolExecutor(len(names)) as pool:
            started, told = time.monotonic(), []
            while time.monotonic() - started < 3:
                told += pool.map(enter, names)
            failures = len(re.findall(rf'password authentication failed for user "{changed}"', read()))
        figures(f"{len(told)} clients of ten identities in 3 s: the server heard {failures} wrong passwords")
        assert len(told) >= 10 and all("password" in error for error in told), told
        assert failures <= 2
        pg.sql(f"ALTER ROLE {changed} PASSWORD 'never was it'")
        wait_for(lambda: enter(names[0]) is None, "the secret to be taken", 40, 0.3)
        with ThreadPoolExecutor(len(names)) as pool:
            assert list(pool.map(enter, names)) == [None] * len(names)
    finally:
        it.stop()
