"""An LDAP server that knows one thing, the simple bind (RFC 4511 4.2), and asks the test whether it is good: so a real PostgreSQL
(`ldap` in pg_hba.conf) checks tokens as the clouds' servers do. pam_exec would cut them off."""

import socketserver
import threading

BIND, BIND_RESPONSE, UNBIND = 0x60, 0x61, 0x42
SUCCESS, PROTOCOL_ERROR, INVALID_CREDENTIALS = 0, 2, 49


def length_of(data, at):
    """BER's length at `at`, and where its content begins."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    return int.from_bytes(data[at + 1:at + 1 + count], "big"), at + 1 + count


def element(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def take(data, at=0):
    """(tag, content, where the next element begins)"""
    size, start = length_of(data, at + 1)
    return data[at], data[start:start + size], start + size


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 256


class LdapServer:
    """`check(dn, password)` says whether it is good. `binds`: (dn, length of the password, answer) of each."""

    def __init__(self, check):
        self.check, self.binds = check, []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                outer._serve(self.request)
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def _message(connection):
        """One whole LDAPMessage; empty at the end."""
        data = b""
        while True:
            if len(data) >= 6:
                size, start = length_of(data, 1)
                if len(data) >= start + size:
                    return data[:start + size]
            more = connection.recv(65536)
            if not more:
                return b""
            data += more

    def _serve(self, connection):
        while message := self._message(connection):
            _, content, _ = take(message)
            _, number, at = take(content)
            tag, operation, _ = take(content, at)
            if tag == UNBIND:
                return
            if tag != BIND:
                connection.sendall(self._answer(number, PROTOCOL_ERROR))
                return
            _, _, at = take(operation)
            _, dn, at = take(operation, at)
            kind, password, _ = take(operation, at)
            good = kind == 0x80 and self.check(dn.decode(), password.decode(errors="replace"))
            self.binds.append((dn.decode(), len(password), good))
            connection.sendall(self._answer(number, SUCCESS if good else INVALID_CREDENTIALS))

    @staticmethod
    def _answer(number, result):
        body = element(0x0A, bytes([result])) + element(0x04, b"") + element(0x04, b"")
        return element(0x30, element(0x02, number) + element(BIND_RESPONSE, body))
