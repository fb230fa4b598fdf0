"""Signals and job control as if Sallyport were not there: nothing is lost and nothing arrives twice."""

import os
import select
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest

from harness.children import python
from harness.manager_proxy import ManagerProxy
from harness.processes import wait_for
from harness.sallyport import binary

from test_openbao_faults import Dialogue

pytestmark = pytest.mark.alone     # needs the processors for itself

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


# What an interactive shell does with a job: a process group of its own in the foreground of a terminal. Its keys
# reach the whole group from the kernel, which is how Sallyport tells them from signals sent by kill.
JOB_SHELL = """
import os, signal, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0); os.tcsetpgrp(0, os.getpid()); signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status): break
    for _ in range(100):   # we stop first; the others of the group have got the same signal
        states = [open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[0] for p in os.listdir("/proc")
                  if p.isdigit() and os.getpgid(int(p)) == pid]
        if set(states) == {"T"}: break
        time.sleep(0.02)
    print("stopped", sorted(set(states)), flush=True)
    time.sleep(1); os.tcsetpgrp(0, pid); os.killpg(pid, signal.SIGCONT)
print("exit", os.waitstatus_to_exitcode(status), flush=True)
"""


class Terminal:
    """A sallyport exec as the foreground job of a terminal of its own."""

    def __init__(self, sallyport, url, command):
        import pty
        words = [sys.executable, "-c", JOB_SHELL, binary(), "exec", "--", *command]
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir("/")
            os.execve(words[0], words, sallyport.env(DATABASE_URL=url))
        self.pid, self.text = pid, ""

    def press(self, key):
        os.write(self.fd, key)

    def until(self, text, seconds=20):
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"no {text!r} in {seconds} s:\n{self.text}"
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode(errors="replace")
                except OSError:
                    assert text in self.text, self.text
        return self.text

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("key, number", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)], ids=["^C", "^\\"])
def test_a_key_of_the_terminal_arrives_once_and_does_not_end_us(sallyport, file_url, key, number):
    it = Terminal(sallyport, file_url(), python(COUNTER, "2"))
    it.until("ready")
    it.press(key)
    assert f"seen [{int(number)}]" in it.until("exit 0")
    it.close()


def test_suspend_and_continue(sallyport, file_url):
    script = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("ready", flush=True); time.sleep(2.5)
print(c.execute("SELECT 'old'").fetchone()[0], psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT 'new'").fetchone()[0])
"""
    it = Terminal(sallyport, file_url(), python(script))
    it.until("ready")
    it.press(b"\x1a")
    assert "stopped ['T']" in it.until("stopped")
    assert "old new" in it.until("exit 0", 30)
    it.close()


def test_after_sigcont_a_lease_that_has_ended_is_replaced_before_anybody_is_served(sallyport, bao, pki, vault_url):
    """The clock has jumped for us: the first new session waits for a new credential, and hears nothing of the old one."""
    bao.role("stopped", ttl="3s", max_ttl="1h")
    with ManagerProxy(bao, pki) as proxy:
        talk = Dialogue(sallyport, vault_url("stopped"), {**proxy.environment, "VAULT_TOKEN": bao.token()})
        os.kill(talk.run.pid, signal.SIGSTOP)
        wait_for(lambda: not bao.leases("stopped"), "the lease to end")
        continued = time.time()
        os.kill(talk.run.pid, signal.SIGCONT)
        served = talk.ask("new")
        assert served.startswith("v-") and served != talk.user
        fetched = [at for at, path, status in proxy.replies if path.endswith("database/creds/stopped") and at > continued]
        talk.end().ok()
    start = sallyport.audit("--kind", "session_start")[-1]
    assert fetched and fetched[0] <= datetime.fromisoformat(start["at"].replace("Z", "+00:00")).timestamp()
    assert start["upstream_user"] == served


def test_after_sigcont_a_renewal_that_is_due_comes_before_the_first_session(sallyport, bao, pki, vault_url):
    """Also before one that a connection stands ready for."""
    bao.role("due", ttl="20s", max_ttl="1h")
    with ManagerProxy(bao, pki) as proxy:
        talk = Dialogue(sallyport, vault_url("due"), {**proxy.environment, "VAULT_TOKEN": bao.token()})
        os.kill(talk.run.pid, signal.SIGSTOP)
        lease = f"database/creds/due/{bao.leases('due')[0]}"
        wait_for(lambda: bao.call("PUT", "sys/leases/lookup", {"lease_id": lease})["data"]["ttl"] <= 4,
                 "the renewal to be due, 14.7 s after the lease's begin at the latest")
        proxy.fault("slow")  # the answer takes 2 s: whoever does not wait for it is served before it
        continued = time.time()
        os.kill(talk.run.pid, signal.SIGCONT)
        assert talk.ask("new") == talk.user
        renewed = [at for at, path, status in proxy.replies
                   if path.endswith("sys/leases/renew") and status == 200 and at > continued]
        talk.end().ok()
    start = sallyport.audit("--kind", "session_start")[-1]
    assert renewed, (continued, proxy.replies[-6:], start)
    assert renewed[0] <= datetime.fromisoformat(start["at"].replace("Z", "+00:00")).timestamp()


def test_a_child_that_ignores_sigterm_is_not_killed_by_us(sallyport, file_url):
    run = sallyport.start_exec(["sh", "-c", "trap '' TERM; echo ready; sleep 1; sleep 1; exit 5"], file_url())
    run.until("ready")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait().code == 5


@pytest.mark.parametrize("ignored", [(), (signal.SIGHUP, signal.SIGUSR2)])
def test_the_child_ignores_what_we_were_told_to_ignore_and_nothing_else(sallyport, file_url, ignored):
    """As under nohup; what we ignore for ourselves (SIGPIPE, SIGXFSZ) is given back."""
    words = ["cat", "/proc/self/status"]
    direct = run_with_ignored(words, ignored, sallyport.env())
    through = run_with_ignored([binary(), "exec", "--", *words], ignored, sallyport.env(DATABASE_URL=file_url()))
    assert ignored_in(through) == ignored_in(direct)


def run_with_ignored(words, ignored, env):
    def ignore():
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
    return subprocess.run(words, env=env, preexec_fn=ignore, capture_output=True, text=True, timeout=60, check=True)


def ignored_in(run):
    return next(line for line in run.stdout.splitlines() if line.startswith("SigIgn"))
