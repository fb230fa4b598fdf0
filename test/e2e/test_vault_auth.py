"""Logging in to a real OpenBao by each method, up to a query in a real PostgreSQL; and wrapped secret ids, which open once."""

import base64
import http.server
import importlib
import json
import re
import ssl
import subprocess
import threading
import time

import pytest

from conftest import require, require_module
from harness.children import psql
from harness.kubernetes_api import KubernetesApi, Pod, can_unshare, sign_es256
from harness.metadata_services import MetadataServices
from harness.openbao import ROOT_TOKEN, ApiError
from harness.processes import free_port, wait_for
from harness.sallyport import reference

WHO = "SELECT session_user, current_user"
REASON = "a metadata service of the tests"


@pytest.fixture(scope="module")
def signer(pki):
    """(private key, public key) of whoever issues the tests' JSON web tokens."""
    key = pki.leaf("other-host").key
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    return key, public


@pytest.fixture(scope="module")
def enabled(bao, pki, signer):
    """OpenBao with every method enabled, each with a role `app` whose tokens have the policy `app`."""
    for name, kind in (("kubernetes", "kubernetes"), ("jwt", "jwt"), ("cert", "cert"), ("userpass", "userpass"), ("gcp", "jwt"), ("azure", "jwt")):
        bao.call("POST", f"sys/auth/{name}", {"type": kind})
    for mount, audience in (("jwt", "vault"), ("gcp", "vault/app"), ("azure", "https://management.azure.com/")):
        bao.call("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [signer[1]], "jwt_supported_algs": ["ES256"]})
        bao.call("POST", f"auth/{mount}/role/app", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience],
                                                    "token_policies": "app", "token_ttl": "1h"})
    client = pki.client("vault-client", cn="shop")
    with open(pki.ca, encoding="ascii") as file:
        bao.call("POST", "auth/cert/certs/app", {"certificate": file.read(), "allowed_common_names": "shop", "token_policies": "app",
                                                 "token_ttl": "1h"})
    bao.call("POST", "auth/userpass/users/app", {"password": "canary userpass \u00e4", "token_policies": "app", "token_ttl": "1h"})
    return client


@pytest.fixture
def url_of(pg, pki):
    """A DATABASE_URL with a dynamic credential; `role` is the method's here."""
    def make(**more):
        return reference("vault:database/creds/app-role", engine="postgresql", host="localhost", port=pg.port, dbname="app",
                         sslrootcert=pki.ca, run_as="app_owner", **more)
    return make


@pytest.fixture
def web_token(sallyport, signer):
    def make(seconds=300, audience="vault", subject="shop", name="token.jwt"):
        now = int(time.time())
        claims = {"aud": [audience], "iss": "tests", "sub": subject, "iat": now - 60, "nbf": now - 60, "exp": now + seconds}
        return sallyport.secret_file(sign_es256(signer[0], claims) + "\n", name)
    return make


@pytest.fixture
def metadata(signer):
    it = MetadataServices(signer[0])
    yield it
    it.close()


def ended(bao, before):
    wait_for(lambda: set(bao.leases("app-role")) <= before, "the token to be ended, and its lease with it", 10)


def log_in(sallyport, bao, url, prefix, env=None, inside=(), in_environment=True):
    before = set(bao.leases("app-role"))
    env = {**bao.environment(), **(env or {})}
    given = {"url": url} if in_environment else {"flags": ["-e", f"DATABASE_URL={url}"]}
    run = sallyport.exec(psql(WHO), env=env, inside=inside, **given).ok()
    assert re.fullmatch(rf"v-{prefix}\S*\|app_owner\n", run.stdout), run.stdout
    ended(bao, before)
    return run


def test_jwt(sallyport, bao, enabled, url_of, web_token):
    log_in(sallyport, bao, url_of(auth="jwt", role="app", jwt_file=web_token()), "jwt")


