"""A cancel that its sender has given up may still arrive (threat 16): at a session that it was not meant for, unless the
server connection has been kept from everybody else."""

import contextlib
import socket
import threading
import time

import pytest

from harness.processes import wait_for
from harness.raw_client import RawClient, error, query, rows


class CancelProxy:
    """In front of a server. What begins while `treat` is set carries a cancel: it is "refused" before TLS, or its
    CancelRequest is "held" for so many `seconds`, or likewise and its sender's connection "cut" at once."""

    def __init__(self, server):
        self._server, self.treat, self.seconds = server, None, 0
        self.delivered = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __getattr__(self, name):
        return getattr(self._server, name)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.treat == "refused":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._server.port))
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()
            threading.Thread(target=self._up, args=(client, server, self.treat), daemon=True).start()

    def _down(self, server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    def _up(self, client, server, treat):
        with contextlib.suppress(OSError):
            if treat:
                self._deliver_late(client, server, treat)
            while data := client.recv(65536):
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _deliver_late(self, client, server, treat):
        """TLS 1.3 hides what a record is, but not how long: 16 bytes of a CancelRequest, and 17 of its own."""
        server.sendall(self._exactly(client, 8))        # SSLRequest
        while not self.delivered.is_set():
            header = self._exactly(client, 5)
            record = header + self._exactly(client, int.from_bytes(header[3:], "big"))
            if header[0] == 23 and len(record) == 5 + 16 + 17:
                if treat == "cut":
                    client.shutdown(socket.SHUT_RDWR)
                time.sleep(self.seconds)
                self.delivered.set()
            server.sendall(record)

    @staticmethod
    def _exactly(source, count):
        data = b""
        while len(data) < count:
            more = source.recv(count - len(data))
            if not more:
                raise OSError("closed")
            data += more
        return data


@pytest.fixture
def proxy(pg):
    it = CancelProxy(pg)
    yield it
    it.close()


def server_pids(pg):
    return [pid for pid, in pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'app'")]


def cancel_in_vain(it, proxy, owner, treat, seconds=0):
    """The owner's query is over before its cancel has arrived."""
    proxy.treat, proxy.seconds = treat, seconds
    owner.send(query("SELECT 'whole' FROM pg_sleep(1)"))
    time.sleep(0.3)
    canceller = threading.Thread(target=owner.cancel, args=(it.socket,), daemon=True)
    canceller.start()
    assert rows(owner.until_ready()) == [("whole",)]
    return canceller


@pytest.mark.parametrize("mode, treat, late, waits", [("transaction", "cut", 3, 0), ("session", "cut", 3, 0),
                                                      ("transaction", "held", 13, 10), ("session", "held", 13, 10)])
def test_a_late_cancel_hits_nobody_else(pooled, pg, proxy, mode, treat, late, waits):
    it = pooled(mode, "max: 1, wait_max: 60s", server=proxy)
    with RawClient.of(it) as owner:
        assert owner.one("SELECT 1") == "1"
        before = server_pids(pg)
        cancel_in_vain(it, proxy, owner, treat, late)
        proxy.treat = None
        if mode == "session":
            owner.close()
        began = time.monotonic()
        with RawClient.of(it) as other:
            other.socket.settimeout(60)
            answer = other.ask(query("SELECT 'spared' FROM pg_sleep(5)"))
            assert rows(answer) == [("spared",)], answer
            assert proxy.delivered.is_set(), "while the other one's query ran"
            assert time.monotonic() - began > waits - 2
            assert not set(before) & set(server_pids(pg)), "the connection that was meant is closed"


def test_its_own_session_keeps_the_connection_in_session_pooling(pooled, pg, proxy):
    it = pooled("session", "max: 1", server=proxy)
    with RawClient.of(it) as owner:
        assert owner.one("SELECT 1") == "1"
        before = server_pids(pg)
        cancel_in_vain(it, proxy, owner, "cut", 2)
        assert error(owner.ask(query("SELECT pg_sleep(5)"))) == "57014", "as directly"
        assert owner.one("SELECT 'goes on'") == "goes on" and server_pids(pg) == before
    wait_for(lambda: not set(before) & set(server_pids(pg)), "the connection to be closed")


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("treat", ["refused", None])
def test_a_cancel_that_was_taken_or_never_left_costs_no_connection(pooled, pg, proxy, mode, treat):
    it = pooled(mode, "max: 1", server=proxy)
    with RawClient.of(it) as owner:
        assert owner.one("SELECT 1") == "1"
        before = server_pids(pg)
        if treat:
            cancel_in_vain(it, proxy, owner, treat).join(20)
        else:
            owner.send(query("SELECT pg_sleep(20)"))
            time.sleep(0.3)
            owner.cancel(it.socket)
            assert error(owner.until_ready()) == "57014"
    with RawClient.of(it) as other:
        assert other.one("SELECT 1") == "1"
    assert len(before) == 1 and server_pids(pg) == before
