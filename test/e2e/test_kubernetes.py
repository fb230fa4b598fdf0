"""k8s: the vendor's own client against our API server first, then Sallyport against it, inside what a pod sees."""

import base64
import json
import re
import subprocess
import time

import pytest

from conftest import require, require_module
from harness import canary, kubernetes_answers
from harness.children import psql, python
from harness.kubernetes_api import KubernetesApi, Mount, Pod, can_unshare
from harness.processes import wait_for
from harness.sallyport import reference
from harness.service import Service

WHO = "SELECT current_user"


@pytest.fixture
def api(pki):
    it = KubernetesApi(pki)
    yield it
    it.close()


def test_our_api_server_answers_as_a_real_one_did(api):
    """Recorded from kube-apiserver by test_kubernetes_real.py."""
    ours = kubernetes_answers.collect(api, lambda path, token: api.answer(path, f"Bearer {token or api.token()}"))
    assert json.loads(json.dumps(ours)) == kubernetes_answers.recorded()["answers"]


@pytest.fixture
def pod(sallyport, api):
    require(can_unshare(), "mount namespaces", ci_too=False)
    return Pod(sallyport.folder, api)


@pytest.fixture
def url(pg, pki):
    def make(source="k8s:prod/db", **changes):
        attributes = {"engine": "postgresql", "host": "localhost", "port": pg.port, "dbname": "app", "sslrootcert": pki.ca, **changes}
        return reference(source, **{k: v for k, v in attributes.items() if v is not None})
    return make


def client_of(api, token, folder):
    kubernetes = require_module("kubernetes")
    from kubernetes.config.incluster_config import InClusterConfigLoader
    mount = Mount(str(folder / "mount"), token=token, ca_crt=open(api.pki.ca, encoding="ascii").read())
    configuration = kubernetes.client.Configuration()
    InClusterConfigLoader(token_filename=f"{mount.folder}/token", cert_filename=f"{mount.folder}/ca.crt",
                          environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
                          ).load_and_set(configuration)
    return kubernetes, kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))


def test_the_vendors_client_reads_a_secret_from_our_api_server(api, tmp_path):
    api.put("prod", "db", {"username": "app", "password": "p\u00e4ss\n"}, "kubernetes.io/basic-auth")
    api.allow("prod", "db")
    _, client = client_of(api, api.token(), tmp_path)
    secret = client.read_namespaced_secret("db", "prod")
    assert secret.type == "kubernetes.io/basic-auth" and secret.metadata.resource_version.isdigit()
    assert base64.b64decode(secret.data["password"]).decode() == "p\u00e4ss\n"


@pytest.mark.parametrize("what, code, reason", [("foreign", 401, "Unauthorized"), ("expired", 401, "Unauthorized"),
                                                ("audience", 401, "Unauthorized"), ("denied", 403, "Forbidden"),
                                                ("missing", 404, "NotFound")])
def test_the_vendors_client_understands_its_refusals(api, tmp_path, what, code, reason):
    api.allow("prod", "absent")
    token = {"foreign": "eyJ.eyJ.c2ln", "expired": api.token(seconds=-5), "audience": api.token(audience="vault")}.get(what, api.token())
    kubernetes, client = client_of(api, token, tmp_path)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        client.read_namespaced_secret("absent" if what == "missing" else "db", "prod")
    assert refused.value.status == code and json.loads(refused.value.body)["reason"] == reason


@pytest.mark.parametrize("source, data", [
    ("k8s:prod/db", {"username": "app", "password": "{}"}),
    ("k8s:db", {"username": "app", "password": "{}"}),
    ("k8s:prod/db", {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "{}\n"}),
    ("k8s:prod/db#uri", {"uri": "postgresql://app:{}@elsewhere:1/x?sslmode=disable"}),
    ("k8s:prod/db#config.json", {"config.json": '{{"username": "app", "password": "{}"}}'}),
])
def test_a_secret_of_the_cluster_logs_in(sallyport, api, pod, url, secret, source, data):
    quoted = secret.replace("%", "%25").replace("@", "%40").replace("/", "%2F").replace(":", "%3A").replace("#", "%23").replace("?", "%3F")
    api.put("prod", "db", {key: value.replace("{}", quoted if key == "uri" else secret) if "{{" not in value
                           else value.format(secret) for key, value in data.items()})
    api.allow("prod", "db")
    run = sallyport.exec(psql(WHO), url(source), env=pod.env, inside=pod.inside).ok()
    assert run.stdout == "app\n"
    assert [path for _, path, _ in api.requests] == ["/api/v1/namespaces/prod/secrets/db"]
    sallyport.assert_no_canary(secret)


