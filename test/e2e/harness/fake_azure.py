"""What Azure answers to a workload: Entra ID's token endpoint, the agents of managed identity (IMDS, App Service, Arc, Cloud Shell)
and Key Vault, in one process. Secrets and assertions are really checked; tokens are signed, so that a database (ldap_server.py) can
check them. The vendor's own clients have to be satisfied by it before Sallyport is asked: test_azure_identity.py."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import threading
import time
import urllib.parse
import uuid

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-0000-0000-0000-000000000001"
DATABASES = "https://ossrdbms-aad.database.windows.net"
VAULTS = "https://vault.azure.net"
ENTRA_USER = "entra_app"      # what the database calls every application that is known
ARC_KEYS = "/var/opt/azcmagent/tokens"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Refusal(Exception):
    def __init__(self, status, code, number, text=""):
        super().__init__(text)
        self.status, self.code, self.number = status, code, number


class FakeAzure:
    """Switches, all of which may be set while it runs: see __init__. `mints` counts the tokens, `asked` what was asked."""

    def __init__(self, certificate, key, arc_folder=None):
        self.clients = {CLIENT: {"secret": "s3cret~of.the-app", "certificate": None}}
        self.identities = [{"client_id": "bbbbbbbb-0000-0000-0000-000000000002", "object_id": "cccccccc-0000-0000-0000-000000000003",
                            "msi_res_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/"
                                          "userAssignedIdentities/app"}]
        self.system_assigned = "dddddddd-0000-0000-0000-000000000004"     # its client id; None: it has none
        self.person = None            # a upn: then tokens are of a person
        self.life = 3600
        self.padding = 0              # bytes that a token's groups add
        self.skew = 0                 # Azure's clock minus the true one
        self.expiry = "string"        # of agents: string, number, date, american
        self.identity_header = "header-" + uuid.uuid4().hex
        self.arc_folder, self.arc_realm, self.arc_user_assigned = arc_folder, None, True
        self.trouble = []             # [(part of a path, what to do)]: each is used once; see _Handler.troubled
        self.secrets = {}             # name -> [{"version", "value", "enabled", "contentType"}], the newest last
        self.deleted = {}             # name -> epoch of its deletion
        self.readers = None           # client ids that may read secrets; None: all
        self.vault_refuses = None     # an inner code, for all secrets
        self.challenge = None         # instead of the true one
        self.revoked = set()          # tokens that the vault no longer takes
        self.mints, self.asked, self.assertions = 0, [], set()
        self._secret = os.urandom(32)
        self._lock = threading.Lock()
        self._servers = []
        self.http = self._serve(None)
        self.https = self._serve((certificate, key))

    def _serve(self, tls, address=("127.0.0.1", 0)):
        fake = self

        class Handler(_Handler):
            azure = fake
        server = _Server(address, Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._servers.append(server)
        return f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}"

    def also_at(self, address, certificate, key):
        """The same services once more, at Azure's own names and port."""
        return self._serve((certificate, key), address)

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def now(self):
        return time.time() + self.skew

    # -- tokens ----------------------------------------------------------------------------------

    def mint(self, client, audience, **claims):
        """A token as Entra makes them, but that it is signed with a secret: only the resource looks at it."""
        with self._lock:
            self.mints += 1
            number = self.mints
        body = {"aud": audience, "iss": f"https://sts.windows.net/{TENANT}/", "iat": int(self.now), "nbf": int(self.now),
                "exp": int(self.now + self.life), "tid": TENANT, "appid": client, "uti": f"{number}-{uuid.uuid4().hex}", **claims}
        if self.person:
            body |= {"upn": self.person, "idtyp": "user"}
        else:
            body["idtyp"] = "app"
        if self.padding:
            body["groups"] = [uuid.uuid4().hex for _ in range(self.padding // 45)]
        text = b64url(b'{"typ":"JWT","alg":"RS256","kid":"k"}') + "." + b64url(json.dumps(body).encode())
        return text + "." + self._sign(text)

    def _sign(self, text):
        # As long as an RSA signature, which this stands for.
        return b64url(b"".join(hmac.new(self._secret, bytes([i]) + text.encode(), hashlib.sha256).digest() for i in range(8)))

    def claims(self, token, audience):
        """The claims of a good token, or None."""
        head, _, signature = token.rpartition(".")
        if not head or not hmac.compare_digest(signature, self._sign(head)) or token in self.revoked:
            return None
        body = head.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return claims if claims["aud"] == audience and claims["nbf"] - 300 <= self.now < claims["exp"] else None

    def check_login(self, dn, password):
        """For LdapServer: `uid=USER,…` and a token of that user."""
        claims = self.claims(password, DATABASES)
        user = dn.removeprefix("uid=").split(",")[0].replace("\\40", "@")
        if not claims:
            return False
        if "upn" in claims:
            return user == claims["upn"]
        return claims["appid"] in {*self.clients, self.system_assigned, self.identities[0]["client_id"]} and user == ENTRA_USER

    # -- what proves a client --------------------------------------------------------------------

    def federated_token(self, subject="system:serviceaccount:prod:app", audience="api://AzureADTokenExchange", seconds=3600):
        text = b64url(b'{"alg":"RS256"}') + "." + b64url(json.dumps({"sub": subject, "aud": audience,
                                                                    "exp": int(self.now + seconds)}).encode())
        return text + "." + self._sign("federated" + text)

    def check_assertion(self, client, assertion, url):
        parts = assertion.split(".")
        text = ".".join(parts[:2])
        if len(parts) == 3 and hmac.compare_digest(parts[2], self._sign("federated" + text)):
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
            if claims["aud"] != "api://AzureADTokenExchange":
                raise Refusal(401, "invalid_client", 700212)
            if claims["exp"] < self.now:
                raise Refusal(401, "invalid_client", 700024)
            if claims["sub"] != "system:serviceaccount:prod:app":
                raise Refusal(401, "invalid_client", 700213)
            return
        try:
            head = jwt.get_unverified_header(assertion)
        except jwt.PyJWTError as wrong:
            raise Refusal(401, "invalid_client", 50013) from wrong
        pem = self.clients[client]["certificate"]
        if pem is None:
            raise Refusal(401, "invalid_client", 700027)
        certificate = x509.load_pem_x509_certificate(pem)
        prints = {"x5t": certificate.fingerprint(hashes.SHA1()), "x5t#S256": certificate.fingerprint(hashes.SHA256())}  # noqa: S303
        # The vendor's client pads it.
        if not any(head.get(name, "").rstrip("=") == b64url(value) for name, value in prints.items()):
            raise Refusal(401, "invalid_client", 700027, "thumbprint")
        try:
            claims = jwt.decode(assertion, certificate.public_key(), algorithms=["RS256", "PS256"], audience=url,
                                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False,
                                         "require": ["exp", "iat", "iss", "sub", "jti"]})
        except jwt.PyJWTError as wrong:
            raise Refusal(401, "invalid_client", 700027, str(wrong)) from wrong
        if claims["iss"] != client or claims["sub"] != client:
            raise Refusal(401, "invalid_client", 700027, "issuer")
        if not claims.get("nbf", claims["iat"]) - 300 <= self.now < claims["exp"] or claims["exp"] > self.now + 24 * 3600:
            raise Refusal(401, "invalid_client", 700024)
        with self._lock:
            if claims["jti"] in self.assertions:
                raise Refusal(401, "invalid_client", 700027, "used before")
            self.assertions.add(claims["jti"])

    # -- secrets ---------------------------------------------------------------------------------

    def put(self, name, value, **more):
        self.deleted.pop(name, None)
        version = uuid.uuid4().hex
        self.secrets.setdefault(name, []).append({"version": version, "value": value, "enabled": True, **more})
        return version

    def delete(self, name):
        self.deleted[name] = int(self.now)

    # -- environments ----------------------------------------------------------------------------

    def environment(self, *parts):
        """Variables that lead both clients here."""
        env = {"AZURE_AUTHORITY_HOST": self.https}
        if "secret" in parts:
            env |= {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": self.clients[CLIENT]["secret"]}
        if "app-service" in parts:
            env |= {"IDENTITY_ENDPOINT": self.http + "/msi/token", "IDENTITY_HEADER": self.identity_header}
        if "arc" in parts:
            env |= {"IDENTITY_ENDPOINT": self.http + "/metadata/identity/oauth2/token", "IMDS_ENDPOINT": self.http}
        if "cloud-shell" in parts:
            env["MSI_ENDPOINT"] = self.http + "/oauth2/token"
        if "imds" in parts:
            env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = self.http.replace("localhost", "127.0.0.1")
        return env


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.azure.skew)

    def answer(self, status, body=None, headers=(), raw=None, length=None):
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.any(b"")

    def do_POST(self):
        self.any(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def any(self, body):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.azure.asked.append((self.command, self.path, bool(self.headers.get("Authorization"))))
        if self.troubled():
            return
        parts = url.path.strip("/").split("/")
        if url.path.endswith("/openid-configuration"):
            self.openid(parts[0])
        elif url.path.endswith("/oauth2/v2.0/token"):
            self.entra(parts[0], dict(urllib.parse.parse_qsl(body.decode())))
        elif url.path == "/metadata/identity/oauth2/token":
            self.arc() if self.query.get("api-version") == "2020-06-01" else self.imds()
        elif url.path == "/msi/token":
            self.app_service()
        elif url.path == "/oauth2/token":
            self.cloud_shell(dict(urllib.parse.parse_qsl(body.decode())))
        elif parts[0] in ("secrets", "deletedsecrets"):
            self.vault(parts[0], parts[1], parts[2] if len(parts) > 2 else "")
        else:
            self.answer(404, {"error": {"code": "NotFound", "message": "nothing here"}})

    def troubled(self):
        """(part of a path, what): a status, (status, headers), "garbage", "cut", "huge", "redirect HOST", "slow SECONDS", "closed"."""
        for i, (part, what) in enumerate(self.azure.trouble):
            if part not in self.path:
                continue
            del self.azure.trouble[i]
            if isinstance(what, int):
                self.answer(what, {"error": "made_to_fail"})
            elif isinstance(what, tuple):
                self.answer(what[0], {"error": "made_to_fail"}, headers=what[1])
            elif what == "garbage":
                self.answer(200, raw=b"<html>Sign in to the hotel's network</html>")
            elif what == "cut":
                self.answer(200, raw=b'{"access_token":"ey', length=5000)
                self.close_connection = True
            elif what == "huge":
                self.answer(200, raw=b'{"access_token":"' + b"x" * 2_000_000 + b'"}')
            elif what == "closed":
                self.close_connection = True
            elif what.startswith("redirect "):
                self.answer(302, headers=[("Location", what.split()[1])])
            elif what.startswith("slow "):
                time.sleep(float(what.split()[1]))
                return False
            return True
        return False

    # -- Entra ID --------------------------------------------------------------------------------

    def openid(self, tenant):
        base = f"{self.azure.https}/{tenant}"
        self.answer(200, {"token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
                          "issuer": base + "/v2.0", "tenant_region_scope": "EU"})

    def entra(self, tenant, form):
        try:
            self.answer(200, self.granted(tenant, form))
        except Refusal as refusal:
            text = f"AADSTS{refusal.number}: {refusal} Trace ID: {uuid.uuid4()}"
            self.answer(refusal.status, {"error": refusal.code, "error_description": text, "error_codes": [refusal.number],
                                         "correlation_id": str(uuid.uuid4())})

    def granted(self, tenant, form):
        azure = self.azure
        if tenant != TENANT:
            raise Refusal(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, "unsupported_grant_type", 70003)
        scope = form.get("scope", "").split()[0]
        if not scope.endswith("/.default"):
            raise Refusal(400, "invalid_scope", 1002012)
        client = form.get("client_id", "")
        if client not in azure.clients:
            raise Refusal(400, "unauthorized_client", 700016)
        if form.get("client_assertion_type") == ASSERTION:
            azure.check_assertion(client, form.get("client_assertion", ""), f"{azure.https}/{tenant}/oauth2/v2.0/token")
        elif form.get("client_secret") is None:
            raise Refusal(401, "invalid_client", 7000216)
        elif form["client_secret"] != azure.clients[client]["secret"]:
            raise Refusal(401, "invalid_client", 7000215, "Invalid client secret provided.")
        token = azure.mint(client, scope.removesuffix("/.default"))
        left = azure.life - 1     # as Entra says it: `exp` is a whole second, and it may be nearly over
        return {"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": token}

    # -- managed identity ------------------------------------------------------------------------

    def chosen(self, resource_id):
        """The client id that the selectors name; None: no such identity."""
        azure = self.azure
        for name, key in (("client_id", "client_id"), ("object_id", "object_id"), (resource_id, "msi_res_id")):
            if name in self.query:
                return next((one for one in azure.identities if one[key].lower() == self.query[name].lower()), None)
        if azure.system_assigned:
            return {"client_id": azure.system_assigned}
        return azure.identities[0] if len(azure.identities) == 1 else None

    def managed(self, identity, resource):
        azure = self.azure
        expires = int(azure.now + azure.life)
        shown = {"string": str(expires), "number": expires,
                 "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
                 "american": time.strftime("%m/%d/%Y %I:%M:%S %p +00:00", time.gmtime(expires))}[azure.expiry]
        reply = {"access_token": azure.mint(identity["client_id"], resource.rstrip("/")), "expires_on": shown, "resource": resource,
                 "token_type": "Bearer", "client_id": identity["client_id"]}
        if azure.expiry == "string":
            reply |= {"expires_in": str(azure.life), "not_before": str(int(azure.now))}
        return reply

    def imds(self):
        if self.headers.get("Metadata") != "true" or "X-Forwarded-For" in self.headers:
            return self.answer(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
        if self.query.get("api-version") != "2018-02-01" or not self.query.get("resource") or "/.default" in self.query["resource"]:
            return self.answer(400, {"error": "invalid_request", "error_description": "api-version, resource"})
        identity = self.chosen("msi_res_id")
        if not identity:
            return self.answer(400, {"error": "invalid_request", "error_description": "Identity not found"})
        return self.answer(200, self.managed(identity, self.query["resource"]))

    def app_service(self):
        if self.headers.get("X-IDENTITY-HEADER") != self.azure.identity_header:
            return self.answer(401, {"statusCode": 401, "message": "Unauthorized"})
        if self.query.get("api-version") != "2019-08-01" or not self.query.get("resource"):
            return self.answer(400, {"statusCode": 400, "message": "Unsupported API version"})
        identity = self.chosen("mi_res_id")
        if not identity:
            return self.answer(400, {"statusCode": 400, "message": "No Managed Identity found for specified ClientId/ResourceId"})
        return self.answer(200, self.managed(identity, self.query["resource"]))

    def arc(self):
        azure = self.azure
        if self.headers.get("Metadata") != "true":
            return self.answer(400, {"error": "invalid_request"})
        given = self.headers.get("Authorization", "")
        path = os.path.join(azure.arc_folder, given.removeprefix("Basic ")[:8] + ".key")
        if given.startswith("Basic ") and os.path.exists(path):
            with open(path, encoding="ascii") as file:
                good = hmac.compare_digest(file.read(), given.removeprefix("Basic "))
            os.unlink(path)
            if good:
                identity = self.chosen("msi_res_id")
                if not azure.arc_user_assigned:
                    identity = {"client_id": azure.system_assigned}
                reply = self.managed(identity, self.query["resource"])
                if azure.arc_user_assigned:
                    reply |= identity
                else:
                    del reply["client_id"]
                return self.answer(200, reply)
        key = uuid.uuid4().hex * 2
        path = os.path.join(azure.arc_folder, key[:8] + ".key")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o640), "w", encoding="ascii") as file:
            file.write(key)
        realm = azure.arc_realm or f"{ARC_KEYS}/{key[:8]}.key"
        return self.answer(401, headers=[("WWW-Authenticate", f"Basic realm={realm}")])

    def cloud_shell(self, form):
        if self.headers.get("Metadata") != "true" or not form.get("resource"):
            return self.answer(400, {"error": {"code": "invalid_request", "message": "bad"}})
        return self.answer(200, self.managed({"client_id": self.azure.system_assigned}, form["resource"]))

    # -- Key Vault -------------------------------------------------------------------------------

    def refuse(self, status, code, inner=None):
        error = {"code": code, "message": "as a vault says it"}
        if inner:
            error["innererror"] = {"code": inner}
        self.answer(status, {"error": error})

    def vault(self, collection, name, version):
        azure = self.azure
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        claims = azure.claims(token, VAULTS) if token else None
        if not claims:
            challenge = azure.challenge or f'Bearer authorization="{azure.https}/{TENANT}", resource="{VAULTS}"'
            return self.answer(401, {"error": {"code": "Unauthorized", "message": "AKV10000"}},
                               headers=[("WWW-Authenticate", challenge)])
        if not self.query.get("api-version"):
            return self.refuse(400, "BadParameter")
        if azure.vault_refuses:
            return self.refuse(403, "Forbidden", azure.vault_refuses)
        if azure.readers is not None and claims["appid"] not in azure.readers:
            return self.refuse(403, "Forbidden", "ForbiddenByRbac")
        host = f"https://{self.headers['Host']}"
        if collection == "deletedsecrets":
            if name not in azure.deleted:
                return self.refuse(404, "SecretNotFound")
            return self.answer(200, {"recoveryId": f"{host}/deletedsecrets/{name}", "deletedDate": azure.deleted[name],
                                     "scheduledPurgeDate": azure.deleted[name] + 90 * 86400, "id": f"{host}/secrets/{name}"})
        versions = azure.secrets.get(name, []) if name not in azure.deleted else []
        found = next((one for one in reversed(versions) if not version or one["version"] == version), None)
        if not found:
            return self.refuse(404, "SecretNotFound")
        if not found["enabled"]:
            return self.refuse(403, "Forbidden", "SecretDisabled")
        reply = {"value": found["value"], "id": f"{host}/secrets/{name}/{found['version']}",
                 "attributes": {"enabled": True, "created": 1700000000, "updated": 1700000000, "recoveryLevel": "Recoverable"}}
        if "contentType" in found:
            reply["contentType"] = found["contentType"]
        return self.answer(200, reply)
