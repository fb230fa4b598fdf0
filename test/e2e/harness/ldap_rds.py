"""RDS' side of a login with an IAM token: PostgreSQL asks an LDAP server (simple bind, which takes a password of any length), and
this one checks the token as RDS does: whose keys signed it, for which endpoint and user, when, and the signature, by botocore's signer.

Also a container's endpoint that gives keys with a short life: each request makes new ones."""

import datetime
import http.server
import json
import secrets
import socketserver
import threading
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials


def hba(ldap_port):
    """The line of pg_hba.conf for the user iam_user."""
    return f'hostssl all iam_user 0.0.0.0/0 ldap ldapserver=127.0.0.1 ldapport={ldap_port} ldapprefix="cn=" ldapsuffix=",dc=rds"\n'


def why_refused(token, user, endpoint, keys, region=None, age_max=900, now=None):
    """None: RDS would let it in. `keys`: id -> (secret, session token, the time at which they end or None)."""
    now = now or time.time()
    if not token.startswith(endpoint + "/?"):
        return f"signed for {token.split('/')[0]}, not for {endpoint}"
    unsigned, _, signature = token.rpartition("&X-Amz-Signature=")
    query = dict(urllib.parse.parse_qsl(token.split("?", 1)[1], keep_blank_values=True))
    if query.get("Action") != "connect" or query.get("DBUser") != user:
        return "another action or user"
    key, date, its_region, service, end = query["X-Amz-Credential"].split("/")
    if service != "rds-db" or end != "aws4_request" or (region and its_region != region):
        return f"of another service or region: {service}, {its_region}"
    if key not in keys:
        return "unknown key"
    secret, session_token, ends = keys[key]
    if (session_token or None) != query.get("X-Amz-Security-Token"):
        return "another session token"
    if ends is not None and now > ends:
        return "its keys have expired"
    stamp = query["X-Amz-Date"]
    made = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    if not stamp.startswith(date) or query["X-Amz-Expires"] != "900" or query["X-Amz-SignedHeaders"] != "host":
        return "malformed"
    if made > now + 300 or now > made + age_max + 1:      # stamped in whole seconds
        return f"made {now - made:.1f} s ago"
    request = botocore.awsrequest.AWSRequest("GET", "https://" + unsigned)
    request.context["timestamp"] = stamp
    signer = botocore.auth.SigV4QueryAuth(botocore.credentials.Credentials(key, secret, session_token), service, its_region, 900)
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return None if wanted == signature else "wrong signature"


class RdsLdap:
    """`endpoint`: host:port that tokens have to be for. `keys`: see why_refused. `tokens` holds those that were shown, `refusals`
    why some were not taken."""

    def __init__(self, endpoint="", keys=None, age_max=900, region=None):
        self.endpoint, self.age_max, self.region = endpoint, age_max, region
        self.keys = keys if keys is not None else {}
        self.tokens, self.refusals, self.binds = set(), [], 0
        ldap = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                _serve(self.request, ldap)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 256
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def check(self, name, password):
        self.binds += 1
        user = name.removeprefix("cn=").removesuffix(",dc=rds")
        self.tokens.add(password)
        reason = why_refused(password, user, self.endpoint, self.keys, self.region, self.age_max)
        if reason:
            self.refusals.append(reason)
        return reason

    def close(self):
        self._server.shutdown()
        self._server.server_close()


# ---- just enough BER ---------------------------------------------------------------------------

def _read(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _message(connection):
    """One whole LDAPMessage: the contents of its SEQUENCE."""
    tag, length = _read(connection, 2)
    assert tag == 0x30
    if length & 0x80:
        length = int.from_bytes(_read(connection, length & 0x7F), "big")
    assert length < 1_000_000
    return _read(connection, length)


def _element(data):
    """(tag, contents, the rest)."""
    tag, length, at = data[0], data[1], 2
    if length & 0x80:
        at = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:at], "big")
    return tag, data[at:at + length], data[at + length:]


def _ber(tag, contents):
    size = len(contents)
    if size < 128:
        return bytes([tag, size]) + contents
    coded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(coded)]) + coded + contents


def _serve(connection, ldap):
    try:
        while True:
            _, number, rest = _element(_message(connection))
            operation, contents, _ = _element(rest)
            if operation != 0x60:     # no bind: the end
                return
            _, _, rest = _element(contents)
            _, name, rest = _element(rest)
            kind, password, _ = _element(rest)
            assert kind == 0x80       # simple
            refused = ldap.check(name.decode(), password.decode())
            result = _ber(0x0A, bytes([49 if refused else 0])) + _ber(0x04, b"") + _ber(0x04, (refused or "").encode())
            connection.sendall(_ber(0x30, _ber(0x02, number) + _ber(0x61, result)))
    except (EOFError, ConnectionError):
        pass


# ---- keys that end -----------------------------------------------------------------------------

class ContainerKeys:
    """http://127.0.0.1:PORT/keys; each request gives new keys that live for `life` seconds, with a session token of `token_bytes`."""

    def __init__(self, life=3600, token_bytes=400):
        self.life, self.token_bytes = life, token_bytes
        self.keys, self.requests = {}, 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = json.dumps(endpoint.make()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def make(self):
        with self._lock:
            self.requests += 1
            key = f"ASIATEST{self.requests:08d}"
            secret, token = secrets.token_urlsafe(30), (secrets.token_urlsafe(self.token_bytes) + "//==")[-self.token_bytes:]
            ends = int(time.time() + self.life)
            self.keys[key] = (secret, token, ends)
        return {"AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
                "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))}

    @property
    def environment(self):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_address[1]}/keys"}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