def test_what_cloudnativepg_writes_is_a_whole_target(sallyport, api, pod, pg, pki, secret):
    """Its user secrets name host, port and database as well, and in several forms that are left alone."""
    api.put("prod", "cluster-app", {
        "dbname": "app", "fqdn-jdbc-uri": "jdbc:postgresql://x", "fqdn-uri": "postgresql://x", "host": "localhost", "jdbc-uri": "jdbc:x",
        "password": secret, "pgpass": "localhost:1:app:app:x\n", "port": str(pg.port), "uri": "postgresql://evil", "user": "app",
        "username": "app"}, "kubernetes.io/basic-auth")
    api.allow("prod", "cluster-app")
    whole = reference("k8s:prod/cluster-app", engine="postgresql", sslrootcert=pki.ca)
    assert sallyport.exec(psql(WHO), whole, env=pod.env, inside=pod.inside).ok().stdout == "app\n"


def test_a_client_certificate_of_cert_manager_logs_in(sallyport, api, pod, url, pki):
    leaf = pki.client("k8s-cert", cn="cert_user")
    api.put("prod", "tls", {"tls.crt": open(leaf.certificate, encoding="ascii").read(), "tls.key": open(leaf.key, encoding="ascii").read(),
                            "ca.crt": open(pki.ca, encoding="ascii").read()}, "kubernetes.io/tls")
    api.allow("prod", "tls")
    run = sallyport.exec(psql(WHO), url("k8s:prod/tls", user="cert_user"), env=pod.env, inside=pod.inside).ok()
    assert run.stdout == "cert_user\n"


def test_who_may_not_read_it_is_told_the_rules_to_add(sallyport, api, pod, url):
    api.put("data", "db", {"password": "x"})
    run = sallyport.exec(psql(WHO), url("k8s:data/db"), env=pod.env, inside=pod.inside)
    assert run.code == 125
    for words in ("system:serviceaccount:prod:app may not read this Secret (403)", "resourceNames: [db], verbs: [get]",
                  "subjects: [{kind: ServiceAccount, name: app, namespace: prod}]", "kubectl -n data create role read-db"):
        assert words in run.stderr, run.stderr
    assert pod.token not in run.stderr


@pytest.mark.parametrize("data, source, says", [
    ({"username": "app", "pass": "x"}, "k8s:prod/db", r"none of its keys is a password; it has pass, username"),
    ({"username": "app", "password": "x"}, "k8s:prod/db#secret", r"no such key; it has password, username"),
    ({}, "k8s:prod/db", "the Secret is empty"),
    ({"password": b"\xff\xfe\x00"}, "k8s:prod/db#password", "binary"),
    (None, "k8s:prod/db", 'there is no Secret "db" in namespace prod'),
])
def test_what_is_wrong_with_a_secret_is_said(sallyport, api, pod, url, data, source, says):
    if data is not None:
        api.put("prod", "db", data)
    api.allow("prod", "db")
    run = sallyport.exec(psql(WHO), url(source, user="app"), env=pod.env, inside=pod.inside)
    assert run.code == 125 and re.search(says, run.stderr), run.stderr


def test_a_token_that_was_replaced_is_read_anew(sallyport, api, pod, pg, pki, secret):
    """The kubelet replaces it at 80 % of its life; the old one is no good any more. A changed Secret is noticed as well."""
    pg.sql("CREATE ROLE k8s_user LOGIN PASSWORD 'first-of-k8s'")
    api.put("prod", "db", {"password": "first-of-k8s"})
    api.allow("prod", "db")
    service = Service(sallyport, pg, pki, "k8s:prod/db#password", user="k8s_user")
    service.start(env=pod.env, inside=pod.inside)
    try:
        first = pod.token
        pod.rotate_token()
        api.revoked.add(first)
        pg.sql("ALTER ROLE k8s_user PASSWORD 'second-of-k8s'")
        api.put("prod", "db", {"password": "second-of-k8s"})
        # A connection that was made ready before needs no password.
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'k8s_user'")
        done = subprocess.run(["psql", "-XAtqc", WHO, f"host={service.directory} port={service.port} dbname=app"],
                              capture_output=True, text=True, timeout=30)
        assert done.stdout == "k8s_user\n", done.stderr + service.run.output
        assert api.requests[-1][2] == f"Bearer {pod.token}"
    finally:
        service.stop()
        pg.sql("DROP ROLE k8s_user")


