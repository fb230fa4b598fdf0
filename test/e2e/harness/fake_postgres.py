"""A hostile server with a valid certificate: it does one wrong thing, and remembers every byte it was sent."""

import base64
import os
import socket
import ssl
import struct
import threading

from . import canary
from .processes import free_port


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def authentication(code, body=b""):
    return message(b"R", struct.pack("!I", code) + body)


OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
READY = message(b"K", struct.pack("!II", 1, 2)) + message(b"Z", b"I")


class FakePostgres:
    """with FakePostgres(pki, "ask_cleartext") as server: … ; behaviours are the methods below."""

    def __init__(self, pki, behaviour, certificate="good"):
        self.port = free_port()
        self.received = b""
        self.connections = 0
        self.reached_ready = False
        self.reached_proof = False
        self._behaviour = getattr(self, behaviour)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = pki.leaf(certificate)
        self._context.load_cert_chain(leaf.certificate, leaf.key)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def assert_never_received(self, secret):
        assert canary.search(secret, self.received) == []

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(10)
        try:
            with connection:
                self._behaviour(connection)
        except (OSError, ValueError):
            pass

    def _receive(self, connection, count):
        data = b""
        while len(data) < count:
            more = connection.recv(count - len(data))
            if not more:
                raise OSError("closed")
            self.received += more
            data += more
        return data

    def _startup(self, plain):
        """SSLRequest, TLS, start-up packet: the secured connection."""
        self._receive(plain, 8)
        plain.sendall(b"S")
        secured = self._context.wrap_socket(plain, server_side=True)
        length, = struct.unpack("!I", self._receive(secured, 4))
        self._receive(secured, length - 4)
        return secured

    def _read_message(self, connection):
        kind, length = struct.unpack("!cI", self._receive(connection, 5))
        return kind, self._receive(connection, length - 4)

    def _wait_for_more(self, connection):
        """Reads what the client still says, and notices a client that carries on as if logged in."""
        try:
            while True:
                kind, _ = self._read_message(connection)
                if kind in (b"Q", b"P"):
                    self.reached_ready = True
        except OSError:
            pass

    # -- behaviours --------------------------------------------------------------------------------

    def ask_cleartext(self, plain):
        secured = self._startup(plain)
        secured.sendall(authentication(CLEARTEXT))
        self._wait_for_more(secured)

    def ask_md5(self, plain):
        secured = self._startup(plain)
        secured.sendall(authentication(MD5, b"salt"))
        self._wait_for_more(secured)

    def ok_at_once(self, plain):
        secured = self._startup(plain)
        secured.sendall(authentication(OK) + READY)
        self._wait_for_more(secured)

    def _scram_up_to_final(self, plain):
        secured = self._startup(plain)
        secured.sendall(authentication(SASL, b"SCRAM-SHA-256\0\0"))
        _, body = self._read_message(secured)
        nonce = body.split(b",r=", 1)[1].split(b",")[0]
        first = b"r=" + nonce + base64.b64encode(os.urandom(18)) + b",s=" + base64.b64encode(b"0123456789abcdef") + b",i=4096"
        secured.sendall(authentication(SASL_CONTINUE, first))
        self._read_message(secured)
        return secured

    def wrong_server_signature(self, plain):
        secured = self._scram_up_to_final(plain)
        secured.sendall(authentication(SASL_FINAL, b"v=" + base64.b64encode(b"x" * 32)) + authentication(OK) + READY)
        self._wait_for_more(secured)

    def skip_server_final(self, plain):
        secured = self._scram_up_to_final(plain)
        secured.sendall(authentication(OK) + READY)
        self._wait_for_more(secured)

    def bytes_before_tls(self, plain):
        self._receive(plain, 8)
        plain.sendall(b"S" + authentication(CLEARTEXT))
        secured = self._context.wrap_socket(plain, server_side=True)
        self._wait_for_more(secured)

    def garbage_after_tls(self, plain):
        secured = self._startup(plain)
        secured.sendall(os.urandom(4096))
        self._wait_for_more(secured)

    def huge_length(self, plain):
        secured = self._startup(plain)
        secured.sendall(b"R\x7f\xff\xff\xff" + b"\0" * 65536)
        self._wait_for_more(secured)

    def close_at_once(self, plain):
        plain.shutdown(socket.SHUT_RDWR)

    def silent(self, plain):
        """Takes the connection and never says a word."""
        self._wait_for_more(plain)

    def stop_inside_scram(self, plain):
        """Leaves the client waiting for the server's proof."""
        secured = self._scram_up_to_final(plain)
        self.reached_proof = True
        self._wait_for_more(secured)

    def error_then_garbage(self, plain):
        secured = self._startup(plain)
        secured.sendall(message(b"E", b"SFATAL\0C53300\0Mno room\0\0") + os.urandom(64))
        self._wait_for_more(secured)
