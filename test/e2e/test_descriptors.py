"""A broker that has no file descriptor left: it says so, waits without spinning, and serves who waits once others have gone
(threat 17)."""

import contextlib
import socket
import time

import pytest

from harness.processes import cpu_seconds, wait_for
from harness.raw_client import RawClient

TELLS = "nobody can be accepted now"
DESCRIPTORS = 128


@contextlib.contextmanager
def connections(it, count):
    """Clients that are connected, as far as the kernel goes, and say nothing."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_UNIX))
            one.settimeout(5)
            one.connect(it.socket)
            made.append(one)
        yield made


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_without_descriptors_it_waits_and_then_serves_those_who_waited(pooled, mode):
    it = pooled(mode, "max: 2, min_ready: 1", descriptors=DESCRIPTORS)
    with RawClient.of(it) as served:
        assert served.one("SELECT 1") == "1"
        with connections(it, DESCRIPTORS):
            wait_for(lambda: TELLS in it.run.output, "it to say that there is no descriptor")
            before = cpu_seconds(it.run.pid)
            time.sleep(2)
            used = cpu_seconds(it.run.pid) - before
            assert used < 0.5, f"{used} s of 2 s"
            assert served.one("SELECT 2") == "2", "who is there already goes on"
            assert it.run.output.count(TELLS) == 1
            assert "Too many open files" in it.run.output
        with RawClient.of(it) as later:
            assert later.one("SELECT 3") == "3"
    wait_for(lambda: not served_by(it), "the clients to be gone")


def served_by(it):
    """Whether a new client is kept waiting."""
    with contextlib.suppress(AssertionError, OSError), RawClient.of(it) as client:
        return client.one("SELECT 1") != "1"
    return True
