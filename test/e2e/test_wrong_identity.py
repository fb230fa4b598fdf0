"""Who is not the child or below it gets nothing, and the server never hears of it (invariant 3)."""

import os
import pwd
import subprocess

from conftest import attempts_in, connections_in, skip_here
from harness.canary import assert_in_no_process
from harness.children import python
from harness.processes import wait_for

HOLD = """
import json, os, subprocess, sys, time
print("child " + json.dumps({k: os.environ.get(k) for k in ("DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD")}), flush=True)
time.sleep(float(sys.argv[1]))
"""


def hold(sallyport, url, flags=(), seconds=8):
    import json
    run = sallyport.start_exec(python(HOLD, str(seconds)), url, flags=flags)
    return run, json.loads(run.until(r"child (\{.*\})").group(1))


def outside(url, account=None):
    """psql that is no descendant of the run."""
    entry = pwd.getpwnam(account) if account else None
    who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if entry else {}
    return subprocess.run(["psql", "-XAtqc", "SELECT 'in'", url], capture_output=True, text=True, timeout=40, cwd="/",
                          env={"PATH": os.environ["PATH"]}, **who)


def test_a_process_outside_the_tree_is_refused_on_the_socket(sallyport, file_url, pg):
    run, child = hold(sallyport, file_url())
    with pg.log_since() as read:
        done = outside(child["DATABASE_URL"])
        assert done.returncode == 2 and "in\n" not in done.stdout
        assert connections_in(read()) == [] and attempts_in(read()) == 0
    run.wait().ok()


def test_another_account_cannot_even_reach_the_socket(sallyport, file_url):
    if os.getuid() != 0:
        skip_here("needs root to become another account")
    run, child = hold(sallyport, file_url())
    assert outside(child["DATABASE_URL"], "nobody").returncode == 2
    run.wait().ok()


def test_grandchildren_are_served(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", "sh -c 'sh -c \"psql -XAtqc \\\"SELECT 7\\\"\"'"], file_url()).ok()
    assert run.stdout == "7\n"


def test_a_descendant_in_a_session_of_its_own_is_served(sallyport, file_url):
    assert sallyport.exec(["setsid", "-w", "psql", "-XAtqc", "SELECT 8"], file_url()).ok().stdout == "8\n"


ORPHAN = """
import os, subprocess, sys, time
# The stranger: forks, ends, and what it forked asks for the database once our run is there.
if os.fork(): time.sleep(float(sys.argv[1])); os._exit(0)
here = sys.argv[2]
while not os.path.exists(here + "/url"): time.sleep(0.05)
time.sleep(1.5)
done = subprocess.run(["psql", "-XAtqc", "SELECT 'in'", open(here + "/url").read()], capture_output=True, text=True)
open(here + "/said", "w").write(done.stdout + done.stderr)
os.rename(here + "/said", here + "/orphan")
"""


def test_orphans_of_what_was_there_before_us_are_not_served(sallyport, file_url, pg, tmp_path):
    """A shell starts something, then becomes us by exec: that child's orphans would be ours (threat 6)."""
    import shlex
    import sys

    from harness.sallyport import binary
    child = ["sh", "-c", f'printf %s "$DATABASE_URL" > {tmp_path}/u; mv {tmp_path}/u {tmp_path}/url; sleep 5; exec psql -XAtqc "SELECT \'own\'"']
    script = f"{shlex.join([sys.executable, '-c', ORPHAN, '1', str(tmp_path)])} & exec {shlex.join([binary(), 'exec', '--', *child])}"
    done = subprocess.run(["bash", "-c", script], env=sallyport.env(DATABASE_URL=file_url()), capture_output=True, text=True,
                          timeout=60)
    assert done.stdout == "own\n", done.stderr
    said = wait_for(lambda: (tmp_path / "orphan").exists() and (tmp_path / "orphan").read_text(), "the orphan's attempt")
    assert "in\n" not in said, said
    assert "other children" in done.stderr


AS_INIT = """
import os, subprocess, sys
print("pid", os.getppid(), flush=True)
environ = subprocess.run(["cat", "/proc/1/environ"], capture_output=True).stdout
print("found" if os.environ["LOOK_FOR"].encode() in environ else "nothing", flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while os.getppid() not in (1, int(sys.argv[1])): pass
        print(subprocess.run(["psql", "-XAtqc", "SELECT 'orphan'"], capture_output=True, text=True).stdout, end="", flush=True)
    os._exit(0)
os.wait()
import time; time.sleep(2)
"""


def test_as_process_1_nothing_of_ours_can_be_read_and_orphans_are_served(sallyport, pg, pki, secret):
    """The entry point of a container: what the broker was told stands in no /proc/1/environ (threat 6, 11)."""
    import sys

    from harness.sallyport import binary
    if os.getuid() != 0 or subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"]).returncode != 0:
        skip_here("needs the right to make a pid namespace")
    url = f"env:DB_PASSWORD?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", binary(), "exec", "--", sys.executable, "-c", AS_INIT, "2"],
                          env=sallyport.env(DATABASE_URL=url, DB_PASSWORD=secret, LOOK_FOR=secret[:-4]),
                          capture_output=True, text=True, timeout=60)
    assert done.stdout == "pid 2\nnothing\norphan\n", done.stdout + done.stderr


def test_over_tcp_the_run_token_outside_the_tree_opens_nothing(sallyport, file_url, pg, secret):
    run, child = hold(sallyport, file_url(), flags=["--listen", "tcp"])
    assert_in_no_process(run.pid, secret)
    with pg.log_since() as read:
        done = outside(child["DATABASE_URL"])
        assert done.returncode == 2 and "in\n" not in done.stdout
        assert connections_in(read()) == []
    run.wait().ok()


