"""A cancel reaches the query it is meant for and never another client's."""

import json
import socket
import struct
import time

from conftest import connections_in
from harness.children import psql, python
from harness.service import Service

FIFTY = """
import os, psycopg, threading, time
url, count = os.environ["DATABASE_URL"], 50
connections = [psycopg.connect(url, autocommit=True) for _ in range(count)]
bystander = psycopg.connect(url, autocommit=True)
states, spared = [None] * count, []
def sleep(i):
    try: connections[i].execute("SELECT pg_sleep(30)"); states[i] = "finished"
    except psycopg.Error as e: states[i] = e.sqlstate
def stand_by(): spared.append(bystander.execute("SELECT 'spared' FROM pg_sleep(4)").fetchone()[0])
threads = [threading.Thread(target=sleep, args=(i,)) for i in range(count)] + [threading.Thread(target=stand_by)]
for t in threads: t.start()
time.sleep(1.5)
started = time.monotonic()
cancels = [threading.Thread(target=c.cancel_safe) for c in connections]
for t in cancels: t.start()
for t in cancels: t.join()
for t in threads[:-1]: t.join()
took = time.monotonic() - started
threads[-1].join()
again = [c.execute("SELECT 1").fetchone()[0] for c in connections]
print(set(states), spared, sum(again), took < 15)
"""


def test_fifty_cancels_at_once(sallyport, file_url):
    run = sallyport.exec(python(FIFTY), file_url(), seconds=90).ok()
    assert run.stdout == "{'57014'} ['spared'] 50 True\n"


def test_control_c_in_psql_cancels(sallyport, file_url):
    command = ["sh", "-c", "timeout --foreground -s INT 1 psql -XAtqc 'SELECT pg_sleep(30)'"]
    started = time.monotonic()
    run = sallyport.exec(command, file_url())
    assert "canceling statement due to user request" in run.stderr and time.monotonic() - started < 15


def test_cancels_work_over_tcp(sallyport, file_url):
    script = FIFTY.replace("50", "5")
    assert sallyport.exec(python(script), file_url(), flags=["--listen", "tcp"], seconds=90).ok().stdout \
        == "{'57014'} ['spared'] 5 True\n"


# Its own relay in front, so that the key can be read. The broker (our parent) stands still while 40 clients guess and
# one that knows the key cancels: all have hung up before it can ask who they are.
HURRIED = """
import os, psycopg, signal, socket, struct, threading, time
url, seen = os.environ["DATABASE_URL"], []
door = socket.create_server(("127.0.0.1", 0))
broker = ("127.0.0.1", int(os.environ["PGPORT"]))
def copy(source, sink):
    while data := source.recv(65536):
        seen.append(data)
        sink.sendall(data)
def relay():
    client, server = door.accept()[0], socket.create_connection(broker)
    threading.Thread(target=copy, args=(client, server), daemon=True).start()
    copy(server, client)
threading.Thread(target=relay, daemon=True).start()
c = psycopg.connect(url, port=door.getsockname()[1], autocommit=True)
bytes_seen = b"".join(seen)
at = bytes_seen.index(struct.pack("!cIi", b"K", 12, c.info.backend_pid)) + 9
key = bytes_seen[at:at + 4]
outcome = []
def sleep():
    try: c.execute("SELECT pg_sleep(4)"); outcome.append("finished")
    except psycopg.Error as e: outcome.append(e.sqlstate)
thread = threading.Thread(target=sleep)
thread.start()
time.sleep(0.5)
os.kill(os.getppid(), signal.SIGSTOP)
try:
    for guess in [b"abcd"] * 40 + [key]:
        with socket.create_connection(broker) as canceller:
            canceller.sendall(struct.pack("!IIi", 16, 80877102, c.info.backend_pid) + guess)
finally:
    os.kill(os.getppid(), signal.SIGCONT)
thread.join()
print(*outcome)
"""


def test_others_wrong_guesses_over_tcp_do_not_keep_the_right_key_out(sallyport, file_url):
    run = sallyport.exec(python(HURRIED), file_url(), flags=["--listen", "tcp"], seconds=60).ok()
    assert run.stdout == "57014\n"


def raw_cancel(service, pid, key):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(service.socket)
        connection.sendall(struct.pack("!III", 12 + len(key), 80877102, pid) + key)
        assert connection.recv(1) == b""


def test_a_guessed_key_cancels_nothing(sallyport, pg, pki, secret):
    service = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}").start()
    with service.psycopg(autocommit=True) as connection:
        pid = connection.info.backend_pid
        import threading
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(
            connection.execute("SELECT 'whole' FROM pg_sleep(2)").fetchone()[0]))
        thread.start()
        time.sleep(0.3)
        for guess in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0" * 32, b"\1\2\3\4"):
            raw_cancel(service, pid, guess)
        thread.join()
        assert outcome == ["whole"]
    service.stop()


def test_the_pid_is_the_servers_own_and_the_key_is_not(sallyport, file_url, pg):
    script = """
import json, os, psycopg
c = psycopg.connect(os.environ["DATABASE_URL"])
print(json.dumps([c.info.backend_pid, c.execute("SELECT pg_backend_pid()").fetchone()[0]]))
"""
    told, real = json.loads(sallyport.exec(python(script), file_url()).ok().stdout)
    assert told == real


def test_a_cancel_is_verified_upstream_too(sallyport, file_url, pg):
    with pg.log_since() as read:
        sallyport.exec(["sh", "-c", "timeout --foreground -s INT 1 psql -XAtqc 'SELECT pg_sleep(30)'"], file_url())
        log = read()
    assert "canceling statement due to user request" in log and connections_in(log)
    assert psql
