"""An API server of Kubernetes as far as Secrets go, and a pod's mount beside it. It answers as kube-apiserver 1.36 does: the same statuses,
reasons and messages; tokens are real JSON web tokens (ES256) and are checked, RBAC is a list of who may read what.
The vendor's own client has to be satisfied by it first: test_kubernetes.py."""

import base64
import contextlib
import http.server
import json
import os
import re
import secrets
import ssl
import subprocess
import threading
import time
import uuid

from .processes import free_port

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
MOUNT = "/run/secrets/kubernetes.io/serviceaccount"
SECRET_PATH = re.compile(r"/api/v1/namespaces/([^/?]+)/secrets/([^/?]+)$")


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def status(code, reason, message, details=None):
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason}
    if details:
        body["details"] = details
    return code, {**body, "code": code}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):   # noqa: N802
        owner = self.server.owner
        with owner.lock:
            owner.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
            mood = owner.moods.pop(0) if owner.moods else None
        if mood is not None:
            return self.send(*mood)
        return self.send(*owner.answer(self.path, self.headers.get("Authorization", "")))

    def do_POST(self):      # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        self.send(*self.server.owner.review(self.path, self.headers.get("Authorization", ""), body))

    def send(self, code, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n"
        self.send_response(code)
        for name, value in [("Audit-Id", str(uuid.uuid4())), ("Cache-Control", "no-cache, private"),
                            ("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class KubernetesApi:
    def __init__(self, pki):
        self.pki = pki
        self.port = free_port()
        self.lock = threading.Lock()
        self.secrets = {}       # (namespace, name): the object as it is answered
        self.allowed = set()    # (subject, namespace, name)
        self.requests = []      # (method, path, authorization)
        self.moods = []         # (status, body[, headers]) of the next requests, whatever they ask
        self.revoked = set()
        self._version = 4000
        self.signer = pki.leaf("other-host").key     # any EC P-256 key will do
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.owner = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = pki.leaf("ip-only")
        context.load_cert_chain(leaf.certificate, leaf.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"https://127.0.0.1:{self.port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def put(self, namespace, name, data, type_="Opaque"):
        """Creates or replaces; `data` is not encoded yet."""
        self._version += 1
        encode = lambda value: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()     # noqa: E731
        self.secrets[namespace, name] = {
            "kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace, "uid": str(uuid.uuid4()), "resourceVersion": str(self._version),
                         "creationTimestamp": "2026-11-30T06:00:00Z",
                         "managedFields": [{"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1",
                                            "time": "2026-11-30T06:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:type": {}}}]},
            **({"data": {key: encode(value) for key, value in sorted(data.items())}} if data else {}), "type": type_}

    def allow(self, namespace, name, account="app", home="prod"):
        self.allowed.add((f"system:serviceaccount:{home}:{account}", namespace, name))

    def token(self, account="app", home="prod", seconds=3600, audience=AUDIENCE):
        """As TokenRequest gives it: the claims of a bound service-account token."""
        now = int(time.time())
        claims = {"aud": [audience], "exp": now + seconds, "iat": now, "iss": AUDIENCE, "jti": str(uuid.uuid4()),
                  "kubernetes.io": {"namespace": home, "pod": {"name": "app-0", "uid": str(uuid.uuid4())},
                                    "serviceaccount": {"name": account, "uid": str(uuid.uuid4())}},
                  "nbf": now, "sub": f"system:serviceaccount:{home}:{account}"}
        return sign_es256(self.signer, claims)

    def answer(self, path, authorization):
        subject = self._subject(authorization)
        if subject is None:
            return status(401, "Unauthorized", "Unauthorized")
        found = SECRET_PATH.match(path)
        if not found:
            return status(403, "Forbidden", f'forbidden: User "{subject}" cannot get path "{path}"', {})
        namespace, name = found.groups()
        details = {"name": name, "kind": "secrets"}
        if (subject, namespace, name) not in self.allowed:
            return status(403, "Forbidden", f'secrets "{name}" is forbidden: User "{subject}" cannot get resource "secrets" in API '
                                            f'group "" in the namespace "{namespace}"', details)
        if (namespace, name) not in self.secrets:
            return status(404, "NotFound", f'secrets "{name}" not found', details)
        return 200, self.secrets[namespace, name]

    def review(self, path, authorization, body):
        """TokenReview: whose token is this? Only a reviewer may ask (system:auth-delegator)."""
        if path != "/apis/authentication.k8s.io/v1/tokenreviews" or not (self._subject(authorization) or "").endswith(":reviewer"):
            return status(403, "Forbidden", "forbidden")
        claims = verify_es256(self.signer, body["spec"]["token"])
        audiences = body["spec"].get("audiences") or [AUDIENCE]
        if claims is None or claims["exp"] < time.time() or not set(audiences) & set(claims["aud"]):
            return 201, {**body, "status": {"user": {}, "error": "[invalid bearer token]"}}
        home = claims["kubernetes.io"]["namespace"]
        return 201, {**body, "status": {
            "authenticated": True, "audiences": audiences,
            "user": {"username": claims["sub"], "uid": claims["kubernetes.io"]["serviceaccount"]["uid"],
                     "groups": ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]}}}

    def _subject(self, authorization):
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token in self.revoked:
            return None
        claims = verify_es256(self.signer, token)
        if claims is None or AUDIENCE not in claims["aud"] or not claims["nbf"] <= time.time() < claims["exp"]:
            return None
        return claims["sub"]


class Mount:
    """What the kubelet mounts: ..data is a link that is swapped for the whole directory at once (AtomicWriter)."""

    def __init__(self, folder, **files):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.files = {}
        self.write(**files)

    def write(self, **files):
        """Keyword `a_b` is the file a.b."""
        self.files.update({name.replace("_", "."): text for name, text in files.items()})
        old = os.path.realpath(os.path.join(self.folder, "..data")) if os.path.lexists(os.path.join(self.folder, "..data")) else None
        fresh = f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{secrets.randbelow(10 ** 9)}"
        os.makedirs(os.path.join(self.folder, fresh))
        for name, text in self.files.items():
            with open(os.path.join(self.folder, fresh, name), "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(os.path.join(self.folder, fresh, name), 0o644)
        os.symlink(fresh, os.path.join(self.folder, "..data_tmp"))
        os.rename(os.path.join(self.folder, "..data_tmp"), os.path.join(self.folder, "..data"))
        for name in self.files:
            with contextlib.suppress(FileExistsError):
                os.symlink(os.path.join("..data", name), os.path.join(self.folder, name))
        if old:
            for name in os.listdir(old):
                os.unlink(os.path.join(old, name))
            os.rmdir(old)


class Pod:
    """A pod's view: its mount at the place where the kubelet puts it, and the variables. `inside` starts a command there."""

    def __init__(self, folder, api, account="app", home="prod"):
        self.api, self.account, self.home = api, account, home
        with open(api.pki.ca, encoding="ascii") as file:
            authorities = file.read()
        self.mount = Mount(os.path.join(folder, "serviceaccount"), token=api.token(account, home), ca_crt=authorities,
                           namespace=home)
        self.inside = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none /run && mkdir -p {MOUNT} && '
                       f'mount --bind {self.mount.folder} {MOUNT} && exec "$@"', "sh")

    @property
    def env(self):
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.api.port)}

    @property
    def token(self):
        return self.mount.files["token"]

    def rotate_token(self, **how):
        self.mount.write(token=self.api.token(self.account, self.home, **how))


def can_unshare():
    return os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


def load_key(path):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    with open(path, "rb") as file:
        return load_pem_private_key(file.read(), None)


def sign_es256(key_file, claims):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    head = b64url(json.dumps({"alg": "ES256", "kid": "test"}).encode())
    signed = f"{head}.{b64url(json.dumps(claims).encode())}"
    r, s = utils.decode_dss_signature(load_key(key_file).sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify_es256(key_file, token):
    """The claims, or None."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    try:
        signed, _, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        load_key(key_file).public_key().verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        body = signed.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError, InvalidSignature):
        return None
