"""A real PostgreSQL in a folder of its own: TLS, every login method, changed and restarted at will."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import psycopg

from .processes import die_with_parent, find_program, free_port, stop, wait_for

BIN = "/usr/lib/postgresql/15/bin"
ADMIN_PASSWORD = "admin-of-the-test-server"

HBA = """
local   all  all                     trust
local   replication all              trust
hostssl all  md5_user   0.0.0.0/0    md5
hostssl all  plain_user 0.0.0.0/0    password
hostssl all  cert_user  0.0.0.0/0    cert
hostnossl all no_tls    0.0.0.0/0    scram-sha-256
hostssl all  all        0.0.0.0/0    scram-sha-256
hostssl all  all        ::0/0        scram-sha-256
"""

SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "400",
    "log_connections": "on", "log_disconnections": "on", "log_line_prefix": "'%m [%p] %u@%d '",
    "log_min_messages": "warning", "shared_buffers": "64MB", "max_wal_size": "2GB", "ssl": "on",
    "password_encryption": "'scram-sha-256'", "listen_addresses": "'127.0.0.1,127.0.0.2'", "max_prepared_transactions": "20",
}


def available():
    return find_program("postgres", BIN) is not None


class Postgres:
    def __init__(self, folder, pki, certificate="good", settings=None, follows=None, port=None, programs=BIN):
        """`follows`: the server that this one is a streaming standby of; it begins with a copy of it. `programs`: the folder of
        another version's."""
        self.programs = programs
        self.folder, self.pki = folder, pki
        self.data = os.path.join(folder, "data")
        self.port = port or free_port()
        self.log_file = os.path.join(folder, "log")
        self.process = None
        self._account = "postgres" if os.getuid() == 0 else None
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self._own(folder)
        if follows:
            self._copy(follows)
        else:
            self._init()
        self._configure({**SETTINGS, **(settings or {})})
        self._place_certificate(certificate)
        self.start()

    # -- life ------------------------------------------------------------------------------------

    def start(self):
        log = open(self.log_file, "ab")
        self.process = subprocess.Popen([find_program("postgres", self.programs), "-D", self.data, "-p", str(self.port)],
                                        stdout=log, stderr=log, preexec_fn=die_with_parent(signal.SIGQUIT),
                                        cwd=self.folder, **self._as_account())
        log.close()
        wait_for(self._answers, "PostgreSQL to accept connections", 30)

    def stop(self, immediate=False):
        stop(self.process, signal.SIGQUIT if immediate else signal.SIGINT, 20)

    def leftovers(self):
        """Processes of this server that live, whoever their parent is now."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/cwd") == self.data:
                    found.append(int(pid))
        return found

    def restart(self, immediate=False):
        self.stop(immediate)
        self.start()

    def promote(self):
        """A standby becomes the primary, as pg_ctl promote does it; returns once it takes writes."""
        self.sql("SELECT pg_promote(true, 60)")
        wait_for(lambda: self.sql("SELECT pg_is_in_recovery()") == [(False,)], "the standby to be promoted")

    def wait_for_standby(self):
        """Until all that was written here has been replayed by the standby."""
        wait_for(lambda: self.sql("SELECT 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"),
                 "the standby to catch up", 30)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        self.stop(immediate=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- use -------------------------------------------------------------------------------------

    def admin(self, database="postgres"):
        """A superuser's connection through the private socket."""
        return psycopg.connect(host=self.folder, port=self.port, user="postgres", dbname=database, autocommit=True)

    def sql(self, statement, *parameters, database="postgres"):
        """Runs statements as superuser; the rows of the last one, if it has rows."""
        with self.admin(database) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    @contextlib.contextmanager
    def log_since(self):
        """with pg.log_since() as read: …; read() gives what was logged since."""
        start = os.path.getsize(self.log_file)

        def read():
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                file.seek(start)
                return file.read()
        yield read

    @contextlib.contextmanager
    def table(self, name, columns):
        """In the database app, for the user app, empty; gone afterwards."""
        self.sql(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} ({columns}); GRANT ALL ON {name} TO app", database="app")
        try:
            yield
        finally:
            self.sql(f"DROP TABLE {name}", database="app")

    @contextlib.contextmanager
    def certificate(self, name):
        """Serves another certificate for a while."""
        self._switch(name)
        try:
            yield
        finally:
            self._switch("good")

    @contextlib.contextmanager
    def setting(self, name, value):
        """ALTER SYSTEM for a while; only for settings that a reload changes."""
        self.sql(f"ALTER SYSTEM SET {name} = {value}")
        self._reload_and_wait(name, value)
        try:
            yield
        finally:
            self.sql(f"ALTER SYSTEM RESET {name}")
            self._reload_and_wait(name, None)

    def served_certificate(self):
        """The DER that a client is shown now; None when the server refuses TLS."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as plain:
            plain.sendall(struct.pack("!II", 8, 80877103))
            if plain.recv(1) != b"S":
                return None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with context.wrap_socket(plain) as secured:
                return secured.getpeercert(binary_form=True)

    def wait_until_gone(self, user, seconds=10):
        """Until no session of `user` is left."""
        wait_for(lambda: not self.sql("SELECT 1 FROM pg_stat_activity WHERE usename = %s", user),
                 f"sessions of {user} to end", seconds)

    # -- inside ----------------------------------------------------------------------------------

    def _as_account(self):
        if not self._account:
            return {}
        entry = pwd.getpwnam(self._account)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _own(self, path):
        if self._account:
            shutil.chown(path, self._account, self._account)

    def _copy(self, primary):
        # -R: standby.signal, and the way to the primary.
        subprocess.run([find_program("pg_basebackup", BIN), "-D", self.data, "-h", primary.folder, "-p", str(primary.port),
                        "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "--no-sync"], check=True, cwd=self.folder,
                       **self._as_account())

    def _init(self):
        subprocess.run([find_program("initdb", self.programs), "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                        "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
                       **self._as_account())

    def _configure(self, settings):
        lines = [f"{name} = {value}" for name, value in settings.items()]
        lines += [f"unix_socket_directories = '{self.folder}'", "unix_socket_permissions = 0777",
                  "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'", f"ssl_ca_file = '{self.data}/ca.crt'"]
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as file:
            file.write("")
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="ascii") as file:
            file.write(HBA)
        shutil.copy(self.pki.ca, os.path.join(self.data, "ca.crt"))
        self._own(os.path.join(self.data, "ca.crt"))

    def _place_certificate(self, name):
        leaf = self.pki.leaf(name)
        for source, target in ((leaf.key, "server.key"), (leaf.certificate, "server.crt")):
            path = os.path.join(self.data, target)
            shutil.copy(source, path + ".new")
            os.chmod(path + ".new", 0o600)
            self._own(path + ".new")
            os.replace(path + ".new", path)

    def _switch(self, name):
        with open(self.pki.leaf(name).certificate, encoding="ascii") as file:
            first = file.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        wanted = ssl.PEM_cert_to_DER_cert(first)
        self._place_certificate(name)
        self.reload()
        wait_for(lambda: self.served_certificate() == wanted, f"PostgreSQL to serve the certificate {name}")

    def _reload_and_wait(self, name, value):
        if name == "ssl":
            self.reload()
            wait_for(lambda: (self.served_certificate() is None) == (value == "off"), f"ssl = {value}")
            return
        before = self.sql("SELECT pg_conf_load_time()")
        self.reload()
        wait_for(lambda: self.sql("SELECT pg_conf_load_time()") != before, "PostgreSQL to reload")

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("PostgreSQL did not start:\n" + self.log()[-2000:])
        try:
            self.admin().close()
            return True
        except psycopg.OperationalError:
            time.sleep(0.02)
            return False