def test_jwt_at_another_mount_with_its_default_role(sallyport, bao, url_of, web_token, signer):
    bao.call("POST", "sys/auth/ci", {"type": "jwt"})
    bao.call("POST", "auth/ci/config", {"jwt_validation_pubkeys": [signer[1]], "jwt_supported_algs": ["ES256"], "default_role": "ci"})
    bao.call("POST", "auth/ci/role/ci", {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": "app"})
    log_in(sallyport, bao, url_of(auth="jwt", mount="ci", jwt_file=web_token()), "ci")


def test_userpass(sallyport, bao, enabled, url_of):
    path = sallyport.secret_file("canary userpass \u00e4\n", "userpass")
    log_in(sallyport, bao, url_of(auth="userpass", username="app", password_file=path), "userpass")
    sallyport.assert_no_canary("canary userpass \u00e4", allowed_files=[path])


def test_a_client_certificate(sallyport, bao, enabled, url_of):
    """Leaving, we end our token with the certificate that it is bound to."""
    url = url_of(auth="cert", client_cert=enabled.certificate, client_key=enabled.key)
    log_in(sallyport, bao, url, "cert")
    log_in(sallyport, bao, url_of(auth="cert", role="app", client_cert=enabled.certificate, client_key=enabled.key), "cert")


def test_a_token_of_a_client_certificate_is_renewed_with_it(sallyport, bao, enabled, url_of):
    bao.call("POST", "auth/cert/certs/short", {"certificate": open(enabled.certificate, encoding="ascii").read(), "token_policies": "app",
                                               "token_ttl": "15s", "token_max_ttl": "1h"})
    url = url_of(auth="cert", role="short", client_cert=enabled.certificate, client_key=enabled.key)
    run = sallyport.exec(psql(WHO, "SELECT pg_sleep(20)", WHO), url, env=bao.environment()).ok()
    first, _, second = run.stdout.strip().split("\n")
    assert first == second


def test_kubernetes(sallyport, bao, enabled, url_of, pki):
    """OpenBao asks the API server whose token it is."""
    require(can_unshare(), "mount namespaces", ci_too=False)
    api = KubernetesApi(pki)
    try:
        with open(pki.ca, encoding="ascii") as file:
            bao.call("POST", "auth/kubernetes/config", {"kubernetes_host": api.address, "kubernetes_ca_cert": file.read(),
                                                        "disable_local_ca_jwt": True, "token_reviewer_jwt": api.token("reviewer")})
        bao.call("POST", "auth/kubernetes/role/app", {"bound_service_account_names": "app", "bound_service_account_namespaces": "prod",
                                                      "token_policies": "app", "token_ttl": "1h"})
        pod = Pod(sallyport.folder, api)
        log_in(sallyport, bao, url_of(auth="kubernetes", role="app"), "kubernet", env=pod.env, inside=pod.inside)
        elsewhere = sallyport.secret_file(api.token("other"), "token")
        refused = sallyport.exec(psql(WHO), url_of(auth="kubernetes", role="app", jwt_file=elsewhere), env=bao.environment())
        assert refused.code == 125 and "Vault refused the kubernetes login (403)" in refused.stderr, refused.stderr
        assert "binds this service account" in refused.stderr
    finally:
        api.close()


def test_googles_identity_token(sallyport, bao, enabled, url_of, metadata):
    url = url_of(auth="gcp", role="app", insecure_reason=REASON)
    log_in(sallyport, bao, url, "gcp", env={"GCE_METADATA_HOST": f"127.0.0.1:{metadata.port}"}, in_environment=False)


def test_azures_managed_identity(sallyport, bao, enabled, url_of, metadata):
    url = url_of(auth="azure", role="app", insecure_reason=REASON)
    log_in(sallyport, bao, url, "azure", env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://127.0.0.1:{metadata.port}"}, in_environment=False)
    assert any(path.startswith("/metadata/instance/compute") for path in metadata.requests)


def test_the_vendors_clients_are_satisfied_by_the_metadata_services(metadata, monkeypatch):
    google_compute = require_module("google.auth.compute_engine")
    transport = require_module("google.auth.transport.requests")
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
    monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{metadata.port}")
    import google.auth.compute_engine._metadata as module
    importlib.reload(module)
    ours = google_compute.IDTokenCredentials(transport.Request(), "vault/app", use_metadata_identity_endpoint=True)
    ours.refresh(transport.Request())
    assert ours.token.count(".") == 2
    identity = require_module("azure.identity")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://127.0.0.1:{metadata.port}")
    token = identity.ManagedIdentityCredential().get_token("https://management.azure.com/.default")
    assert token.token.count(".") == 2 and token.expires_on > time.time()


@pytest.mark.parametrize("host", ["http://192.0.2.1", "https://169.254.169.254", "http://metadata.attacker.example", "127.0.0.1:1"])
def test_a_metadata_service_elsewhere_is_not_asked(sallyport, bao, enabled, url_of, host):
    run = sallyport.exec(psql(WHO), url_of(auth="gcp", role="app"), env={**bao.environment(), "GCE_METADATA_HOST": host})
    assert run.code == 125 and "GCE_METADATA_HOST names no metadata service of a machine" in run.stderr, run.stderr


@pytest.mark.parametrize("wrong, says", [
    (dict(audience="other"), r"refused the jwt login \(400\)"), (dict(seconds=-400), r"refused the jwt login \(400\)"),
])
def test_a_web_token_that_is_refused(sallyport, bao, enabled, url_of, web_token, wrong, says):
    run = sallyport.exec(psql(WHO), url_of(auth="jwt", role="app", jwt_file=web_token(**wrong)), env=bao.environment())
    assert run.code == 125 and re.search(says, run.stderr) and "audience" in run.stderr, run.stderr


def test_other_refusals_name_the_method(sallyport, bao, enabled, url_of, pki):
    wrong = sallyport.secret_file("canary-wrong", "userpass")
    stranger = pki.client("vault-stranger", cn="stranger")
    for url, says in ((url_of(auth="userpass", username="app", password_file=wrong), "userpass login"),
                      (url_of(auth="cert", client_cert=stranger.certificate, client_key=stranger.key), "cert login")):
        run = sallyport.exec(psql(WHO), url, env=bao.environment())
        assert run.code == 125 and f"Vault refused the {says}" in run.stderr, run.stderr
        assert "canary" not in run.stderr


class VaultFront(http.server.BaseHTTPRequestHandler):
    """OpenBao has no AWS method: in front of it the login is checked by botocore, AWS's own signer, and answered by another method's token."""

    def do_POST(self):      # noqa: N802
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/v1/auth/aws/login":
            login = json.loads(body)
            self.server.logins.append(login)
            if not self.server.is_signed(login):
                return self.answer(400, b'{"errors":["error making upstream request: received error code 403 from STS"]}')
            answer = self.server.bao.call("POST", "auth/userpass/login/app", {"password": "canary userpass \u00e4"}, token="")
            return self.answer(200, json.dumps(answer).encode())
        self.onward(body)

    def do_GET(self):       # noqa: N802
        self.onward(None)

    def onward(self, body):
        try:
            answer = self.server.bao.call(self.command, self.path.removeprefix("/v1/"), json.loads(body) if body else None,
                                          token=self.headers["X-Vault-Token"])
            self.answer(200 if answer is not None else 204, json.dumps(answer).encode() if answer is not None else b"")
        except ApiError as error:
            self.answer(error.status, str(error).partition(": ")[2].encode())

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def aws_front(bao, enabled, pki):
    auth = require_module("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+canary", "canary-session-token")

    def is_signed(login):
        url, data, headers = (base64.b64decode(login[f"iam_request_{name}"]).decode() for name in ("url", "body", "headers"))
        headers = json.loads(headers)
        authorization = headers.pop("Authorization")
        request = AWSRequest(method=login["iam_http_request_method"], url=url, data=data, headers=headers)
        request.context["timestamp"] = headers["X-Amz-Date"]
        region = re.search(r"/\d{8}/([a-z0-9-]+)/sts/aws4_request", authorization).group(1)
        signer = auth.SigV4Auth(keys, "sts", region)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        return authorization.endswith(f"Signature={expected}") and data == "Action=GetCallerIdentity&Version=2011-06-15"
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), VaultFront)
    server.bao, server.logins, server.is_signed = bao, [], is_signed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.leaf("ip-only").certificate, pki.leaf("ip-only").key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.env = {"VAULT_ADDR": f"https://127.0.0.1:{server.server_port}", "VAULT_CACERT": pki.ca, "AWS_ACCESS_KEY_ID": keys.access_key,
                  "AWS_SECRET_ACCESS_KEY": keys.secret_key, "AWS_SESSION_TOKEN": keys.token}
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("more, host", [({}, "sts.amazonaws.com"), ({"region": "eu-west-1", "iam_server_id": "vault.example.com"},
                                                                   "sts.eu-west-1.amazonaws.com")])
def test_an_aws_identity(sallyport, bao, aws_front, url_of, more, host):
    url = url_of(auth="aws", role="app", **more)
    may = "iam_server_id" not in more       # it says what our signature is good for: not for the environment to decide
    if not may:
        refused = sallyport.exec(psql(WHO), url, env={**bao.environment(), **aws_front.env})
        assert refused.code == 125 and "iam_server_id chooses who gets our token" in refused.stderr, refused.stderr
        assert not aws_front.logins
    log_in(sallyport, bao, url, "userpass", env=aws_front.env, in_environment=may)
    [login] = aws_front.logins
    assert login["role"] == "app" and base64.b64decode(login["iam_request_url"]).decode() == f"https://{host}/"
    headers = json.loads(base64.b64decode(login["iam_request_headers"]))
    assert headers.get("X-Vault-AWS-IAM-Server-ID") == more.get("iam_server_id")
    sallyport.assert_no_canary(aws_front.env["AWS_SECRET_ACCESS_KEY"])
    wrong = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={url}"], env={**aws_front.env, "AWS_SECRET_ACCESS_KEY": "other"})
    assert wrong.code == 125 and "Vault refused the aws login (400)" in wrong.stderr and "binds our ARN" in wrong.stderr, wrong.stderr


# ---- Wrapped secret ids -------------------------------------------------------------------------


@pytest.fixture
def wrapped_url(sallyport, bao, url_of):
    def make(token, **changes):
        role_id = bao.approle()[0]
        path = sallyport.secret_file(token, "wrapped")
        return url_of(auth="approle", role_id=role_id, secret_id_file=path, secret_id_wrapped="true", role="app", **changes)
    return make


def security(sallyport):
    return [row for row in sallyport.audit("--kind", "security") if row["result"] == "unwrap_failed"]


def test_a_wrapped_secret_id_opens_once(sallyport, bao, wrapped_url):
    url = wrapped_url(bao.wrapped("auth/approle/role/app/secret-id"))
    log_in(sallyport, bao, url, "approle")
    assert not security(sallyport)
    second = sallyport.exec(["echo", "started"], url, env=bao.environment())
    assert second.code == 125 and "started" not in second.stdout
    assert "was opened before, or has expired" in second.stderr and "secret-id-accessor/destroy" in second.stderr, second.stderr
    [event] = security(sallyport)
    assert "was opened before, or has expired" in event["reason"]


def test_what_was_wrapped_elsewhere_is_not_opened(sallyport, bao, wrapped_url):
    """An attacker who opened the real one may wrap what he likes; where it was made he cannot choose."""
    role_id, secret_id = bao.approle()
    token = bao.wrapped("sys/wrapping/wrap", {"secret_id": secret_id})
    run = sallyport.exec(["echo", "started"], wrapped_url(token), env=bao.environment())
    assert run.code == 125 and 'was made at "sys/wrapping/wrap"' in run.stderr, run.stderr
    assert 'expected "auth/approle/role/app/secret-id"' in run.stderr and secret_id not in run.output
    assert len(security(sallyport)) == 1
    assert bao.call("POST", "sys/wrapping/unwrap", token=token)["data"]["secret_id"] == secret_id


def test_a_secret_id_of_another_role_is_not_opened(sallyport, bao, wrapped_url):
    bao.call("POST", "auth/approle/role/other", {"token_policies": "app"})
    run = sallyport.exec(["echo", "started"], wrapped_url(bao.wrapped("auth/approle/role/other/secret-id")), env=bao.environment())
    assert run.code == 125 and "auth/approle/role/other/secret-id" in run.stderr, run.stderr
    assert len(security(sallyport)) == 1


def test_resolve_does_not_use_a_wrapped_secret_id_up_unasked(sallyport, bao, wrapped_url):
    url = wrapped_url(bao.wrapped("auth/approle/role/app/secret-id"))
    run = sallyport.run("resolve", url, env=bao.environment())
    assert run.code == 2 and "can be opened once" in run.stderr and "--yes" in run.stderr
    log_in(sallyport, bao, url, "approle")
    assert not security(sallyport)


def test_resolve_and_vault_apply_leave_the_alarm_in_the_trail(sallyport, bao, wrapped_url):
    url = wrapped_url(bao.wrapped("auth/approle/role/app/secret-id"))
    sallyport.run("resolve", url, "--yes", env=bao.environment()).ok()
    run = sallyport.run("resolve", url, "--yes", env=bao.environment())
    assert run.code == 2 and "was opened before" in run.stderr
    [event] = security(sallyport)
    assert event["reason"].startswith("resolve: secret source vault:") and "secret-id-accessor/destroy" in event["reason"]
    password = f"vault:secret/admin?role_id={bao.approle()[0]}&secret_id_file={sallyport.folder}/home/wrapped&secret_id_wrapped=true"
    file = sallyport.config(f"""version: 1
connections:
  fresh: {{connection_url: "postgresql://localhost/app?sslmode=verify-full", username: admin, auth: "{password}"}}
""", "vault.yaml")
    run = sallyport.run("vault", "apply", file, "--yes", "--allow-root-token", env=bao.environment(ROOT_TOKEN))
    assert run.code == 2 and "was opened before" in run.stderr, run.output
    assert len(security(sallyport)) == 2


def test_a_vault_that_cannot_answer_is_no_alarm(sallyport, own_bao, pg, pki, url_of):
    role_id = own_bao.approle()[0]
    path = sallyport.secret_file(own_bao.wrapped("auth/approle/role/app/secret-id"), "wrapped")
    own_bao.seal()
    run = sallyport.exec(psql(WHO), url_of(role_id=role_id, secret_id_file=path, secret_id_wrapped="true"), env=own_bao.environment())
    assert run.code != 0 and "sealed" in run.stderr and not security(sallyport)


# ---- Namespaces, quotas -------------------------------------------------------------------------


def test_a_login_in_a_namespace(sallyport, own_bao, pg, pki, secret):
    own_bao.call("POST", "sys/namespaces/team1", {})
    own_bao.call("POST", "team1/sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    own_bao.call("PUT", "team1/sys/policies/acl/app", {"policy": 'path "kv/*" { capabilities = ["read"] }'})
    own_bao.call("POST", "team1/sys/auth/userpass", {"type": "userpass"})
    own_bao.call("POST", "team1/auth/userpass/users/app", {"password": "canary-of-team1", "token_policies": "app"})
    own_bao.call("POST", "team1/kv/data/db", {"data": {"username": "app", "password": "older"}})
    own_bao.call("POST", "team1/kv/data/db", {"data": {"username": "app", "password": secret}})
    path = sallyport.secret_file("canary-of-team1", "userpass")
    query = (f"engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}&auth=userpass&username=app"
             f"&password_file={path}")
    url = f"vault:kv/db?{query}"
    by_attribute = sallyport.exec(psql("SELECT current_user"), f"{url}&namespace=team1", env=own_bao.environment()).ok()
    by_variable = sallyport.exec(psql("SELECT current_user"), url, env={**own_bao.environment(), "VAULT_NAMESPACE": "team1"}).ok()
    assert by_attribute.stdout == by_variable.stdout == "app\n"
    shown = sallyport.run("resolve", f"vault:kv/db?namespace=team1&version=1&auth=userpass&username=app&password_file={path}",
                          env=own_bao.environment()).ok()
    assert re.search(r"version +1\n", shown.stdout)
    elsewhere = sallyport.exec(psql("SELECT 1"), f"{url}&namespace=team2", env=own_bao.environment())
    assert elsewhere.code == 125 and "namespace" in elsewhere.stderr


def test_a_rate_limit_is_waited_out(sallyport, own_bao, pg, pki, secret):
    own_bao.call("POST", "secret/data/db", {"data": {"username": "app", "password": secret}})
    own_bao.call("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    own_bao.call("POST", "sys/quotas/rate-limit/g", {"rate": 1, "interval": "2s", "path": "secret/"})
    token = own_bao.token()
    with pytest.raises(ApiError) as limited:
        for _ in range(3):
            own_bao.call("GET", "secret/data/db")
    assert limited.value.status == 429
    url = f"vault:secret/db?engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    assert sallyport.exec(psql("SELECT current_user"), url, env=own_bao.environment(token)).ok().stdout == "app\n"


def test_attributes_of_another_method_are_refused(sallyport, bao, url_of):
    for changes, says in ((dict(auth="jwt", role="app"), "jwt_file"), (dict(auth="kubernetes", role="app", username="x"), "username"),
                          (dict(role="app"), "auth="), (dict(auth="ldap"), "kubernetes, jwt, cert")):
        run = sallyport.exec(psql(WHO), url_of(**changes), env=bao.environment())
        assert run.code == 125 and says in run.stderr, run.stderr
