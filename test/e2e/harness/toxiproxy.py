"""A network that misbehaves when told to: Shopify's toxiproxy between the broker and a server.

Built once by the Go toolchain into the cache outside the tree; where there is none, the tests are skipped in plain sight."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from .processes import die_with_parent, free_port, stop, wait_for

MODULE, VERSION = "github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0"


def program():
    """Its path; None: it cannot be had here."""
    cache = os.path.join(os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport")), "toxiproxy")
    path = os.path.join(cache, VERSION, "server")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # a run of another clone builds it, too
        if not os.path.exists(path) and shutil.which("go"):
            subprocess.run(["go", "install", f"{MODULE}@{VERSION}"], capture_output=True, timeout=600, cwd=cache, check=False,
                           env={**os.environ, "GOBIN": os.path.dirname(path), "GOFLAGS": "-buildvcs=false"})
    return path if os.access(path, os.X_OK) else None


class Link:
    """One way through: to connect to, and to spoil."""

    def __init__(self, toxiproxy, name, port):
        self._toxiproxy, self.name, self.port = toxiproxy, name, port
        self._toxics = 0

    def add(self, kind, stream="downstream", **attributes):
        """`kind`: latency, slicer, limit_data, reset_peer, timeout, bandwidth; downstream is from the server to the broker. Holds
        for the connections that are open, too. Returns its name."""
        self._toxics += 1
        name = f"{kind}-{self._toxics}"
        self._toxiproxy.call("POST", f"/proxies/{self.name}/toxics",
                             {"name": name, "type": kind, "stream": stream, "attributes": attributes})
        return name

    def clear(self):
        for toxic in self._toxiproxy.call("GET", f"/proxies/{self.name}/toxics"):
            self._toxiproxy.call("DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")

    @contextlib.contextmanager
    def stalled(self):
        """Nothing arrives in either direction, nothing is lost, and nobody is told."""
        for stream in ("upstream", "downstream"):
            self.add("latency", stream, latency=3_600_000)
        try:
            yield
        finally:
            self.clear()

    @contextlib.contextmanager
    def down(self):
        """Connections are cut, and refused."""
        self._toxiproxy.call("POST", f"/proxies/{self.name}", {"enabled": False})
        try:
            yield
        finally:
            self._toxiproxy.call("POST", f"/proxies/{self.name}", {"enabled": True})

    def close(self):
        self._toxiproxy.call("DELETE", f"/proxies/{self.name}")


class Toxiproxy:
    def __init__(self):
        self._port, self._links = free_port(), 0
        self.process = subprocess.Popen([program(), "-host", "127.0.0.1", "-port", str(self._port)], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGTERM))
        wait_for(self._answers, "toxiproxy to answer")

    def close(self):
        stop(self.process)

    def link(self, server):
        """To a server on 127.0.0.1."""
        self._links += 1
        name, port = f"link-{self._links}", free_port()
        self.call("POST", "/proxies", {"name": name, "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{server.port}",
                                       "enabled": True})
        return Link(self, name, port)

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"toxiproxy: {method} {path}: {error.code} {error.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None

    def _answers(self):
        try:
            return self.call("GET", "/proxies") is not None
        except OSError:
            return False
