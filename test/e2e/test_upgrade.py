"""A binary upgrade: the new Sallyport takes the sockets of the one that runs, and no client notices (docs/operations.md)."""

import json
import os
import shutil
import socket
import time

import psycopg
import pytest

from conftest import require
from harness.openbao import ApiError
from harness.processes import free_port, wait_for
from harness.raw_client import RawClient, error
from harness.sallyport import binary
from harness.upgrade import Connecting, Upgradable


@pytest.fixture
def service(sallyport, pg, pki, secret):
    return Upgradable(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")


def status_of(service):
    return json.loads(service.admin_command("status", "--format", "json").ok().stdout)


def nobody_noticed(service, clients):
    assert not clients.failures, clients.failures[:5]
    for old in service.older:
        assert old.wait(30).code == 0, old.output
    assert service.psql("SELECT 'served'").stdout == "served\n"


def test_clients_that_connect_all_the_time_do_not_notice_two_upgrades(service):
    service.start()
    with Connecting(service) as clients:
        for _ in range(2):
            service.upgrade()
            clients.more()
    nobody_noticed(service, clients)
    assert service.stop().code == 0
    assert os.listdir(service.directory) == [], "the last one leaves no socket and no lock behind"


def test_sessions_of_the_old_one_go_on_and_end_by_themselves(service, sallyport):
    service.start()
    with service.psycopg(autocommit=True) as live, service.psycopg() as within:
        before = live.info.backend_pid
        within.execute("CREATE TEMPORARY TABLE kept AS SELECT 1 AS one")
        old = service.upgrade()
        assert live.execute("SELECT pg_backend_pid()").fetchone() == (before,)
        assert within.execute("SELECT one FROM kept").fetchone() == (1,)
        assert status_of(service)["process"]["pid"] == service.run.pid, "who commands is heard by the new one"
        time.sleep(1)
        assert old.process.poll() is None
        assert live.execute("SELECT 'still'").fetchone() == ("still",)
    assert old.wait(30).code == 0
    service.stop()
    rows = sallyport.audit("-c", service.config)
    begun = [row["session"] for row in rows if row["kind"] == "session_start"]
    ended = [row["session"] for row in rows if row["kind"] == "session_end"]
    assert len(begun) == 2 and sorted(begun) == sorted(ended)
    taken = [row for row in rows if row["kind"] == "admin" and row["reason"] == "take-over"]
    assert [(row["result"], row["verified"]["uid"]) for row in taken] == [("ok", str(os.geteuid()))]


def test_without_anybody_to_take_over_from_it_starts_as_usual(service):
    service.run = service.successor()
    service.run.until('"serving"')
    assert service.psql("SELECT 'in'").stdout == "in\n"
    assert "no Sallyport runs that could be taken over from" in service.run.output
    assert service.stop().code == 0


def test_all_doors_are_taken_over_and_what_is_no_longer_named_is_closed(service):
    web = free_port()
    service.rewrite('listen: "off"', f'listen: "127.0.0.1:{web}"')
    gone = service.add_route(5433)
    service.start()
    service.rewrite(gone, "")
    service.add_route(5434)
    old = service.upgrade()
    assert old.wait(30).code == 0
    assert service.psql("SELECT 5432").stdout == "5432\n"
    assert service.psql("SELECT 5434", port=5434).stdout == "5434\n"
    assert not os.path.exists(service.socket_of(5433)) and "a socket that the configuration names no more" in service.run.output
    with socket.create_connection(("127.0.0.1", web), 5) as health:
        health.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"200" in health.recv(64)
    service.stop()


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_sockets_of_the_manager_are_taken_over_and_left_to_it(service, again):
    """Socket activation: the old one has its listener from the manager (LISTEN_FDS), the new one from the old one."""
    require(shutil.which("systemd-socket-activate"), "systemd-socket-activate")
    service.run = service.sallyport.start("serve", "-c", service.config, inside=("systemd-socket-activate", "-l", service.socket))
    service.run.until("Listening on")     # the file is there a moment before anybody listens
    inode = os.stat(service.socket).st_ino
    with Connecting(service) as clients:
        for _ in range(2 if again else 1):
            service.upgrade()
            clients.more()
    nobody_noticed(service, clients)
    assert not os.path.exists(service.socket + ".lock"), "the manager's socket needs no lock of ours"
    assert service.stop().code == 0
    assert os.stat(service.socket).st_ino == inode, "it is the manager's to remove"


def test_the_locks_name_the_one_that_serves(service, sallyport):
    service.start()
    service.upgrade().wait(30)
    second = sallyport.run("serve", "-c", service.config)
    assert second.code == 2 and f"is in use by pid {service.run.pid}" in second.output
    assert service.psql("SELECT 'in'").stdout == "in\n"
    service.stop()


def test_a_package_that_replaces_the_binary_is_what_takes_over(service, sallyport, monkeypatch):
    folder = os.path.join(sallyport.folder, "bin")
    os.makedirs(folder)
    program = os.path.join(folder, "sallyport")
    shutil.copy(binary(), program)
    monkeypatch.setenv("SALLYPORT_BUILD", folder)
    service.start()
    shutil.copy(program, program + ".new")
    os.rename(program + ".new", program)
    assert os.readlink(f"/proc/{service.run.pid}/exe").endswith("(deleted)")
    assert service.upgrade().wait(30).code == 0
    assert service.psql("SELECT 'new'").stdout == "new\n"
    service.stop()


def test_a_link_that_leads_to_the_next_version_is_followed(service, sallyport, monkeypatch):
    versions = [os.path.join(sallyport.folder, name) for name in ("v1", "v2")]
    for version in versions:
        os.makedirs(version)
        shutil.copy(binary(), version)
    current = os.path.join(sallyport.folder, "current")
    os.makedirs(current)
    os.symlink(os.path.join(versions[0], "sallyport"), os.path.join(current, "sallyport"))
    monkeypatch.setenv("SALLYPORT_BUILD", current)
    service.start()
    os.symlink(os.path.join(versions[1], "sallyport"), os.path.join(current, "next"))
    os.rename(os.path.join(current, "next"), os.path.join(current, "sallyport"))
    assert service.upgrade().wait(30).code == 0
    assert os.readlink(f"/proc/{service.run.pid}/exe") == os.path.join(versions[1], "sallyport")
    service.stop()


def test_what_is_paused_stays_paused(service):
    service.rewrite('tls: {roots', 'pool: {wait_max: 1s}\n    tls: {roots')
    service.start()
    service.admin_command("pause", "main").ok()
    service.upgrade().wait(30)
    assert service.psql("SELECT 1").returncode == 2
    service.admin_command("resume", "main").ok()
    assert service.psql("SELECT 1").stdout == "1\n"
    service.stop()


def ended(connection):
    try:
        connection.execute("SELECT 1")
        return False
    except psycopg.Error:
        return True


def test_a_policy_that_comes_after_the_upgrade_ends_sessions_of_the_old_one_too(service):
    """threat 14: whom the new policy refuses does not stay by having come before the upgrade."""
    service.start()
    with service.psycopg(autocommit=True) as live:
        service.upgrade()
        service.upgrade()
        live.execute("SELECT 1")
        service.rewrite("allow: [{user: root}]", "allow: [{user: postgres}]")
        assert service.reload()
        wait_for(lambda: ended(live), "the session to be ended", 30)
    for old in service.older:
        assert old.wait(30).code == 0
    service.stop()


def lookups(bao, role):
    try:
        return set(bao.leases(role))
    except ApiError:
        return set()


@pytest.mark.parametrize("how", ["by itself", "killed"])
def test_leases_of_the_old_one_live_as_long_as_its_sessions(sallyport, pg, pki, bao, how):
    bao.role("upgraded", ttl="10m", max_ttl="1h")
    service = Upgradable(sallyport, pg, pki, "vault:database/creds/upgraded", user=None,
                         extra_target="    run_as: app_owner")
    env = bao.environment(bao.token())
    service.start(env=env)
    with service.psycopg(autocommit=True) as live:
        live.execute("SELECT 1")
        first = lookups(bao, "upgraded")
        assert len(first) == 1
        old = service.upgrade(env)
        both = lookups(bao, "upgraded")
        assert first < both and len(both) == 2, "each has a credential of its own"
        time.sleep(2)
        assert lookups(bao, "upgraded") == both and live.execute("SELECT 'in'").fetchone() == ("in",)
        if how == "killed":
            old.process.kill()
            old.wait()
            wait_for(lambda: lookups(bao, "upgraded") == both - first, "the successor to end what was left", 40)
    old.wait(30)
    wait_for(lambda: lookups(bao, "upgraded") == both - first, "the old one's lease to end", 30)
    assert service.psql("SELECT 'out'").stdout == "out\n"
    service.stop()
    wait_for(lambda: not lookups(bao, "upgraded"), "the new one's lease to end", 30)


def test_the_managers_hear_who_stops_and_who_is_ready(service, sallyport):
    ears = []
    for name in ("first", "second"):
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ear.bind(os.path.join(sallyport.folder, name))
        ear.settimeout(20)
        ears.append(ear)
    first, second = ears
    service.start(env={"NOTIFY_SOCKET": first.getsockname()})
    assert first.recv(4096).startswith(b"READY=1\n")
    with service.psycopg(autocommit=True) as live:
        old = service.upgrade(env={"NOTIFY_SOCKET": second.getsockname()})
        assert first.recv(4096) == b"STATUS=handed over: sessions end by themselves", \
            "not STOPPING: systemd would kill it TimeoutStopSec later"
        assert second.recv(4096) == b"READY=1\nSTATUS=serving 1 targets by 1 routes"
        assert live.execute("SELECT 'still'").fetchone() == ("still",)
    assert old.wait(30).code == 0
    service.stop()
    assert second.recv(4096).startswith(b"STOPPING=1\n")
    for ear in ears:
        ear.close()


def test_transaction_pooling_goes_on_in_both(service):
    service.rewrite('tls: {roots', 'pool: {mode: transaction, min_ready: 2}\n    tls: {roots')
    service.start()
    with service.psycopg(autocommit=True, prepare_threshold=1) as live, Connecting(service) as clients:
        for number in range(5):
            assert live.execute("SELECT %s::int", (number,)).fetchone() == (number,)
        old = service.upgrade()
        for number in range(50):
            assert live.execute("SELECT %s::int", (number,)).fetchone() == (number,)
            time.sleep(0.02)
        clients.more()
    assert not clients.failures, clients.failures[:5]
    assert old.wait(30).code == 0
    service.stop()


def last_word(connection):
    """Of a session that ends: the SQLSTATE."""
    try:
        connection.execute("SELECT 1")
    except psycopg.Error as error:
        return error.sqlstate or "closed"
    return None


def test_sessions_of_several_old_ones_go_on_until_the_drain_limit(service):
    """The limit is the configuration's as it is now, for each from its own handover on; nothing else forces an end."""
    service.rewrite("audit: {", "upgrade: {drain_max: 30 days}\naudit: {")
    service.start()
    with service.psycopg(autocommit=True) as first:
        service.upgrade()
        with service.psycopg(autocommit=True) as second, service.psycopg() as within:
            service.upgrade()
            within.execute("SELECT 1")
            assert [last_word(live) for live in (first, second)] == [None, None]
            service.rewrite("drain_max: 30 days", "drain_max: 2s")
            assert service.reload()
            for live in (first, second):
                wait_for(lambda live=live: last_word(live), "the session to end", 20)
            for old in service.older:
                assert old.wait(30).code == 0, old.output
                assert "their time is up" in old.output
            assert last_word(within) is not None, "one that has no boundary is ended within seconds"
    assert service.psql("SELECT 'in'").stdout == "in\n"
    service.stop()


def test_at_the_drain_limit_a_session_is_told_why_it_ends(service):
    service.rewrite("audit: {", "upgrade: {drain_max: 2s}\naudit: {")
    service.start()
    with RawClient.of(service) as live:
        old = service.upgrade()
        assert error(live.until("E")) == "57P01" and live.receive() is None
        assert old.wait(30).code == 0, old.output
    service.stop()


def test_the_old_one_that_is_asked_to_stop_waits_for_its_sessions_once_and_not_twice(service):
    service.start()
    with service.psycopg(autocommit=True) as live:
        old = service.upgrade()
        old.process.terminate()
        time.sleep(1)
        assert old.process.poll() is None and last_word(live) is None
        old.process.terminate()
        assert old.wait(20).code == 0
    service.stop()
