"""A running `serve` and its successors, which take over from one another."""

import os
import threading

import psycopg

from .processes import wait_for
from .service import Service


class Upgrading:
    """Before a kind of Service: it has an admin socket, and successors."""

    def __init__(self, sallyport, *words, **more):
        extra = f'admin: {{socket: "{sallyport.folder}/sock/admin.sock", listen: "off"}}\n' + more.pop("extra", "")
        super().__init__(sallyport, *words, extra=extra, **more)
        self.admin = os.path.join(self.directory, "admin.sock")
        self.older = []     # runs that were taken over from

    def successor(self, env=None, inside=(), flags=()):
        """Started, and no more."""
        return self.sallyport.start("serve", "--take-over", "-c", self.config, *flags, env=env, inside=inside)

    def upgrade(self, env=None):
        """Until the successor serves, which is `run` from then on; who served before."""
        old, new = self.run, self.successor(env)
        new.until("took over from another Sallyport")
        new.until('"serving"')
        old.until("handed over")
        self.older.append(old)
        self.run = new
        return old

    def admin_command(self, *words):
        return self.sallyport.run(*words, "--socket", self.admin)


class Upgradable(Upgrading, Service):
    pass


class Connecting:
    """Clients that connect all the time, until the block ends; what failed, and how many came in."""

    def __init__(self, service, threads=4):
        self.service, self.failures, self.count = service, [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._connect) for _ in range(threads)]

    def _connect(self):
        while not self._stop.is_set():
            try:
                with self.service.psycopg(autocommit=True) as connection:
                    assert connection.execute("SELECT 7").fetchone() == (7,)
                self.count += 1
            except (psycopg.Error, AssertionError) as error:
                self.failures.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.count > 20, "clients to be served")
        return self

    def more(self, number=100):
        """Until so many more have come in."""
        before = self.count
        wait_for(lambda: self.count > before + number or self.failures, "more clients to be served", 30)

    def __exit__(self, *what):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
