"""A broker that has few file descriptors, or none left: who is there goes on, nothing spins, the log says it once, and others
are served once some have gone (threat 17)."""

import contextlib
import os
import resource
import socket
import time

import pytest

from harness.processes import cpu_seconds, wait_for
from harness.raw_client import RawClient

NONE_LEFT, TOO_MANY = "nobody can be accepted now", "clients were refused: there are as many as may be"
both_modes = pytest.mark.parametrize("mode", ["session", "transaction"])


@contextlib.contextmanager
def silent_clients(it, count):
    """Connected, as far as the kernel goes."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.settimeout(5)
            one.connect(it.socket)
        yield


def assert_no_spinning(it):
    before = cpu_seconds(it.run.pid)
    time.sleep(2)
    used = cpu_seconds(it.run.pid) - before
    assert used < 0.5, f"{used} s of 2 s"


def assert_serves_again(it):
    def serves():
        with contextlib.suppress(AssertionError, OSError), RawClient.of(it) as client:
            return client.one("SELECT 3") == "3"
    wait_for(serves, "a new client to be served", 10)


@both_modes
def test_without_descriptors_it_waits_and_then_serves_those_who_waited(pooled, mode):
    it = pooled(mode, "max: 2, min_ready: 1")
    with RawClient.of(it) as served:
        assert served.one("SELECT 1") == "1"
        # It counts on half of what it had at its start: this is what somebody else took away since.
        left = len(os.listdir(f"/proc/{it.run.pid}/fd")) + 30
        resource.prlimit(it.run.pid, resource.RLIMIT_NOFILE, (left, left))
        with silent_clients(it, 60):
            wait_for(lambda: NONE_LEFT in it.run.output, "it to say that there is no descriptor")
            assert_no_spinning(it)
            assert served.one("SELECT 2") == "2"
            assert it.run.output.count(NONE_LEFT) == 1 and "Too many open files" in it.run.output
        assert_serves_again(it)


@both_modes
def test_clients_beyond_what_a_low_limit_allows_are_closed(pooled, mode):
    it = pooled(mode, "max: 2, min_ready: 1", descriptors=128)
    with RawClient.of(it) as served:
        assert served.one("SELECT 1") == "1"
        with silent_clients(it, 128):
            wait_for(lambda: TOO_MANY in it.run.output, "it to say that there are too many")
            assert_no_spinning(it)
            assert served.one("SELECT 2") == "2"
            assert NONE_LEFT not in it.run.output
        assert_serves_again(it)
