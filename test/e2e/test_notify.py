"""`serve` as a systemd unit of Type=notify: what it tells the manager, in the manager's own words."""

import os
import re
import signal
import socket
import time

import pytest

from conftest import require
from harness.frozen import frozen
from harness.service import Service


@pytest.fixture
def manager(sallyport):
    """The manager's end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as it:
        it.bind(os.path.join(sallyport.folder, "notify"))
        it.settimeout(20)
        yield it


def heard(manager):
    """One message, but for the words for people and the sign of life."""
    while True:
        lines = [line for line in manager.recv(4096).decode().splitlines() if not line.startswith("STATUS=")]
        if lines != ["WATCHDOG=1"]:
            return lines


def heard_no_more(manager):
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)
    manager.settimeout(20)


@pytest.fixture
def service(sallyport, pg, pki, secret):
    return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")


def reload_of(manager, service):
    """The manager is told when the reload began, on the clock that it shares with us."""
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    taken = service.reload()
    began = heard(manager)
    assert began[0] == "RELOADING=1" and len(began) == 2
    at = int(re.fullmatch(r"MONOTONIC_USEC=(\d+)", began[1]).group(1))
    assert before <= at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert heard(manager) == ["READY=1"]
    return taken


def test_the_manager_hears_of_start_reload_and_stop(service, manager):
    service.start(env={"NOTIFY_SOCKET": manager.getsockname()})
    assert heard(manager) == ["READY=1"]
    assert service.psql("SELECT 'ready'").stdout == "ready\n", "ready is not said before clients are served"
    heard_no_more(manager)
    assert reload_of(manager, service)
    service.rewrite("audit:", "audti:")
    assert not reload_of(manager, service), "a reload that changes nothing ends as well"
    with service.psycopg(autocommit=True) as live:
        live.execute("SELECT 1")
        service.run.process.send_signal(signal.SIGTERM)
        assert heard(manager) == ["STOPPING=1"], "said when it begins, while a session is still live"
        assert live.execute("SELECT 'still'").fetchone() == ("still",)
    assert service.run.wait(20).code == 0
    heard_no_more(manager)


def test_an_abstract_socket_is_reached(service):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")        # the kernel chooses an abstract name
        manager.settimeout(20)
        name = "@" + manager.getsockname()[1:].decode()
        service.start(env={"NOTIFY_SOCKET": name})
        assert heard(manager) == ["READY=1"]
    assert service.stop().code == 0


def test_a_start_that_fails_is_never_ready(service, manager, sallyport):
    service.rewrite("audit:", "audti:")
    assert sallyport.run("serve", "-c", service.config, env={"NOTIFY_SOCKET": manager.getsockname()}).code == 2
    heard_no_more(manager)


def test_a_manager_that_is_gone_holds_up_nobody(service, sallyport):
    service.start(env={"NOTIFY_SOCKET": os.path.join(sallyport.folder, "nobody")})
    assert service.psql("SELECT 'in'").stdout == "in\n"
    assert service.stop().code == 0


def signs_of_life(manager, seconds):
    """How many come in that time."""
    count, until = 0, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            count += manager.recv(4096) == b"WATCHDOG=1"
        except TimeoutError:
            break
    manager.settimeout(20)
    return count


@pytest.mark.parametrize("loop", ["relay", "login"])
def test_the_watchdog_hears_of_us_only_while_the_loops_turn(service, manager, loop):
    service.start(env={"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"})
    service.run.until("serving")
    assert signs_of_life(manager, 2) >= 3
    with frozen(service.run.pid, loop) as still:
        require(still, "the right to trace a process")
        signs_of_life(manager, 0.3)     # one may have been on its way
        assert signs_of_life(manager, 1.5) == 0
    assert signs_of_life(manager, 2) >= 3
    service.stop()


def test_a_watchdog_of_another_process_is_not_ours(service, manager):
    service.start(env={"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"})
    service.run.until("serving")
    assert signs_of_life(manager, 1) == 0
    service.stop()


def test_the_manager_is_told_in_words(service, manager):
    service.start(env={"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(4096) == b"READY=1\nSTATUS=serving 1 targets by 1 routes"
    service.stop()
