"""What one denied account, or one allowed one, may cost the others (threat 17)."""

import os
import pwd
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from conftest import skip_here
from harness.service import Service

pytestmark = pytest.mark.alone     # needs the processors for itself

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))

# Connects as fast as it can, says who it claims to be (each time another name), hears the refusal or a close.
# Prints how many were refused in the protocol, and how many never got through the listen queue.
DENIED = """
import os, socket, struct, sys, time
path, count = sys.argv[1], int(sys.argv[2])
refused, outside = 0, 0
for i in range(count):
    s = socket.socket(socket.AF_UNIX); s.settimeout(20)
    try: s.connect(path)
    except OSError: outside += 1; continue
    try:
        body = struct.pack("!I", 196608) + b"user\\0u%d\\0database\\0d%d\\0application_name\\0\\x1b[31m\\n%d\\0\\0" % (i, i, i)
        s.sendall(struct.pack("!I", len(body) + 4) + body)
        refused += s.recv(4096)[:1] == b"E"
    except OSError: pass
    s.close()
print(refused, outside, flush=True)
"""

# Connects without end, holds a thousand of them and never reads an answer.
NEVER_READS = """
import collections, socket, struct, sys, time
path, seconds, speaks = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "speaks"
body = struct.pack("!I", 196608) + b"user\\0u\\0database\\0d\\0\\0"
packet = struct.pack("!I", len(body) + 4) + body
held, made, end = collections.deque(), 0, time.monotonic() + seconds
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try:
        s.connect(path); made += 1
        held.append(s)
        if speaks: s.send(packet)
    except OSError: pass
    if len(held) > 900: held.popleft().close()
print(made, flush=True)
"""

