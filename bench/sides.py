"""The ways to one PostgreSQL that are compared. Each has `name`, `pid` of its proxy (None: no proxy), and runs a client.

What a `Setting` says holds for both proxies: how clients come, how servers are pooled, how many there are.
"""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
from harness.processes import cpu_seconds, die_with_parent, free_port, stop, wait_for  # noqa: E402
from harness.sallyport import Sallyport, binary  # noqa: E402
from harness.service import Service  # noqa: E402


@dataclass(frozen=True)
class Setting:
    mode: str = "transaction"
    pool: int = 8
    client: str = "unix"        # unix | tls | scram | token


@dataclass
class Ground:
    """What all sides stand on."""
    pg: object
    pki: object
    secret: str         # of the role app in PostgreSQL
    local: str          # the password of clients at the proxies
    folder: str
    sessions: int


def base_environment():
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PGAPPNAME": "bench", "HOME": "/nonexistent"}


class Side:
    pid = None

    def run(self, words, extra=None):
        """The finished client, its output as text."""
        return subprocess.run(words, env={**base_environment(), **self.env, **(extra or {})}, capture_output=True, text=True)

    def cpu(self):
        return cpu_seconds(self.pid) if self.pid else 0

    def close(self):
        pass


class Direct(Side):
    name = "direct"

    def __init__(self, ground):
        self.env = {"PGHOST": "localhost", "PGPORT": str(ground.pg.port), "PGUSER": "app", "PGDATABASE": "app",
                    "PGPASSWORD": ground.secret, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": ground.pki.ca}


def with_client_certificate(ground, port):
    leaf = ground.pki.client("bench")
    return {"PGHOST": "localhost", "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": "app", "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": ground.pki.ca, "PGSSLCERT": leaf.certificate, "PGSSLKEY": leaf.key}


def with_password(ground, port):
    return {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": "app", "PGPASSWORD": ground.local,
            "PGSSLMODE": "disable"}


def with_password_over_tls(ground, port):
    return {**with_password(ground, port), "PGHOST": "localhost", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": ground.pki.ca}


CLIENTS = {"tls": with_client_certificate, "tls-scram": with_password_over_tls}


class PgBouncer(Side):
    def __init__(self, ground, setting, program, version):
        self.name = f"PgBouncer {version}"
        folder = os.path.join(ground.folder, f"pgb-{version}")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        users, config = os.path.join(folder, "users.txt"), os.path.join(folder, "pgbouncer.ini")
        port = free_port()
        with open(users, "w", encoding="utf-8") as file:
            file.write(f'"app" "{ground.local}"\n')
        served = ground.pki.leaf("good")
        # Where its account can read them.
        own = {name: shutil.copy(path, os.path.join(folder, name)) for name, path in
               (("tls.crt", served.certificate), ("tls.key", served.key), ("ca.crt", ground.pki.ca), ("pgbouncer", program))}
        how = {"unix": "listen_addr =\nauth_type = any",
               "tls-scram": f"listen_addr = localhost\nauth_type = scram-sha-256\nclient_tls_sslmode = require\n"
                            f"client_tls_cert_file = {own['tls.crt']}\nclient_tls_key_file = {own['tls.key']}",
               "tls": f"listen_addr = localhost\nauth_type = cert\nclient_tls_sslmode = verify-full\nclient_tls_ca_file = {own['ca.crt']}\n"
                      f"client_tls_cert_file = {own['tls.crt']}\nclient_tls_key_file = {own['tls.key']}"}
        scram = "listen_addr = 127.0.0.1\nauth_type = scram-sha-256"
        prepared = "" if version.startswith("1.18") else "max_prepared_statements = 200\n"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""[databases]
app = host=localhost port={ground.pg.port} user=app password={ground.secret}
[pgbouncer]
{how.get(setting.client, scram)}
unix_socket_dir = {folder}
listen_port = {port}
auth_file = {users}
pool_mode = {setting.mode}
default_pool_size = {setting.pool}
max_client_conn = {ground.sessions + 500}
{prepared}ignore_startup_parameters = extra_float_digits,options
server_tls_sslmode = verify-full
server_tls_ca_file = {own['ca.crt']}
logfile = {folder}/log
log_connections = 0
log_disconnections = 0
""")
        for path in (folder, *(os.path.join(folder, name) for name in os.listdir(folder))):
            shutil.chown(path, "postgres", "postgres")
        self.process = subprocess.Popen([own["pgbouncer"], "-q", config], preexec_fn=die_with_parent(signal.SIGTERM),
                                        **ground.pg._as_account())
        self.pid = self.process.pid
        self.env = {"unix": {"PGHOST": folder, "PGPORT": str(port), "PGUSER": "app", "PGDATABASE": "app"},
                    }.get(setting.client) or CLIENTS.get(setting.client, with_password)(ground, port)
        wait_for(lambda: os.path.exists(f"{folder}/.s.PGSQL.{port}"), "PgBouncer to listen")

    def close(self):
        stop(self.process, signal.SIGINT)


class Served(Side):
    """`serve`: peer identity, client certificates, or local passwords."""
    name = "Sallyport"

    def __init__(self, ground, setting):
        folder = os.path.join(ground.folder, "serve")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.sallyport = Sallyport(folder)
        port = free_port()
        self.service = Service(self.sallyport, ground.pg, ground.pki, f"file:{self.sallyport.secret_file(ground.secret)}",
                               extra_target=f"    pool: {{mode: {setting.mode}, min_ready: {min(8, setting.pool)}, max: {setting.pool}}}")
        if setting.client != "unix":
            self.service.rewrite("state: ", self._route(ground, setting, folder, port) + "state: ")
        self.service.start()
        if setting.client != "unix":
            self.service.run.until("serving")
        self.pid = self.service.run.pid
        self.env = {"unix": {"PGHOST": self.service.directory, "PGPORT": "5432", "PGUSER": "app", "PGDATABASE": "app"},
                    }.get(setting.client) or CLIENTS.get(setting.client, with_password)(ground, port)

    def _route(self, ground, setting, folder, port):
        head = f"""  - listen: "tcp:127.0.0.1:{port}"\n    target: main\n"""
        tls = ""
        if setting.client.startswith("tls"):
            served = ground.pki.leaf("good")
            own = {name: shutil.copy(path, os.path.join(folder, name)) for name, path in
                   (("tls.crt", served.certificate), ("tls.key", served.key))}
            os.chmod(own["tls.key"], 0o600)
            asked = f', client_ca: "{ground.pki.ca}"' if setting.client == "tls" else ""
            tls = f"""    tls: {{cert: "{own['tls.crt']}", key: "{own['tls.key']}"{asked}, required: true}}\n"""
        if setting.client == "tls":
            return head + tls + "    allow: [{certificate: \"CN=app\"}]\n"
        path = os.path.join(folder, "passwords")
        subprocess.run([binary(), "passwd", "app", "--file", path, "--stdin"], input=ground.local + "\n", text=True, check=True,
                       capture_output=True, env=self.sallyport.env())
        return head + tls + f"    allow: [{{verifier: {path}}}]\n"

    def close(self):
        self.service.stop(signal.SIGTERM)


class Executed(Side):
    """`exec` on loopback TCP: clients are its child's descendants and log in with the token of the run. The variable held a URL of
    psycopg, so the token's verifier has one iteration; pgbench reads the same URL without the driver's name."""
    name = "Sallyport"

    def __init__(self, ground, setting):
        self.folder = os.path.join(ground.folder, "exec")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        sallyport = Sallyport(self.folder)
        config = sallyport.config(f"""version: 1
targets:
  main:
    engine: postgresql
    host: localhost
    port: {ground.pg.port}
    database: app
    auth: "file:{sallyport.secret_file(ground.secret)}"
    user: app
    tls: {{roots: ["{ground.pki.ca}"]}}
    pool: {{mode: {setting.mode}, min_ready: {min(8, setting.pool)}, max: {setting.pool}}}
""")
        self.process = subprocess.Popen([binary(), "exec", "-q", "-c", config, "--listen", "tcp", "-e", "DATABASE_URL=main",
                                         "--", "sh"], stdin=subprocess.PIPE, text=True,
                                        env={**sallyport.env(), **base_environment(), "HOME": sallyport.env()["HOME"],
                                             "DATABASE_URL": "postgresql+psycopg://db/app"},
                                        preexec_fn=die_with_parent(signal.SIGTERM))
        self.pid, self.count = self.process.pid, 0

    def run(self, words, extra=None):
        self.count += 1
        end, out = (os.path.join(self.folder, f"{name}-{self.count}") for name in ("end", "out"))
        settings = " ".join(f"{name}='{value}'" for name, value in (extra or {}).items())
        self.process.stdin.write(f'{settings} {" ".join(words)} "postgresql${{DATABASE_URL#postgresql+psycopg}}" >{out} 2>&1; echo $? >{end}.part; mv {end}.part {end}\n')
        self.process.stdin.flush()
        wait_for(lambda: os.path.exists(end), "the client to end", 300)
        with open(end, encoding="ascii") as code, open(out, encoding="utf-8") as text:
            return subprocess.CompletedProcess(words, int(code.read()), text.read(), "")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def sallyport_for(ground, setting):
    return (Executed if setting.client == "token" else Served)(ground, setting)
