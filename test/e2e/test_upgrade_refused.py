"""Take-overs that do not come about: the Sallyport that runs goes on as if nothing had been (threat 15)."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import require
from harness.processes import wait_for
from harness.sallyport import binary
from harness.upgrade import Connecting, Upgradable


@pytest.fixture
def service(sallyport, pg, pki, secret):
    return Upgradable(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")


def goes_on(service, row=None):
    """It serves, and the next take-over works; `row`: how the trail has the one that was refused."""
    assert service.run.process.poll() is None, service.run.output
    assert service.psql("SELECT 'on'").stdout == "on\n"
    if row:
        service.run.until("a take-over did not come about")
        rows = service.sallyport.audit("-c", service.config, "--kind", "admin")
        assert rows[-1]["reason"] == "take-over" and rows[-1]["result"] == row
    assert service.upgrade().wait(30).code == 0
    assert service.psql("SELECT 'new'").stdout == "new\n"
    service.stop()


def test_a_configuration_with_a_mistake(service):
    service.start()
    service.rewrite("audit:", "audti:")
    assert service.successor().wait().code == 2
    service.rewrite("audti:", "audit:")
    goes_on(service)


def test_a_certificate_that_is_not_there(service, sallyport, pki):
    """What no parser finds, and what is found before the one that runs is asked for anything."""
    missing = sallyport.folder + "/home/none.pem"
    service.start()
    service.rewrite(pki.ca, missing)
    run = service.successor().wait()
    assert run.code == 2 and "none.pem" in run.output
    service.rewrite(missing, pki.ca)
    goes_on(service)


def test_another_binary(service, sallyport, monkeypatch):
    service.start()
    elsewhere = os.path.join(sallyport.folder, "elsewhere")
    os.makedirs(elsewhere)
    shutil.copy(binary(), os.path.join(elsewhere, "sallyport"))
    with monkeypatch.context() as patch:
        patch.setenv("SALLYPORT_BUILD", elsewhere)
        run = service.successor().wait()
    assert run.code == 2
    assert "the Sallyport that runs refuses" in run.output and "runs another program" in run.output
    goes_on(service, "denied")


def test_a_binary_that_others_may_change(service, sallyport, monkeypatch):
    folder = os.path.join(sallyport.folder, "bin")
    os.makedirs(folder)
    shutil.copy(binary(), folder)
    monkeypatch.setenv("SALLYPORT_BUILD", folder)
    service.start()
    os.chmod(os.path.join(folder, "sallyport"), 0o777)
    run = service.successor().wait()
    assert run.code == 2 and "refuses" in run.output
    os.chmod(os.path.join(folder, "sallyport"), 0o755)
    goes_on(service, "denied")


def test_another_configuration_file(service, sallyport):
    service.start()
    other = sallyport.config(service.text, "other.yaml")
    run = sallyport.run("serve", "--take-over", "-c", other)
    assert run.code == 2 and "with the same configuration file" in run.output
    goes_on(service, "denied")


def as_account(sallyport, account):
    """All that a service of this account needs is its own."""
    entry = pwd.getpwnam(account)
    for base, folders, files in os.walk(sallyport.folder):
        for name in [base, *(os.path.join(base, one) for one in folders + files)]:
            os.chown(name, entry.pw_uid, entry.pw_gid)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def ask(service, packet):
    """What the upgrade's socket answers to bytes of anybody's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as it:
        it.settimeout(20)
        it.connect(service.admin + ".upgrade")
        with contextlib.suppress(BrokenPipeError):      # who may not is answered before a word
            it.send(packet)
        try:
            return it.recv(65536)
        except ConnectionResetError:    # it has gone without reading ours; what it said is still there
            return it.recv(65536)


HELLO = b"SPHO\x01\x01\x01\x00\x03new\x02"


