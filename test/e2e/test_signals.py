"""Signals and job control as if Sallyport were not there: nothing is lost and nothing arrives twice."""

import os
import signal
import subprocess
import time

import pytest

from harness.children import python
from harness.processes import descendants, proc, wait_for

COUNTER = """
import os, signal, sys, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT):
    signal.signal(number, lambda n, f: seen.append(n))
print("ready", flush=True)
deadline = time.monotonic() + float(sys.argv[1])
while time.monotonic() < deadline and len(seen) < 20: time.sleep(0.05)
print("seen", sorted(int(n) for n in seen), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_sent_to_us_reaches_the_child_once(sallyport, file_url, number):
    run = sallyport.start_exec(python(COUNTER, "2"), file_url())
    run.until("ready")
    run.process.send_signal(number)
    assert f"seen [{int(number)}]" in run.wait().ok().stdout


def start_in_own_group(sallyport, url, command):
    """As a shell with job control starts a job: a process group of its own."""
    from harness.sallyport import binary
    log = os.path.join(sallyport.folder, "tmp", "job")
    with open(log, "wb") as out:
        process = subprocess.Popen([binary(), "exec", "--", *command], env=sallyport.env(DATABASE_URL=url), stdout=out,
                                   stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)

    def read():
        with open(log, encoding="utf-8") as file:
            return file.read()
    wait_for(lambda: "ready" in read(), "the child to be ready")
    return process, read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_signal_of_the_terminal_arrives_once_and_does_not_end_us(sallyport, file_url, number):
    process, read = start_in_own_group(sallyport, file_url(), python(COUNTER, "2"))
    os.killpg(process.pid, number)
    assert process.wait(20) == 0
    assert f"seen [{int(number)}]" in read()


def state(pid):
    return proc(pid, "stat").rsplit(b")", 1)[-1].split()[0]


def test_suspend_and_continue(sallyport, file_url):
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("ready", flush=True); time.sleep(2.5)
print(c.execute("SELECT 'old'").fetchone()[0], psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT 'new'").fetchone()[0])
"""
    process, read = start_in_own_group(sallyport, file_url(), python(script))
    os.killpg(process.pid, signal.SIGTSTP)
    wait_for(lambda: state(process.pid) == b"T", "sallyport to be stopped")
    assert all(state(pid) == b"T" for pid in descendants(process.pid)[1:2])
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(30) == 0
    assert "old new" in read()


def test_a_child_that_ignores_sigterm_is_not_killed_by_us(sallyport, file_url):
    run = sallyport.start_exec(["sh", "-c", "trap '' TERM; echo ready; sleep 1; sleep 1; exit 5"], file_url())
    run.until("ready")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait().code == 5