def test_a_busy_or_failing_api_server_is_asked_again(sallyport, api, pod, url, secret):
    api.put("prod", "db", {"username": "app", "password": secret})
    api.allow("prod", "db")
    api.moods = [(429, {"kind": "Status", "code": 429}, [("Retry-After", "1")]), (500, {"kind": "Status", "reason": "InternalError"})]
    assert sallyport.exec(psql(WHO), url(), env=pod.env, inside=pod.inside).ok().stdout == "app\n"
    assert len(api.requests) == 3


def test_the_environment_alone_does_not_choose_where_the_token_goes(sallyport, api, url, pki, secret):
    api.put("prod", "db", {"username": "app", "password": secret})
    api.allow("prod", "db")
    token = sallyport.secret_file(api.token(), "token")
    named = url(server=api.address, token_file=token, ca_file=pki.ca)
    for attribute in ("server", "token_file", "ca_file"):
        one = {"server": api.address, "token_file": token, "ca_file": pki.ca}
        refused = sallyport.exec(psql(WHO), url(**({attribute: one[attribute]} | ({"token_file": token} if attribute == "server" else {}))))
        assert refused.code == 125 and attribute in refused.stderr and "environment alone" in refused.stderr, refused.stderr
    assert not api.requests
    run = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={named}"]).ok()
    assert run.stdout == "app\n"


def test_outside_a_cluster_it_is_said(sallyport, url):
    run = sallyport.exec(psql(WHO), url())
    assert run.code == 125 and "not inside a cluster" in run.stderr and "server=" in run.stderr


def test_whoami_names_the_service_account(sallyport, api, pod):
    run = sallyport.start("whoami", "kubernetes", "--format", "json", env=pod.env, inside=pod.inside).wait().ok()
    [who] = json.loads(run.stdout)
    assert who["identity"] == "system:serviceaccount:prod:app" and who["provider"] == "service account" and "expires" in who
    assert pod.token not in run.output and not api.requests
    nobody = sallyport.run("whoami", "kubernetes")
    assert nobody.code == 1 and "not inside a cluster" in nobody.stdout


def test_resolve_says_the_version_and_never_the_value(sallyport, api, pod, secret):
    api.put("prod", "db", {"username": "app", "password": secret})
    api.allow("prod", "db")
    run = sallyport.start("resolve", "k8s:prod/db", env=pod.env, inside=pod.inside).wait().ok()
    assert api.secrets["prod", "db"]["metadata"]["resourceVersion"] in run.stdout and api.address in run.stdout
    assert not canary.search(secret, run.output)


def test_a_projected_file_is_seen_when_data_is_swapped(sallyport, pg, pki):
    """Kubernetes replaces a mounted Secret by swapping the ..data link: the file's own link and its directory stay."""
    pg.sql("CREATE ROLE mounted_user LOGIN PASSWORD 'first-mounted'")
    mount = Mount(f"{sallyport.folder}/home/mounted", password="first-mounted")
    url = reference(f"file:{mount.folder}/password", allow_world_readable="true", engine="postgresql", host="localhost", port=pg.port,
                    dbname="app", user="mounted_user", sslrootcert=pki.ca)
    script = """
import os, psycopg, sys, time
def ask():
    with psycopg.connect(os.environ["DATABASE_URL"]) as c: return c.execute("SELECT current_user").fetchone()[0]
print(ask(), flush=True)
sys.stdin.readline()
print(ask(), flush=True)
"""
    run = sallyport.start_exec(python(script), flags=["-e", f"DATABASE_URL={url}"], stdin=subprocess.PIPE)
    try:
        run.until("mounted_user")
        mount.write(password="second-mounted")
        pg.sql("ALTER ROLE mounted_user PASSWORD 'second-mounted'")
        time.sleep(4)       # it is polled every 3 s
        run.process.stdin.write(b"\n")
        run.process.stdin.flush()
        wait_for(lambda: run.stdout == "mounted_user\n" * 2, "the second login")
        assert "28P01" not in run.output
    finally:
        run.process.stdin.close()
        run.wait()
        pg.sql("DROP ROLE mounted_user")