WRONG_TOKENS = """
import os, psycopg, sys, urllib.parse
u = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
print("ready", flush=True)
sys.stdin.readline()
for password in ("", "x" * 43, (u.password or "")[:-1]):
    try: psycopg.connect(host=u.hostname, port=u.port, user=u.username, dbname=u.path[1:], password=password); print("IN")
    except psycopg.OperationalError as e: print("out")
print("tried", flush=True)
sys.stdin.readline()
print(psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT 'right'").fetchone()[0])
"""


def test_over_tcp_a_wrong_token_opens_nothing_even_inside(sallyport, file_url, pg):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
        run = sallyport.start_exec(python(WRONG_TOKENS), file_url(), flags=["--listen", "tcp"], stdin=pipe.stdout)
        run.until("ready")
        with pg.log_since() as read:
            pipe.stdin.write(b"\n")
            pipe.stdin.flush()
            run.until("tried")
            assert connections_in(read()) == [] and attempts_in(read()) == 0
        pipe.stdin.write(b"\n")
        pipe.stdin.close()
        assert run.wait().ok().stdout == "ready\nout\nout\nout\ntried\nright\n"


SURVIVOR = """
import os, psycopg, signal, sys, time
info = psycopg.pq.version()
print("libpq", info, os.environ["DATABASE_URL"], flush=True)
os.kill(os.getppid(), signal.SIGKILL)
sys.stdin.readline()
try: psycopg.connect("connect_timeout=5").execute("SELECT 'for nobody else'"); print("IN", flush=True)
except psycopg.OperationalError as e: print("refused:", str(e).replace("\\n", " "), flush=True)
"""


def test_who_takes_the_port_after_we_die_gets_no_query(sallyport, file_url):
    """Sallyport is killed, a stranger listens on its port and lets everybody in without proof (threat 7)."""
    import re
    import socket
    import struct
    import threading
    run = sallyport.start_exec(python(SURVIVOR), file_url(), flags=["--listen", "tcp"], stdin=subprocess.PIPE)
    told = run.until(r"libpq (\d+) \S+@127\.0\.0\.1:(\d+)/")
    if int(told.group(1)) < 160000:
        skip_here("this libpq knows no require_auth")
    run.process.wait(20)
    heard = []

    def squat(listener):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            heard.append(connection.recv(4096))
            connection.sendall(b"R" + struct.pack("!II", 8, 0) + b"Z" + struct.pack("!I", 5) + b"I")
            heard.append(connection.recv(4096))

    wait_for(lambda: can_listen(int(told.group(2))), "the port to be free")
    with socket.create_server(("127.0.0.1", int(told.group(2)))) as listener:
        threading.Thread(target=squat, args=(listener,), daemon=True).start()
        run.process.stdin.write(b"\n")
        run.process.stdin.close()
        wait_for(lambda: re.search("refused:|IN", run.stdout), "the child's attempt")
    assert "refused:" in run.stdout, run.output
    assert b"nobody else" not in b"".join(heard) and heard[0], heard


def can_listen(port):
    import socket
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def test_falling_back_to_tcp_is_said_aloud(sallyport, file_url):
    run = sallyport.exec(["true"], file_url(dialect="jdbc:postgresql")).ok()
    assert "127.0.0.1" in run.stderr or "tcp" in run.stderr.lower(), run.output


def test_the_listener_is_gone_after_the_run(sallyport, file_url):
    run, child = hold(sallyport, file_url(), seconds=0.2)
    run.wait().ok()
    assert not os.path.exists(child["PGHOST"])
    wait_for(lambda: outside(child["DATABASE_URL"]).returncode == 2, "the listener to be gone")


def test_a_socket_passed_to_a_stranger_is_no_way_in(sallyport, file_url, pg, tmp_path):
    """A child connects, hands the descriptor to a process outside by SCM_RIGHTS, and exits."""
    meeting = str(tmp_path / "meeting")
    import socket
    import struct
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(meeting)
    listener.listen()
    giver = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["PGHOST"] + "/.s.PGSQL." + os.environ["PGPORT"])
m = socket.socket(socket.AF_UNIX); m.connect(sys.argv[1]); socket.send_fds(m, [b"x"], [s.fileno()]); m.recv(1)
"""
    script = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {giver!r}, {meeting!r}]); print('gone', flush=True); time.sleep(4)"
    run = sallyport.start_exec(python(script), file_url())
    peer, _ = listener.accept()
    _, fds, _, _ = socket.recv_fds(peer, 1, 1)
    peer.sendall(b"x")
    run.until("gone")
    with pg.log_since() as read, socket.socket(fileno=fds[0]) as stolen:
        stolen.settimeout(10)
        body = struct.pack("!I", 196608) + b"user\0app\0database\0app\0\0"
        try:
            stolen.sendall(struct.pack("!I", len(body) + 4) + body)
            answer = stolen.recv(4096)
        except OSError:
            answer = b""
        assert not answer or answer[:1] == b"E", answer
        assert connections_in(read()) == []
    listener.close()
    run.wait()


def test_another_account_is_refused_on_tcp_by_its_uid(sallyport, file_url, pg):
    """No process of it is looked for: that would let any account make us read all of /proc."""
    if os.getuid() != 0:
        skip_here("needs root to become another account")
    run, child = hold(sallyport, file_url(), flags=("--listen", "tcp"))
    with pg.log_since() as read:
        done = outside(child["DATABASE_URL"], "nobody")
        assert done.returncode == 2 and "in\n" not in done.stdout
        assert connections_in(read()) == [] and attempts_in(read()) == 0
    run.wait().ok()
    denied = [row for row in sallyport.audit() if row["kind"] == "session_denied"]
    assert denied and f"belongs to uid {pwd.getpwnam('nobody').pw_uid}" in str(denied)
