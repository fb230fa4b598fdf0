"""OpenBao as the network sometimes has it: a TLS proxy in front of it that can be away, slow or talk nonsense."""

import contextlib
import http.client
import http.server
import socket
import ssl
import struct
import threading
import time
import urllib.parse

from .processes import free_port


GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n<html>\x00\xff{{{"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        owner.asked_in_fault += owner.faulty
        time.sleep(owner.delay)
        if owner.garbage:
            self.wfile.write(owner.garbage)
            self.close_connection = True
            return
        bao = urllib.parse.urlsplit(owner.bao.address)
        onward = http.client.HTTPSConnection(bao.hostname, bao.port, timeout=20,
                                             context=ssl.create_default_context(cafile=owner.bao.ca))
        onward.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.startswith("X-Vault-")})
        reply = onward.getresponse()
        data = reply.read()
        onward.close()
        owner.replies.append((time.time(), self.path, reply.status))
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_LIST = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        """In the connection's own thread: a client that shakes no hands keeps no other waiting."""
        if self.owner.resets:
            self.owner.asked_in_fault += 1
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        try:
            with self.owner.context.wrap_socket(request, server_side=True) as secured:
                with self.owner.track(secured):
                    super().finish_request(secured, client_address)
        except OSError:
            pass

    def handle_error(self, *_):
        pass


class ManagerProxy:
    """with ManagerProxy(bao, pki) as proxy: … proxy.fault("down") … proxy.mend()

    Faults: "down" refuses connections, "reset" takes and resets them, "slow" answers late, "garbage" answers nonsense.
    """

    def __init__(self, bao, pki):
        self.bao, self.port = bao, free_port()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki.leaf("good").certificate, pki.leaf("good").key)
        self.environment = {"VAULT_ADDR": f"https://localhost:{self.port}", "VAULT_CACERT": pki.ca}
        self.replies = []       # of OpenBao: (time when it was about to be handed on, path, status)
        self.asked_in_fault = 0
        self._live = set()
        self._server = None
        self.mend()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close()

    def fault(self, kind):
        self.faulty, self.resets = True, kind == "reset"
        self.delay = 2 if kind == "slow" else 0
        self.garbage = GARBAGE if kind == "garbage" else b""
        if kind == "down":
            self._close()
        else:
            self._end_live()

    def mend(self):
        self.faulty, self.resets, self.delay, self.garbage = False, False, 0, b""
        if self._server is None:
            self._server = Server(("127.0.0.1", self.port), Handler)
            self._server.owner = self
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextlib.contextmanager
    def track(self, connection):
        self._live.add(connection)
        try:
            yield
        finally:
            self._live.discard(connection)

    def _close(self):
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        self._end_live()

    def _end_live(self):
        """Connections that are kept alive know nothing of a fault: the next request takes a new one."""
        for each in list(self._live):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