def test_an_account_of_its_own_may_and_root_may_not(sallyport, pg, pki, secret):
    """No capability shows it who asks: the successor lets itself be looked at, and no longer than that."""
    require(shutil.which("setpriv"), "setpriv")
    service = Upgradable(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")
    inside = as_account(sallyport, "postgres")
    require(subprocess.run([*inside, binary(), "--version"], capture_output=True).returncode == 0,
            "a build that every account may run")
    service.start(inside=inside)
    assert service.successor().wait().code == 2, "root obeys no file of another account"
    assert b"uid 0 may not take over from uid" in ask(service, HELLO)
    new = service.successor(inside=inside)
    new.until("took over from another Sallyport")
    assert service.run.wait(30).code == 0
    assert os.stat(f"/proc/{new.pid}/environ").st_uid == 0, "the kernel shows it to root alone again"
    service.run = new
    assert service.psql("SELECT 'own'").stdout == "own\n"
    service.stop()


def test_a_process_that_is_no_sallyport(service):
    service.start()
    file = service.config.encode()
    answer = ask(service, HELLO + len(file).to_bytes(2, "big") + file)
    assert answer.startswith(b"SPHO\x01\x03") and b"runs another program" in answer
    goes_on(service, "denied")


@pytest.mark.parametrize("packet", [b"GET / HTTP/1.1\r\n\r\n", b"SPHO\x01\x07", b"SPHO\x02\x01", b"x" * 40000])
def test_what_nobody_of_ours_says(service, packet):
    service.start()
    assert ask(service, packet) == b""
    goes_on(service, "failed")


def test_whoever_says_nothing_keeps_nobody_from_being_served(service):
    service.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(service.admin + ".upgrade")
        assert service.psql("SELECT 'meanwhile'").stdout == "meanwhile\n"
        service.run.process.send_signal(signal.SIGTERM)     # nor from being stopped
        assert service.run.wait(10).code == 0


def test_killed_at_any_moment_before_it_serves(service):
    service.start()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    killed = 0
    with Connecting(service) as clients:
        started = time.monotonic()
        new = service.successor()
        new.until("took over from another Sallyport")
        usual = time.monotonic() - started
        new.until('"serving"')
        service.run = new
        for attempt in range(12):
            new = service.successor()
            time.sleep(usual * (attempt + chance.random()) / 12)
            new.process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)             # what it has said before is heard
            if "handed over" in service.run.output:
                new.process.send_signal(signal.SIGCONT)
                new.until('"serving"')
                service.run = new       # it was too quick for us
                continue
            new.process.kill()
            new.wait()
            killed += 1
        clients.more()
    assert not clients.failures, clients.failures[:5]
    assert killed
    goes_on(service)


# A password that comes when the file says so: until then the successor has not said that it serves.
PROGRAM = """#!/bin/sh
while [ -e {folder}/home/hold ]; do sleep 0.1; done
[ ! -e {folder}/home/fail ] || exit 1
printf '{{"user": "app", "password": "%s"}}' "$(cat {folder}/home/password)"
"""


@pytest.fixture
def slow(sallyport, pg, pki, secret):
    sallyport.secret_file(secret)
    program = os.path.join(sallyport.folder, "home", "program")
    with open(program, "w", encoding="utf-8") as file:
        file.write(PROGRAM.format(folder=sallyport.folder))
    os.chmod(program, 0o700)
    it = Upgradable(sallyport, pg, pki, f"exec:{program}", user=None)
    it.hold, it.fail = (os.path.join(sallyport.folder, "home", name) for name in ("hold", "fail"))
    it.start()
    assert it.psql("SELECT 'first'").stdout == "first\n"
    return it


def touch(path):
    with open(path, "w", encoding="utf-8"):
        pass


def holds_sockets(run):
    """It has been given the sockets."""
    def look():
        links = [os.readlink(f"/proc/{run.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{run.pid}/fd")]
        return sum(link.startswith("socket:") for link in links) > 5
    wait_for(look, "the successor to have the sockets", 20)
    time.sleep(0.5)


def test_killed_with_the_sockets_in_its_hands(slow):
    touch(slow.hold)
    with Connecting(slow) as clients:
        new = slow.successor()
        holds_sockets(new)
        clients.more(20)
        new.process.kill()
        new.wait()
        slow.run.until("a take-over did not come about")
        clients.more(20)
    assert not clients.failures, clients.failures[:5]
    os.unlink(slow.hold)
    goes_on(slow, "failed")


def test_a_credential_that_only_the_old_one_has(slow):
    """While its source is away the old one goes on serving, with what it has."""
    touch(slow.fail)
    run = slow.successor().wait(60)
    assert run.code == 2 and "its credential cannot be fetched, and the Sallyport that runs has one" in run.output
    os.unlink(slow.fail)
    goes_on(slow, "failed")


def test_stopped_while_another_would_take_over(slow):
    touch(slow.hold)
    new = slow.successor()
    holds_sockets(new)
    slow.run.process.send_signal(signal.SIGTERM)
    assert slow.run.wait(20).code == 0
    os.unlink(slow.hold)
    assert new.wait(60).code == 2, "who was asked to stop leaves nothing to its successor"
    assert os.listdir(slow.directory) == []
    slow.start()
    assert slow.psql("SELECT 'again'").stdout == "again\n"
    slow.stop()
