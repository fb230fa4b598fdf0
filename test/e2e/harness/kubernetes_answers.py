"""What an API server answers to the requests that `k8s:` makes, without what differs from run to run. `data/kubernetes_answers.json`
holds what a real kube-apiserver answered (test_kubernetes_real.py compares and, with SALLYPORT_RECORD=1, writes it); ours must
answer the same (test_kubernetes.py)."""

import json
import os
import re

RECORDED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "kubernetes_answers.json")
NAMESPACE = "shape"


def stable(body):
    """Without identifiers, times, and what the server keeps for itself."""
    body = json.loads(re.sub(r'"(uid|resourceVersion|creationTimestamp|time)": "[^"]*"', r'"\1": "…"', json.dumps(body)))
    if isinstance(body, dict) and isinstance(body.get("metadata"), dict):
        body["metadata"].pop("managedFields", None)
    return body


def collect(api, get):
    """`api` has put() and allow(); `get(path, token)` gives (status, body), `token` None for the account's own."""
    api.put(NAMESPACE, "db", {"password": "x"})
    out = {}

    def ask(name, path, token=None):
        code, body = get(f"/api/v1/namespaces/{path}", token)
        out[name] = {"status": code, "body": stable(body)}
    ask("no token that is one", f"{NAMESPACE}/secrets/db", "eyJ.eyJ.c2ln")
    ask("not allowed", f"{NAMESPACE}/secrets/db")
    ask("not allowed, not there", f"{NAMESPACE}/secrets/absent")
    ask("namespace that is not there", "nowhere/secrets/db")
    for name in ("db", "absent"):
        api.allow(NAMESPACE, name)
    ask("a Secret", f"{NAMESPACE}/secrets/db")
    ask("not there", f"{NAMESPACE}/secrets/absent")
    return out


def recorded():
    with open(RECORDED, encoding="utf-8") as file:
        return json.load(file)


def record(answers, version):
    with open(RECORDED, "w", encoding="utf-8") as file:
        json.dump({"server": version, "answers": answers}, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")
