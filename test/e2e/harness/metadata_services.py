"""The metadata services of Google Cloud and Azure, as far as a login to Vault asks them: identity tokens signed with a key of the test's.
Requests without the vendor's header are refused, as theirs do. The vendors' own clients have to be satisfied first: test_vault_auth.py."""

import http.server
import json
import threading
import time
import urllib.parse

from .kubernetes_api import sign_es256
from .processes import free_port

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):       # noqa: N802
        owner = self.server.owner
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        owner.requests.append(self.path)
        if url.path.startswith("/metadata/"):
            code, kind, body = owner.azure(url.path, query) if self.headers.get("Metadata") == "true" else (
                400, "application/json", json.dumps({"error": "invalid_request", "error_description": "Required metadata header not specified"}))
        else:
            code, kind, body = owner.google(url.path, query) if self.headers.get("Metadata-Flavor") == "Google" else (
                403, "text/plain", "Missing Metadata-Flavor:Google header.")
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if not url.path.startswith("/metadata/"):
            self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


class MetadataServices:
    def __init__(self, signer):
        self.signer = signer
        self.port = free_port()
        self.requests = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.owner = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def google(self, path, query):
        if path == "/":
            return 200, "text/plain", "computeMetadata/\n"
        account = "/computeMetadata/v1/instance/service-accounts/default/"
        if path == account and query.get("recursive") == "true":
            return 200, "application/json", json.dumps({"email": "vm@p.iam.gserviceaccount.com", "aliases": ["default"],
                                                        "scopes": ["https://www.googleapis.com/auth/cloud-platform"]})
        if path != account + "identity" or "audience" not in query:
            return 404, "text/html", "not found"
        now = int(time.time())
        claims = {"aud": query["audience"], "azp": "1177", "email": "vm@p.iam.gserviceaccount.com", "email_verified": True, "exp": now + 3600,
                  "iat": now, "iss": "https://accounts.google.com", "sub": "1177"}
        if query.get("format") == "full":
            claims["google"] = {"compute_engine": {"project_id": "p", "zone": "europe-west1-b", "instance_name": "vm", "instance_id": "17"}}
        return 200, "text/html", sign_es256(self.signer, claims)

    def azure(self, path, query):
        now = int(time.time())
        if path == "/metadata/identity/oauth2/token" and query.get("api-version") == "2018-02-01":
            claims = {"aud": query["resource"], "iss": "https://sts.windows.net/tenant/", "iat": now, "nbf": now, "exp": now + 3600,
                      "sub": "managed-identity", "oid": "managed-identity"}
            return 200, "application/json", json.dumps({
                "access_token": sign_es256(self.signer, claims), "client_id": "c", "expires_in": "3599", "expires_on": str(now + 3599),
                "ext_expires_in": "3599", "not_before": str(now), "resource": query["resource"], "token_type": "Bearer"})
        if path == "/metadata/instance/compute" and query.get("api-version"):
            return 200, "application/json", json.dumps({"name": "vm-1", "resourceGroupName": "group", "subscriptionId": SUBSCRIPTION,
                                                        "vmScaleSetName": ""})
        return 400, "application/json", json.dumps({"error": "invalid_request"})
