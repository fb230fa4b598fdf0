"""kill -9 at random points under load: the trail opens, nothing accepted is missing, no lease outlives the next start."""

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import require
from harness.openbao import ApiError
from harness.processes import wait_for
from harness.sallyport import binary
from harness.service import Service

ROUNDS = int(os.environ.get("SALLYPORT_KILL_ROUNDS", "20" if os.environ.get("SALLYPORT_SOAK") else "4"))


def lookups(bao, role):
    try:
        return set(bao.leases(role))
    except ApiError:
        return set()


def journalled_leases(sallyport, role):
    """Ids of the leases that journals below the state directory name, whoever wrote them."""
    found = set()
    for base, _, names in os.walk(sallyport.state):
        for name in names:
            if name.endswith(".leases"):
                with open(os.path.join(base, name), encoding="utf-8", errors="replace") as file:
                    found |= set(re.findall(rf"database/creds/{role}/([A-Za-z0-9]+)", file.read()))
    return found


def ask_until_killed(service, mark):
    """Marks of the sessions whose first query was answered, one after another until nobody answers any more."""
    answered = []
    while True:
        name = f"{mark}-{len(answered)}"
        try:
            with service.psycopg(application_name=name, autocommit=True) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
                answered.append(name)
        except psycopg.Error:
            return answered


def test_random_kills_under_load(sallyport, pg, bao, pki):
    bao.role("killed", ttl="10m", max_ttl="1h")
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    service = Service(sallyport, pg, pki, "vault:database/creds/killed", user=None,
                      extra_target="    run_as: app_owner\n    pool: {min_ready: 2}")
    env = bao.environment(bao.token())
    journalled = set()
    answered = []           # the pool's connections serve many sessions: each session has a mark of its own
    for turn in range(ROUNDS):
        service.start(env=env)
        load = subprocess.Popen(["pgbench", "-n", "-C", "-c", "4", "-t", "1000000", "-f", "/dev/stdin", "-h", service.directory,
                                 "-U", "app", "app"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        load.stdin.write(b"SELECT 1;\n")
        load.stdin.close()
        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask_until_killed, service, f"marked-{turn}-{asker}") for asker in range(3)]
            time.sleep(chance.uniform(0.05, 1.5))
            service.run.process.send_signal(signal.SIGKILL)
            service.run.wait()
            for each in asking:
                answered += each.result(30)
        journalled |= journalled_leases(sallyport, "killed")
        load.terminate()
        load.wait()
    assert journalled, "nothing was ever journalled: this test proves nothing"
    service.start(env=env)
    # A kill between the manager's reply and the journal's line leaves a lease that dies with its TTL: not counted.
    wait_for(lambda: not journalled & lookups(bao, "killed"), "orphaned leases to be revoked", 30)
    own = lookups(bao, "killed")
    service.stop()
    wait_for(lambda: len(lookups(bao, "killed")) < len(own), "the last instance's lease to be revoked", 20)
    starts = sallyport.audit("-c", service.config, "--kind", "session_start")
    recorded = Counter(row["claimed"].get("application_name") for row in starts)
    wrong = [name for name in answered if recorded[name] != 1]
    assert answered and not wrong, f"{len(wrong)} of {len(answered)} answered sessions have not one record each: {wrong[:5]}"


def test_an_exec_that_was_killed_leaves_an_orphan_that_the_next_exec_revokes(sallyport, bao, vault_url):
    bao.role("orphan", ttl="10m", max_ttl="1h")
    env = bao.environment(bao.token())
    run = sallyport.start_exec(["sh", "-c", "psql -XAtqc \"SELECT 'in'\"; sleep 30"], vault_url("orphan"), env=env)
    run.until("in")
    orphans = set(bao.leases("orphan"))
    assert orphans
    run.process.kill()
    run.wait()
    assert set(bao.leases("orphan")) == orphans
    sallyport.exec(["true"], vault_url("orphan"), env=env).ok()
    wait_for(lambda: not bao.leases("orphan"), "the orphan to be revoked", 15)


