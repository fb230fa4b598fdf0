"""A client that speaks PostgreSQL's protocol message by message, for what no driver can be made to do.

    it = RawClient.of(service)
    it.send(parse("s", "SELECT 1"), sync())
    assert kinds(it.until_ready()) == "1Z"
"""

import socket
import struct

SECONDS = 20


def frame(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def text(value):
    """`value`: bytes, too, where they are no UTF-8."""
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def query(sql):
    return frame("Q", text(sql))


def parse(name, sql, *types):
    return frame("P", text(name) + text(sql) + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(name, *values, portal=""):
    """Parameters and results as text; None is NULL."""
    body = text(portal) + text(name) + struct.pack("!HH", 0, len(values))
    for value in values:
        data = None if value is None else str(value).encode()
        body += struct.pack("!i", -1) if data is None else struct.pack("!i", len(data)) + data
    return frame("B", body + struct.pack("!H", 0))


def describe(name, what="S"):
    return frame("D", what.encode() + text(name))


def execute(portal="", rows=0):
    return frame("E", text(portal) + struct.pack("!I", rows))


def close(name, what="S"):
    return frame("C", what.encode() + text(name))


def sync():
    return frame("S")


def flush():
    return frame("H")


def copy_data(data):
    return frame("d", data)


def copy_done():
    return frame("c")


def copy_fail(reason):
    return frame("f", text(reason))


def function_call(oid, *values):
    body = struct.pack("!IHH", oid, 0, len(values))
    for value in values:
        data = str(value).encode()
        body += struct.pack("!i", len(data)) + data
    return frame("F", body + struct.pack("!H", 0))


def terminate():
    return frame("X")


PROTOCOL_3_0, PROTOCOL_3_2 = 3 << 16, 3 << 16 | 2
GSSENC_REQUEST, SSL_REQUEST = 80877104, 80877103


class ConnectionEnded(AssertionError):
    """Before what was waited for. A test that expects an end says so."""


class RawClient:
    """`to`: a Unix socket's path, or a connection that exists (of TLS, say). `protocol`: the version asked for. `asks_first`: codes of
    requests before the login, each answered by one byte."""

    def __init__(self, to, user="app", database="app", protocol=PROTOCOL_3_0, asks_first=(), **parameters):
        self.socket = to if isinstance(to, socket.socket) else socket.socket(socket.AF_UNIX)
        self.socket.settimeout(SECONDS)
        if self.socket is not to:
            self.socket.connect(to)
        self._unread = bytearray()
        self.answers = []
        for code in asks_first:
            self.socket.sendall(struct.pack("!II", 8, code))
            self.answers.append(self.socket.recv(1))
        named = {"user": user, "database": database, **parameters}
        body = struct.pack("!I", protocol) + b"".join(text(k) + text(v) for k, v in named.items()) + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        greeting = self.until_ready(or_end=True)
        assert greeting and greeting[-1][0] == "Z", greeting
        self.negotiated = next((negotiation(body) for kind, body in greeting if kind == "v"), None)
        self.parameters = dict(parameter(body) for kind, body in greeting if kind == "S")
        self.pid, self.key = next((struct.unpack("!i", b[:4])[0], b[4:]) for k, b in greeting if k == "K")

    @classmethod
    def of(cls, service, **parameters):
        return cls(service.socket, **parameters)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def receive(self):
        """(kind, body) of the next message; None when the server has closed."""
        while True:
            if len(self._unread) >= 5:
                length = struct.unpack_from("!I", self._unread, 1)[0]
                if len(self._unread) >= length + 1:
                    message = chr(self._unread[0]), bytes(self._unread[5:length + 1])
                    del self._unread[:length + 1]
                    return message
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._unread += data

    def until(self, kind, or_end=False):
        """Messages up to the next of this kind; `or_end`: or up to the end of the connection, whichever comes first."""
        messages = []
        while not messages or messages[-1][0] != kind:
            message = self.receive()
            if message is None:
                if or_end:
                    break
                raise ConnectionEnded(f"the connection ended before a message {kind!r}, behind {messages[-5:]}")
            messages.append(message)
        return messages

    def until_ready(self, count=1, or_end=False):
        return [message for _ in range(count) for message in self.until("Z", or_end)]

    def ask(self, *frames, ready=1, or_end=False):
        """Sends, and returns what is answered up to the last of so many ReadyForQuery."""
        self.send(*frames)
        return self.until_ready(ready, or_end)

    def one(self, sql):
        """The first value of a simple query."""
        messages = self.ask(query(sql))
        assert error(messages) is None, messages
        return rows(messages)[0][0]

    def quiet(self, seconds=0.3):
        """True: nothing arrives for so long."""
        if self._unread:
            return False
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(SECONDS)
        self._unread += data
        return False

    def cancel(self, path):
        """From a connection of its own; returns once the other side has closed it."""
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(SECONDS)
            other.connect(path)
            other.sendall(struct.pack("!IIi", 12 + len(self.key), 80877102, self.pid) + self.key)
            return other.recv(1)

    def shut_down_writing(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


def negotiation(body):
    """Of NegotiateProtocolVersion: the version that is spoken, and the options that are not known."""
    version, count = struct.unpack_from("!II", body)
    options = body[8:].split(b"\0")
    assert len(options) == count + 1 and options[-1] == b"", body
    return version, [option.decode() for option in options[:-1]]


def parameter(body):
    name, value, _ = body.split(b"\0")
    return name.decode(), value.decode()


def kinds(messages, without="SN"):
    """Their letters, in order; ParameterStatus and notices come when they like."""
    return "".join(kind for kind, _ in messages if kind not in without)


def rows(messages):
    found = []
    for kind, body in messages:
        if kind != "D":
            continue
        at, values = 2, []
        for _ in range(struct.unpack_from("!H", body)[0]):
            length = struct.unpack_from("!i", body, at)[0]
            at += 4
            values.append(None if length < 0 else body[at:at + length].decode(errors="replace"))
            at += max(length, 0)
        found.append(tuple(values))
    return found


def fields(body):
    """Of an ErrorResponse or a notice, by letter."""
    return {part[:1].decode(): part[1:].decode(errors="replace") for part in body.split(b"\0") if part}


def errors(messages):
    return [fields(body) for kind, body in messages if kind == "E"]


def error(messages):
    """SQLSTATE of the first error; None: there is none."""
    found = errors(messages)
    return found[0]["C"] if found else None


def tags(messages):
    return [body[:-1].decode() for kind, body in messages if kind == "C"]


def status(messages):
    """'I', 'T' or 'E' of the last ReadyForQuery."""
    return next(body.decode() for kind, body in reversed(messages) if kind == "Z")
