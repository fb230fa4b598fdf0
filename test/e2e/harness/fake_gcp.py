"""Google Cloud on one port of the loopback address: the metadata server, OAuth's token endpoint, STS, IAM credentials, Secret
Manager and the control planes of Cloud SQL and AlloyDB. It checks what the real ones check (signatures, audiences, scopes,
who may do what), counts every request, and misbehaves when told to. test_fake_gcp.py holds it to Google's own clients."""

import base64
import datetime
import email.utils
import http.server
import json
import re
import secrets
import ssl
import threading
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .processes import free_port

CLOUD = "https://www.googleapis.com/auth/cloud-platform"
IAM = "https://www.googleapis.com/auth/iam"
SQL_LOGIN = "https://www.googleapis.com/auth/sqlservice.login"
SQL_ADMIN = "https://www.googleapis.com/auth/sqlservice.admin"
ALLOYDB_LOGIN = "https://www.googleapis.com/auth/alloydb.login"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"     # what google-auth writes, whatever token_uri says
MACHINE = "machine@test-project.iam.gserviceaccount.com"


def new_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()).decode()


def crc32c(data):
    """Castagnoli's, bit by bit (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Refused(Exception):
    def __init__(self, status, body):
        super().__init__(status)
        self.status, self.body = status, body


def api_error(status, code, message, reason=None):
    error = {"code": status, "message": message, "status": code}
    if reason:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]
    return Refused(status, {"error": error})


class FakeGcp:
    """`calls`: [(route, time)]. `misbehave[route]`: a function of the handler that answers in our place, or None to go on."""

    def __init__(self, address="127.0.0.1", tls=None):
        self.lock = threading.Lock()
        self.calls, self.misbehave, self.tokens, self.life, self.skew = [], {}, {}, 3600, 0
        self.accounts, self.secrets, self.readers = {}, {}, set()
        self.may_impersonate = set()        # (who, whom)
        self.refresh_tokens, self.subjects, self.instances, self.alloydb = {}, {}, {}, {}
        self.machine, self.machine_scopes, self.universe = MACHINE, None, "googleapis.com"
        self.last = {}                      # route: the last request's headers and body
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.serve(self, b"")

            def do_POST(self):
                fake.serve(self, self.rfile.read(int(self.headers.get("content-length", 0))))

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(time.time() + fake.skew, usegmt=True)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 256

            def handle_error(self, *_):
                pass

        self.server = Server((address, free_port()), Handler)
        self.scheme = "http"
        if tls:
            certificate, key, client_ca = tls
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.host = f"{address}:{self.port}"
        self.url = f"{self.scheme}://{'localhost' if tls else address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # -- what the world holds ------------------------------------------------------------------------

    def service_account(self, address="app@test-project.iam.gserviceaccount.com"):
        """A credentials file's contents."""
        key, pem = new_key()
        key_id = secrets.token_hex(8)
        self.accounts[address] = {"key": key.public_key(), "id": key_id}
        return {"type": "service_account", "project_id": "test-project", "private_key_id": key_id, "private_key": pem,
                "client_email": address, "client_id": "1", "token_uri": self.url + "/token", "universe_domain": "googleapis.com"}

    def person(self, token="1//refresh", account=""):
        self.refresh_tokens[token] = "person@example.com"
        return {"type": "authorized_user", "client_id": "cid", "client_secret": "cs", "refresh_token": token,
                "token_uri": self.url + "/token", "account": account}

    def federated(self, source, impersonate=None, subject="subject-token", kind="urn:ietf:params:oauth:token-type:jwt", **more):
        self.subjects[subject] = "principal://federated"
        out = {"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
               "providers/x", "subject_token_type": kind, "token_url": self.url + "/sts/v1/token", "credential_source": source,
               **more}
        if impersonate:
            out["service_account_impersonation_url"] = self.impersonation_url(impersonate)
            self.may_impersonate.add(("principal://federated", impersonate))
        return out

    def impersonation_url(self, target):
        return f"{self.url}/v1/projects/-/serviceAccounts/{target}:generateAccessToken"

    def secret(self, name, *versions, project="test-project"):
        """Versions are bytes, or "DISABLED" and "DESTROYED"."""
        self.secrets[(project, name)] = list(versions)

    def count(self, route):
        with self.lock:
            return sum(1 for called, _ in self.calls if called == route)

    def mint(self, who, scopes):
        token = "ya29." + secrets.token_urlsafe(48)
        with self.lock:
            self.tokens[token] = {"who": who, "scopes": set(scopes), "expires": time.time() + self.life}
        return token

    # -- serving -------------------------------------------------------------------------------------

    def serve(self, handler, body):
        path, _, query = handler.path.partition("?")
        route, answer, match = self.find(handler.command, path)
        with self.lock:
            self.calls.append((route, time.time()))
            self.last[route] = {"headers": dict(handler.headers), "body": body, "query": urllib.parse.parse_qs(query)}
        odd = self.misbehave.get(route)
        if odd and odd(handler) is not False:
            return
        try:
            told = answer(handler, body, *match.groups()) if answer else None
            status, out = (200, told) if told is not None else (404, {"error": {"code": 404, "status": "NOT_FOUND"}})
        except Refused as refused:
            status, out = refused.status, refused.body
        self.reply(handler, status, out, path)

    def reply(self, handler, status, out, path=""):
        text = isinstance(out, str)
        data = out.encode() if text else json.dumps(out).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/text" if text else "application/json")
        handler.send_header("Content-Length", str(len(data)))
        if path == "/" or path.startswith("/computeMetadata"):
            handler.send_header("Metadata-Flavor", "Google")
        handler.end_headers()
        handler.wfile.write(data)

    ROUTES = [
        ("ping", "GET", r"/", "ping"),
        ("metadata", "GET", r"/computeMetadata/v1/(.*)", "metadata"),
        ("token", "POST", r"/token", "oauth"),
        ("sts", "POST", r"/sts/v1/token", "sts"),
        ("impersonate", "POST", r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", "impersonate"),
        ("secret", "GET", r"/v1/projects/([^/]+)(?:/locations/[^/]+)?/secrets/([^/]+)/versions/([^/:]+):access", "access"),
        ("subject", "GET", r"/subject", "subject"),
        ("settings", "GET", r"/sql/v1beta4/projects/([^/]+)/instances/([^/:]+)/connectSettings", "settings"),
        ("certificate", "POST", r"/sql/v1beta4/projects/([^/]+)/instances/([^/:]+):generateEphemeralCert", "certificate"),
        ("alloydb", "GET", r"/v1(?:beta)?/projects/([^/]+)/locations/([^/]+)/clusters/([^/]+)/instances/([^/]+)/connectionInfo",
         "alloydb_info"),
        ("alloydb certificate", "POST",
         r"/v1(?:beta)?/projects/([^/]+)/locations/([^/]+)/clusters/([^/]+):generateClientCertificate", "alloydb_certificate"),
    ]

    def find(self, method, path):
        for route, wanted, pattern, name in self.ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == wanted:
                return route, getattr(self, name), match
        return f"{method} {path}", None, re.match("", "")

    # -- the metadata server -------------------------------------------------------------------------

    def ping(self, handler, _):
        return "computeMetadata/\n"

    def metadata(self, handler, _, path):
        if handler.headers.get("Metadata-Flavor") != "Google":
            raise Refused(403, "Missing Metadata-Flavor:Google header.")
        account = "instance/service-accounts/default/"
        if path.startswith(account) and not self.machine:
            raise Refused(404, "no service account")
        if path == "project/project-id":
            return "test-project"
        if path == "universe/universe-domain":
            return self.universe
        if path == account:
            return {"email": self.machine, "aliases": ["default"], "scopes": self.machine_scopes or [CLOUD]}
        if path == account + "email":
            return self.machine
        if path == account + "token":
            query = urllib.parse.parse_qs(handler.path.partition("?")[2])
            scopes = self.machine_scopes or [s for one in query.get("scopes", [CLOUD]) for s in one.split(",")]
            return {"access_token": self.mint(self.machine, scopes), "expires_in": self.life, "token_type": "Bearer"}
        raise Refused(404, "not found")

    # -- tokens --------------------------------------------------------------------------------------

    def oauth(self, handler, body):
        form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(), strict_parsing=True).items()}
        if form["grant_type"] == "refresh_token":
            return self.refresh(handler, form)
        if form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise Refused(400, {"error": "unsupported_grant_type"})
        assertion = form["assertion"]
        issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        account, header = self.accounts.get(issuer), jwt.get_unverified_header(assertion)
        if not account:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
        try:
            claims = jwt.decode(assertion, account["key"], algorithms=["RS256"], audience=[self.url + "/token", GOOGLE_AUDIENCE],
                                options={"require": ["iss", "aud", "iat", "exp"], "verify_iat": False, "verify_exp": False})
        except jwt.PyJWTError as error:
            raise Refused(400, {"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}) from None
        now = time.time() + self.skew
        if header.get("kid") != account["id"]:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        if claims["exp"] - claims["iat"] > 3600 or not claims["iat"] - 300 <= now <= claims["exp"]:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token"})
        return {"access_token": self.mint(issuer, claims["scope"].split()), "expires_in": self.life, "token_type": "Bearer"}

    def refresh(self, handler, form):
        basic = handler.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            form["client_id"], _, form["client_secret"] = base64.b64decode(basic[6:]).decode().partition(":")
        who = self.refresh_tokens.get(form.get("refresh_token"))
        if (form.get("client_id"), form.get("client_secret")) != ("cid", "cs"):
            raise Refused(401, {"error": "invalid_client", "error_description": "Unauthorized"})
        if not who:
            raise Refused(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        scopes = form.get("scope", CLOUD).split()
        return {"access_token": self.mint(who, scopes), "expires_in": self.life, "scope": " ".join(scopes), "token_type": "Bearer"}

    def sts(self, handler, body):
        form = {k: v[0] for k, v in urllib.parse.parse_qs(body.decode(), strict_parsing=True).items()}
        if form["grant_type"] == "refresh_token":
            return self.refresh(handler, form)
        wanted = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                  "requested_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        if any(form.get(k) != v for k, v in wanted.items()) or "/workloadIdentityPools/" not in form.get("audience", ""):
            raise Refused(400, {"error": "invalid_request", "error_description": "Invalid value"})
        if form["subject_token_type"].endswith(":mtls"):
            return self.exchange_certificate(handler, form)
        if form["subject_token_type"].endswith(":aws4_request"):
            who = self.check_aws(json.loads(urllib.parse.unquote(form["subject_token"])))
        else:
            who = self.subjects.get(form["subject_token"])
        if not who:
            raise Refused(400, {"error": "invalid_grant", "error_description": "The given credential is rejected"})
        return self.exchanged(who, form)

    def exchanged(self, who, form):
        return {"access_token": self.mint(who, form["scope"].split()), "expires_in": self.life, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}

    def exchange_certificate(self, handler, form):
        shown = handler.connection.getpeercert(binary_form=True)
        chain = json.loads(form["subject_token"])
        if not shown or base64.b64decode(chain[0]) != shown:
            raise Refused(400, {"error": "invalid_grant", "error_description": "certificate"})
        return self.exchanged("principal://federated", form)

    def check_aws(self, request):
        """Who signed a GetCallerIdentity; a test puts its own check here."""
        return None

    def caller(self, handler, *scopes):
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        with self.lock:
            known = self.tokens.get(token)
        if not known or known["expires"] < time.time():
            raise api_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if not known["scopes"] & set(scopes):
            raise api_error(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.",
                            "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        return known["who"]

    def impersonate(self, handler, body, target):
        who, asked = self.caller(handler, CLOUD, IAM), json.loads(body)
        hops = [who, *(d.rsplit("/", 1)[-1] for d in asked.get("delegates") or []), target]
        if any(hop not in self.may_impersonate for hop in zip(hops, hops[1:])):
            raise api_error(403, "PERMISSION_DENIED", "Permission 'iam.serviceAccounts.getAccessToken' denied",
                            "IAM_PERMISSION_DENIED")
        seconds = min(int(asked["lifetime"].removesuffix("s")), self.life)
        expires = datetime.datetime.fromtimestamp(time.time() + self.skew + seconds, datetime.timezone.utc)
        return {"accessToken": self.mint(target, asked["scope"]), "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def subject(self, handler, _):
        if handler.headers.get("X-Ask") != "please":
            raise Refused(403, "X-Ask")
        return {"nested": 1, "access_token": "subject-token"}

    # -- Secret Manager ------------------------------------------------------------------------------

    def access(self, handler, _, project, name, version):
        who = self.caller(handler, CLOUD)
        versions = self.secrets.get((project, name))
        if self.readers and who not in self.readers:
            raise api_error(403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied", "IAM_PERMISSION_DENIED")
        if not versions:
            raise api_error(404, "NOT_FOUND", f"Secret [projects/1/secrets/{name}] not found or has no versions.")
        number = len(versions) if version in ("latest", "current") else int(version) if version.isdigit() else 0
        if not 1 <= number <= len(versions):
            raise api_error(404, "NOT_FOUND", f"Secret Version [projects/1/secrets/{name}/versions/{version}] not found.")
        data = versions[number - 1]
        whole = f"projects/1/secrets/{name}/versions/{number}"
        if isinstance(data, str):
            raise api_error(400, "FAILED_PRECONDITION", f"Secret Version [{whole}] is in {data} state.")
        return {"name": whole, "payload": {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))}}

    # -- the control planes of databases (fake_cloudsql.py has the instances) ---------------------------

    def settings(self, handler, _, project, name):
        self.caller(handler, SQL_ADMIN, CLOUD)
        instance = self.instances.get((project, name))
        if not instance:
            raise api_error(404, "NOT_FOUND", "The Cloud SQL instance does not exist.", "instanceDoesNotExist")
        return instance.settings()

    def certificate(self, handler, body, project, name):
        self.caller(handler, SQL_ADMIN, CLOUD)
        asked = json.loads(body)
        login = asked.get("access_token")
        with self.lock:
            known = self.tokens.get(login) if login else None
        if login and (not known or SQL_LOGIN not in known["scopes"]):
            raise api_error(400, "INVALID_ARGUMENT", "The access token is not valid for login.")
        return {"ephemeralCert": {"cert": self.instances[(project, name)].sign(asked["public_key"], known)}}

    def alloydb_info(self, handler, _, project, location, cluster, name):
        self.caller(handler, CLOUD)
        instance = self.alloydb.get((project, location, cluster, name))
        if not instance:
            raise api_error(404, "NOT_FOUND", "not found")
        return instance.info()

    def alloydb_certificate(self, handler, body, project, location, cluster):
        self.caller(handler, CLOUD)
        instance = next(i for k, i in self.alloydb.items() if k[:3] == (project, location, cluster))
        return instance.sign(json.loads(body))
