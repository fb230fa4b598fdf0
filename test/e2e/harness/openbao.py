"""A real OpenBao in development mode over TLS, its database engine pointed at a Postgres."""

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from .processes import die_with_parent, free_port, stop, wait_for

ROOT_TOKEN = "root-of-the-test-openbao"

# What docs/vault.md tells an operator to allow.
POLICY = """
path "database/creds/*" { capabilities = ["read"] }
path "database/static-creds/*" { capabilities = ["read"] }
path "secret/*" { capabilities = ["read"] }
path "kv1/*" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
"""
REVOKE = 'path "sys/leases/revoke" { capabilities = ["update"] }\n'

CREATE = """CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_owner;"""
# The server itself remembers each password that OpenBao made, for the test to look for.
REMEMBERING = CREATE + "INSERT INTO issued VALUES ('{{name}}', '{{password}}');"
DROP = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}';
REASSIGN OWNED BY "{{name}}" TO app_owner; DROP OWNED BY "{{name}}"; DROP ROLE IF EXISTS "{{name}}";"""


@contextlib.contextmanager
def remembered(pg):
    """with remembered(pg) as passwords: passwords() are those of the users made by REMEMBERING; of living or dead ones alone."""
    pg.sql("CREATE TABLE issued (name text, password text)", database="app")

    def passwords(alive=None):
        only = {None: "", True: "WHERE", False: "WHERE NOT"}[alive]
        exists = f"{only} EXISTS (SELECT FROM pg_roles WHERE rolname = name)" if only else ""
        return [row[0] for row in pg.sql(f"SELECT password FROM issued {exists}", database="app")]
    try:
        yield passwords
    finally:
        pg.sql("DROP TABLE issued", database="app")


def program():
    path = os.path.join(os.path.dirname(sys.executable), "bao")
    return path if os.access(path, os.X_OK) else None


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status


class OpenBao:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.port = free_port(2)
        self.process = None
        self.log_file = os.path.join(folder, "log")
        self.start()

    @property
    def address(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self):
        return os.path.join(self.folder, "tls", "vault-ca.pem")

    def start(self):
        os.makedirs(os.path.join(self.folder, "tls"), exist_ok=True)
        log = open(self.log_file, "wb")
        self.process = subprocess.Popen(
            [program(), "server", "-dev", f"-dev-root-token-id={ROOT_TOKEN}", "-dev-no-store-token", "-dev-tls",
             f"-dev-tls-cert-dir={self.folder}/tls", f"-dev-listen-address=127.0.0.1:{self.port}"],
            stdout=log, stderr=log, env={"PATH": os.environ["PATH"], "HOME": self.folder},
            preexec_fn=die_with_parent(signal.SIGTERM), cwd=self.folder,
            start_new_session=True)     # as a service has: a busy crowd in the tests' own would leave it nothing (autogroup)
        # Each process of PostgreSQL's is a session, too, and 64 busy ones would leave it a 66th of this small machine. A manager is elsewhere.
        try:
            with open(f"/proc/{self.process.pid}/autogroup", "w", encoding="ascii") as file:
                file.write("-15")
        except OSError:
            pass        # no such scheduler, or not root
        log.close()
        wait_for(self._healthy, "OpenBao to be active", 30)

    def close(self):
        stop(self.process)

    def call(self, method, path, body=None, token=ROOT_TOKEN, headers=()):
        """One API call; the decoded answer (None for 204). Raises ApiError."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("X-Vault-Token", token)
        request.add_header("X-Vault-Request", "true")
        for name, value in headers:
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=self.ca), timeout=20) as reply:
                text = reply.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, error.read().decode(errors="replace")) from None

    def seal(self):
        self.call("PUT", "sys/seal")

    def unseal(self):
        self.call("PUT", "sys/unseal", {"key": self._unseal_key()})
        wait_for(self._healthy, "OpenBao to be unsealed")

    def use_database(self, pg, database="app", admin_password=""):
        """Mounts the database engine and KV v1 and v2, and writes the policies `app` and `app-norevoke`."""
        self.call("POST", "sys/mounts/database", {"type": "database"})
        self.call("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
        self.call("POST", "database/config/pg", {
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "postgres",
            "password": admin_password,
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{pg.port}/{database}?sslmode=require"})
        self.call("PUT", "sys/policies/acl/app", {"policy": POLICY + REVOKE})
        self.call("PUT", "sys/policies/acl/app-norevoke", {"policy": POLICY})
        self.call("POST", "sys/auth/approle", {"type": "approle"})
        self.call("POST", "auth/approle/role/app", {"token_policies": "app", "token_ttl": "1h"})

    def role(self, name, ttl="1h", max_ttl="24h", create=CREATE, drop=DROP):
        self.call("POST", f"database/roles/{name}", {
            "db_name": "pg", "default_ttl": ttl, "max_ttl": max_ttl, "creation_statements": create,
            "revocation_statements": drop})

    def token(self, policy="app", ttl="1h", **more):
        """A token that an application would hold: neither root nor able to do more than the policy."""
        body = {"policies": [policy], "ttl": ttl, "no_parent": True, **more}
        return self.call("POST", "auth/token/create", body)["auth"]["client_token"]

    def approle(self, name="app"):
        """(role id, a fresh secret id)"""
        role = self.call("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        return role, self.call("POST", f"auth/approle/role/{name}/secret-id", {})["data"]["secret_id"]

    def wrapped(self, path, body=None):
        """A wrapping token of what `path` answers."""
        return self.call("POST", path, body or {}, headers=[("X-Vault-Wrap-TTL", "60s")])["wrap_info"]["token"]

    def leases(self, role):
        """Live lease ids of a database role."""
        try:
            return self.call("LIST", f"sys/leases/lookup/database/creds/{role}/")["data"]["keys"]
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    def environment(self, token=None):
        """What an operator would export for Sallyport."""
        env = {"VAULT_ADDR": self.address, "VAULT_CACERT": self.ca}
        if token:
            env["VAULT_TOKEN"] = token
        return env

    def _unseal_key(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return re.search(r"Unseal Key: (\S+)", file.read()).group(1)

    def _healthy(self):
        if self.process.poll() is not None:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                raise RuntimeError("OpenBao did not start:\n" + file.read()[-2000:])
        try:
            self.call("GET", "sys/health")
            return True
        except (OSError, ApiError):
            return False
