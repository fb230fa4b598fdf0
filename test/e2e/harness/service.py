"""`sallyport serve` with a configuration of the test's, ready to be connected to."""

import contextlib
import os
import pwd
import re
import signal
import subprocess

from .processes import stop, wait_for


class Service:
    def __init__(self, sallyport, pg, pki, auth, user="app", allow=None, extra_target="", extra="", tls="", port=5432, host=None):
        self.sallyport = sallyport
        self.directory = os.path.join(sallyport.folder, "sock")
        self.audit_directory = os.path.join(sallyport.folder, "audit")
        self.port = port
        os.makedirs(self.directory, exist_ok=True)
        for path, mode in ((sallyport.folder, 0o755), (self.directory, 0o755)):
            os.chmod(path, mode)
        self.text = f"""version: 1
targets:
  main:
    engine: postgresql
    host: {host or 'localhost'}
    port: {pg.port}
    database: app
    auth: "{auth}"
    {f'user: {user}' if user else ''}
    tls: {{roots: ["{pki.ca}"]{', ' + tls if tls else ''}}}
{extra_target}
routes:
  - listen: "unix:{self.directory}:{port}"
    target: main
    allow: {allow or '[{user: root}]'}
state: "sqlite:{sallyport.folder}/state/state.db"
audit: {{dir: "{self.audit_directory}"}}
{extra}
"""
        self.config = sallyport.config(self.text)
        self.run = None

    def rewrite(self, old, new):
        assert old in self.text
        self.text = self.text.replace(old, new)
        self.sallyport.config(self.text)

    def add_route(self, port, directory=None):
        """Into the file; its text, for rewrite() to take it out again."""
        route = f"""  - listen: "unix:{directory or self.directory}:{port}"
    target: main
    allow: [{{user: root}}]
"""
        self.rewrite("state: ", route + "state: ")
        return route

    def reload(self):
        """SIGHUP; whether the file was taken, once the log says so."""
        end = r"the configuration was (not )?reloaded"
        before = len(re.findall(end, self.run.output))
        self.run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(re.findall(end, self.run.output)) > before, "the reload to end")
        return re.findall(end, self.run.output)[-1] == ""

    @property
    def socket(self):
        return self.socket_of(self.port)

    def socket_of(self, port):
        return os.path.join(self.directory, f".s.PGSQL.{port}")

    def start(self, env=None, descriptors=None, inside=()):
        """`descriptors`: the hard limit of open files that serve inherits."""
        self.run = self.sallyport.start("serve", "-c", self.config, env=env, descriptors=descriptors, inside=inside)

        def ready():
            if self.run.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.run.code}:\n{self.run.output}")
            return os.path.exists(self.socket) and "serving" in self.run.output    # it is bound before it is listened on
        wait_for(ready, "serve to listen", 20)
        return self

    def stop(self, number=signal.SIGTERM, seconds=30):
        """The second signal ends what the first has left some time for: sessions that a test has not closed."""
        process = self.run.process
        if process.poll() is None and number == signal.SIGTERM:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(6)
        stop(process, number, seconds)
        return self.run

    def psql(self, *statements, user="app", account=None, groups=(), database="app", seconds=60, port=None):
        """psql as another account of this machine; the finished process."""
        who = {}
        if account:
            entry = pwd.getpwnam(account)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": list(groups)}
        words = [w for s in statements for w in ("-c", s)]
        return subprocess.run(["psql", "-X", "-A", "-t", "-q", "-h", self.directory, "-p", str(port or self.port), "-U", user,
                               "-d", database, *words], capture_output=True, text=True, timeout=seconds, cwd="/",
                              env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, **who)

    def refusal(self, seconds=60):
        """What a new client is told; None: it was let in, and served."""
        import psycopg
        try:
            with self.psycopg(connect_timeout=seconds, autocommit=True) as connection:
                connection.execute("SELECT 1")
            return None
        except psycopg.OperationalError as error:
            return str(error)

    def psycopg(self, **more):
        import psycopg
        return psycopg.connect(host=self.directory, port=self.port, user="app", dbname="app", **more)