# Cancels as fast as it can, with keys that are nobody's, and hears none of them out. Prints how many it sent.
CANCELS = """
import collections, socket, struct, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
held, made, end = collections.deque(), 0, time.monotonic() + seconds
while time.monotonic() < end:
    s = socket.socket(socket.AF_UNIX); s.setblocking(False)
    try:
        s.connect(path)
        s.send(struct.pack("!IIII", 16, 80877102, made, made))
        made += 1
    except OSError: pass
    held.append(s)
    if len(held) > 200: held.popleft().close()
print(made, flush=True)
"""


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(**more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", **more)
    return make


@pytest.fixture
def small_disk(sallyport):
    """The trail's own file system: 50 MB for a million denials, smaller alike for fewer."""
    path = os.path.join(sallyport.folder, "audit")
    os.makedirs(path, mode=0o700, exist_ok=True)
    size = "50m" if SOAK else "3m"
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path],
                                          capture_output=True).returncode != 0:
        skip_here("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path])


def as_nobody(program, *arguments):
    entry = pwd.getpwnam("nobody")
    return subprocess.Popen(["/usr/bin/python3", "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                            user=entry.pw_uid, group=entry.pw_gid, extra_groups=[], cwd="/", env={})


def connect_times(it, while_running):
    """Seconds that another identity's connections took while the flood ran."""
    took = []
    while any(p.poll() is None for p in while_running) or not took:
        started = time.monotonic()
        with it.psycopg(autocommit=True) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        took.append(time.monotonic() - started)
        time.sleep(0.2)
    return took


def test_denials_without_number_leave_room_for_others(service, sallyport, small_disk):
    """A flood of denials, each with other words: another identity connects, and the trail has room for it."""
    count = 1_000_000 if SOAK else 20_000
    it = service().start()
    flood = [as_nobody(DENIED, it.socket, count // 2) for _ in range(2)]
    took = connect_times(it, flood)
    said = [tuple(map(int, p.communicate()[0].split())) for p in flood]
    refused, outside = (sum(column) for column in zip(*said))
    assert refused >= 1000, f"only {refused} of {count} were refused in the protocol"
    assert max(took) < 5, f"the slowest of {len(took)} connections took {max(took):.1f} s"
    print(f"{refused} denials; {len(took)} connections of another identity, the slowest {max(took) * 1000:.0f} ms")
    assert it.psql("SELECT 'after'").stdout == "after\n"
    it.stop()
    used = sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(small_disk) for name in names)
    assert used < (20_000_000 if SOAK else 1_500_000), used
    rows = sallyport.audit("--dir", it.audit_directory)
    assert sum(row["kind"] == "session_start" for row in rows) >= len(took)
    denied = sum(row.get("count", 1) for row in rows if row["kind"] == "session_denied")
    assert denied == count - outside, "each one is counted, also those that were turned away without a word"


@pytest.mark.parametrize("kind", ["speaks", "silent"])
def test_who_connects_without_end_and_never_reads_keeps_nobody_out(service, kind):
    """Another identity still gets in, with a client that tries again as long as the listen queue is full."""
    it = service().start()
    flood = [as_nobody(NEVER_READS, it.socket, 60 if SOAK else 6, kind) for _ in range(2)]
    full, tries = 0, 0
    while any(p.poll() is None for p in flood):
        for _ in range(20):
            tries += 1
            answer = it.psql("SELECT 'mine'")
            if answer.returncode == 0:
                break
            assert "Resource temporarily unavailable" in answer.stderr, answer.stderr
            full += 1
        assert answer.stdout == "mine\n", f"twenty times in a row: {answer.stderr}"
    made = sum(int(p.communicate()[0]) for p in flood)
    assert made > 1000 and tries > full
    print(f"{made} connections of the flood; {tries} of another identity, {full} found the listen queue full")
    assert it.psql("SELECT 'after'").stdout == "after\n"
    it.stop()


def test_ten_thousand_profiles_of_one_identity_keep_no_other_out(service):
    """Each connection with other start-up options, as root; another account connects meanwhile."""
    it = service(allow="[{user: root}, {user: postgres}]", extra_target="    pool: {max: 10}").start()
    count = 10_000 if SOAK else 600
    script = f"""
import psycopg, sys
from concurrent.futures import ThreadPoolExecutor
def one(i):
    try: psycopg.connect(host={it.directory!r}, user="app", dbname="app", options=f"-c work_mem={{64 + i}}kB", connect_timeout=60).close(); return 1
    except psycopg.OperationalError: return 0
with ThreadPoolExecutor(16) as pool: print(sum(pool.map(one, range({count}))), flush=True)
"""
    flood = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    took = []
    while flood.poll() is None:
        started = time.monotonic()
        assert it.psql("SELECT 'mine'", account="postgres").stdout == "mine\n"
        took.append(time.monotonic() - started)
        time.sleep(0.3)
    assert int(flood.communicate()[0]) > count * 0.9
    assert len(took) > 3 and max(took) < 10, f"the slowest of {len(took)} connections took {max(took):.1f} s"
    print(f"{count} profiles; {len(took)} connections of another identity, the slowest {max(took) * 1000:.0f} ms")
    it.stop()


def test_cancels_of_nobodys_sessions_are_turned_away_beyond_a_thousand_a_second(service, sallyport):
    """A flood of them is one of refused connections: most are closed unheard, and the trail says how many."""
    it = service().start()
    flood = [as_nobody(CANCELS, it.socket, 60 if SOAK else 6) for _ in range(2)]
    while any(p.poll() is None for p in flood):
        for _ in range(20):     # the listen queue may be full
            answer = it.psql("SELECT 'mine'")
            if answer.returncode == 0:
                break
            assert "Resource temporarily unavailable" in answer.stderr, answer.stderr
        assert answer.stdout == "mine\n", f"twenty times in a row: {answer.stderr}"
    made = sum(int(p.communicate()[0]) for p in flood)
    with it.psycopg(autocommit=True) as connection:
        timer = threading.Timer(0.5, connection.cancel_safe)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(30)")
        timer.join()
    it.stop()
    rows = sallyport.audit("--dir", it.audit_directory)
    unheard = sum(row.get("count", 1) for row in rows if "turned away at the door" in row.get("reason", ""))
    assert unheard > 0, f"all of {made} were heard"
    print(f"{made} cancels, {unheard} of them closed unheard")