def test_killed_between_the_managers_reply_and_the_journal_the_lease_dies_with_its_ttl(sallyport, bao, pg, vault_url):
    """threat 10. What no journal names no later start can revoke; it is not there for longer than its TTL."""
    require(shutil.which("gdb"), "gdb")
    bao.role("unjournalled", ttl="8s", max_ttl="8s")
    env = bao.environment(bao.token())
    debugged = subprocess.run(
        ["gdb", "-q", "-batch", "-ex", "break sallyport::credentials::FileLeaseJournal::record", "-ex", "run", "-ex", "kill",
         "--args", binary(), "exec", "--", "psql", "-XAtqc", "SELECT 'in'"], capture_output=True, text=True, timeout=60,
        env=sallyport.env(DATABASE_URL=vault_url("unjournalled"), DEBUGINFOD_URLS="", **env), stdin=subprocess.DEVNULL)
    assert "FileLeaseJournal::record" in debugged.stdout and "killed" in debugged.stdout, debugged.stdout + debugged.stderr
    left = lookups(bao, "unjournalled")
    assert left, "the manager had not answered yet: this test proves nothing"
    assert not left & journalled_leases(sallyport, "unjournalled")
    assert "'in'" not in debugged.stdout and "\nin\n" not in debugged.stdout, "written before it is used"
    run = sallyport.exec(["psql", "-XAtqc", "SELECT 'next'"], vault_url("unjournalled"), env=env).ok()
    assert run.stdout == "next\n"
    wait_for(lambda: not lookups(bao, "unjournalled"), "the lease to die", 20)
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname LIKE 'v-%%unjourna%%'"), "its user to be dropped", 20)


def test_a_live_neighbours_lease_is_not_an_orphan(sallyport, bao, vault_url):
    bao.role("neighbour", ttl="10m", max_ttl="1h")
    env = bao.environment(bao.token())
    first = sallyport.start_exec(["sh", "-c", "psql -XAtqc \"SELECT 'in'\"; sleep 4; psql -XAtqc \"SELECT 'still'\""],
                                 vault_url("neighbour"), env=env)
    first.until("in")
    held = set(bao.leases("neighbour"))
    sallyport.exec(["true"], vault_url("neighbour"), env=env).ok()
    assert held <= set(bao.leases("neighbour"))
    assert "still" in first.wait().ok().stdout


@pytest.mark.parametrize("planted", ["database/creds/other/abc", "sys/creds/orphan/x", "database/creds/planted-elsewhere/../x"])
def test_a_planted_journal_entry_revokes_nothing_of_others(sallyport, bao, vault_url, planted):
    """Whatever stands in a journal, only leases of its own mount and role are touched."""
    bao.role("other", ttl="10m", max_ttl="1h")
    bao.role("orphan", ttl="10m", max_ttl="1h")
    token = bao.token()
    victim = bao.call("GET", "database/creds/other", token=token)["lease_id"]
    env = bao.environment(token)
    before = lookups(bao, "orphan")
    run = sallyport.start_exec(["sh", "-c", "psql -XAtqc \"SELECT 'in'\"; sleep 30"], vault_url("orphan"), env=env)
    run.until("in")
    own = (lookups(bao, "orphan") - before).pop()
    run.process.kill()
    run.wait()
    changed = 0
    for base, _, names in os.walk(sallyport.state):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                data = file.read()
            needle = f"database/creds/orphan/{own}".encode()
            if needle in data:
                replacement = (victim if planted.startswith("database/creds/other") else planted).encode()
                with open(path, "wb") as file:
                    file.write(data.replace(needle, replacement))
                changed += 1
    assert changed, "no journal names the lease: this test proves nothing"
    sallyport.exec(["true"], vault_url("orphan"), env=env).ok()
    time.sleep(1)
    assert victim.rsplit("/", 1)[1] in bao.leases("other")
    bao.call("PUT", "sys/leases/revoke", {"lease_id": victim, "sync": True})
