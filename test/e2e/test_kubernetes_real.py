"""k8s: against a real kube-apiserver and etcd. Optional, because the server takes 20 minutes to build: `kube-apiserver` and `etcd` are looked for in
$SALLYPORT_CACHE. What it answers is recorded in data/kubernetes_answers.json, to which test_kubernetes.py
holds our own server; SALLYPORT_RECORD=1 writes the file anew."""

import base64
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import require
from harness import kubernetes_answers
from harness.children import psql
from harness.kubernetes_api import Pod, can_unshare
from harness.processes import die_with_parent, free_port, stop, wait_for
from harness.sallyport import reference

ADMIN = "admin-of-the-test"


def found(name):
    path = os.path.join(os.environ.get("SALLYPORT_CACHE", ""), name)
    return path if os.environ.get("SALLYPORT_CACHE") and os.access(path, os.X_OK) else None


class RealApi:
    def __init__(self, folder, pki):
        self.folder, self.pki = folder, pki
        os.makedirs(folder, exist_ok=True)
        self.port, etcd = free_port(), free_port(2)
        path = lambda name: os.path.join(folder, name)      # noqa: E731
        for words in (["genrsa", "-out", path("sa.key")], ["rsa", "-in", path("sa.key"), "-pubout", "-out", path("sa.pub")]):
            subprocess.run(["openssl", *words], check=True, capture_output=True)
        with open(path("tokens.csv"), "w", encoding="ascii") as file:
            file.write(f'{ADMIN},admin,1,"system:masters"\n')
        leaf = pki.leaf("ip-only")
        self.processes = []
        self._start("etcd", f"--data-dir={path('etcd')}", f"--listen-client-urls=http://127.0.0.1:{etcd}", "--unsafe-no-fsync",
                    f"--advertise-client-urls=http://127.0.0.1:{etcd}", f"--listen-peer-urls=http://127.0.0.1:{etcd + 1}")
        self._start("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                    f"--secure-port={self.port}", f"--tls-cert-file={leaf.certificate}", f"--tls-private-key-file={leaf.key}",
                    f"--client-ca-file={pki.ca}", f"--token-auth-file={path('tokens.csv')}", f"--cert-dir={path('certs')}",
                    f"--service-account-issuer=https://127.0.0.1:{self.port}", f"--service-account-key-file={path('sa.pub')}",
                    f"--service-account-signing-key-file={path('sa.key')}", "--service-cluster-ip-range=10.0.0.0/24",
                    "--authorization-mode=RBAC", "--endpoint-reconciler-type=none", "--enable-priority-and-fairness=false")
        wait_for(self._ready, "the API server to be ready", 60)

    @property
    def address(self):
        return f"https://127.0.0.1:{self.port}"

    def _start(self, name, *words):
        with open(os.path.join(self.folder, name + ".log"), "wb") as log:
            self.processes.append(subprocess.Popen([found(name), *words], stdout=log, stderr=log, cwd=self.folder,
                                                   preexec_fn=die_with_parent(signal.SIGTERM)))

    def close(self):
        for process in reversed(self.processes):
            stop(process)

    def call(self, method, path, body=None, token=ADMIN):
        """(status, the decoded body)"""
        request = urllib.request.Request(self.address + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.pki.ca), timeout=20) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def _ready(self):
        try:
            request = urllib.request.Request(self.address + "/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
            return urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.pki.ca), timeout=5).status == 200
        except OSError:
            return False

    def put(self, namespace, name, data):
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        body = {"metadata": {"name": name}, "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}}
        assert self.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body)[0] == 201

    def allow(self, namespace, name, account="app", home="prod"):
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        role = {"metadata": {"name": f"read-{name}"},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]}]}
        binding = {"metadata": {"name": f"read-{name}"}, "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"read-{name}"}}
        assert self.call("POST", f"{rbac}/roles", role)[0] == 201
        assert self.call("POST", f"{rbac}/rolebindings", binding)[0] == 201

    def token(self, account="app", home="prod", seconds=3600):
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": home}})
        self.call("POST", f"/api/v1/namespaces/{home}/serviceaccounts", {"metadata": {"name": account}})
        code, answer = self.call("POST", f"/api/v1/namespaces/{home}/serviceaccounts/{account}/token",
                                 {"spec": {"expirationSeconds": max(seconds, 600)}})
        assert code == 201, answer
        return answer["status"]["token"]


@pytest.fixture(scope="module")
def real(base, pki):
    require(found("kube-apiserver") and found("etcd"), "kube-apiserver and etcd of tools/kube_apiserver.sh", ci_too=False)
    api = RealApi(os.path.join(base, "kube"), pki)
    yield api
    api.close()


def test_a_secret_of_a_real_cluster_logs_in(sallyport, real, pg, pki, secret):
    require(can_unshare(), "mount namespaces", ci_too=False)
    pod = Pod(sallyport.folder, real)
    real.put("prod", "db", {"username": "app", "password": secret})
    url = reference("k8s:prod/db", engine="postgresql", host="localhost", port=pg.port, dbname="app", sslrootcert=pki.ca)
    denied = sallyport.exec(psql("SELECT current_user"), url, env=pod.env, inside=pod.inside)
    assert "system:serviceaccount:prod:app may not read this Secret (403)" in denied.stderr
    real.allow("prod", "db")
    assert sallyport.exec(psql("SELECT current_user"), url, env=pod.env, inside=pod.inside).ok().stdout == "app\n"


def test_the_recorded_answers_are_the_real_ones(real):
    """Statuses, reasons, messages and the shape of a Secret, which test_kubernetes.py holds our own server to."""
    answers = kubernetes_answers.collect(real, lambda path, token: real.call("GET", path, token=token or real.token()))
    version = real.call("GET", "/version")[1]["gitVersion"]
    if os.environ.get("SALLYPORT_RECORD"):
        kubernetes_answers.record(answers, version)
    assert answers == kubernetes_answers.recorded()["answers"]
