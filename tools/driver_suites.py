"""Runs whole test suites of others directly, in session pooling and in transaction pooling, and prints which tests fail
through the broker and not directly: `go test` of pgx and lib/pq (their modules carry their tests), asyncpg's, psycopg2's and pg8000's,
tokio-postgres' and postgres' (rust), pgjdbc's, SQLAlchemy's and Django's, and PostgreSQL's regression tests, if their source is given.
What is expected of each stands in docs/pooling.md.

    python tools/driver_suites.py [pgx] [pq] [asyncpg] [psycopg2] [pg8000] [rust] [jdbc] [sqlalchemy] [django]
    python tools/driver_suites.py regress --source postgresql-15/src/test/regress
"""

import argparse
import os
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
from harness.pki import Pki  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.sallyport import Sallyport  # noqa: E402
from harness.service import Service  # noqa: E402
import go_suites  # noqa: E402
import java_suite  # noqa: E402
import orm_suites  # noqa: E402
import python_suites  # noqa: E402
import regress_suite  # noqa: E402
import rust_suites  # noqa: E402
from suite import PASSWORD  # noqa: E402
from suites_expected import explanation  # noqa: E402

SUITES = {name: suite for module in (go_suites, python_suites, rust_suites, java_suite, orm_suites, regress_suite)
          for name, suite in module.SUITES.items()}
# Warm, as these tests measure how long a connection takes.
POOLS = {"session": "mode: session, max: 150, min_ready: 40", "transaction": "mode: transaction, max: 60, min_ready: 40"}


class World:
    """One PostgreSQL, and a broker in front of it for each pool mode."""

    def __init__(self, folder, options):
        self.folder, self.options, self.pki = folder, options, Pki(os.path.join(folder, "pki"))
        settings = {"max_connections": "500", "max_prepared_transactions": "20", "wal_level": "logical"}
        self.pg = Postgres(os.path.join(folder, "pg"), self.pki, settings=settings)
        with open(os.path.join(self.pg.data, "pg_hba.conf"), "a", encoding="ascii") as file:
            file.write("hostssl replication all 127.0.0.1/32 scram-sha-256\n")
        self.pg.sql("SELECT pg_reload_conf()")
        self.services = {}

    def database(self, name):
        """A new database of the suite's, and the ways to it: name → (directory, port)."""
        suite = SUITES[name]
        user = suite.user
        if user == "postgres":      # which is there
            self.pg.sql(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
        else:
            self.pg.sql(f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
            self.pg.sql(f"CREATE DATABASE {user} OWNER {user} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        for statement in suite.setup:
            self.pg.sql(statement, database=user)
        ways = {"direct": (self.pg.folder, self.pg.port)}
        for mode, pool in POOLS.items():
            it = Sallyport(tempfile.mkdtemp(prefix="s-", dir=self.folder))
            secret = f"file:{it.secret_file(PASSWORD)}"
            service = Service(it, self.pg, self.pki, secret, user=user, extra_target=f"    pool: {{{pool}}}")
            database = '"*"' if suite.any_database else user
            service.text = service.text.replace("database: app", f"database: {database}")
            port = suite.route(service, self.pki, user)
            it.config(service.text)
            self.services[mode] = service.start()
            ways[mode] = (service.directory, port)
        return ways

    def close(self):
        for service in self.services.values():
            service.stop()
        self.services = {}

    def end(self):
        self.close()
        self.pg.close()


def report(way, tests):
    """Prints them, those of one name once; how many of session pooling have no explanation."""
    reasons = {test: explanation(way, test) for test in tests}
    for test, reason in reasons.items():
        print(f"  only through the broker: {test}" + (f" ({reason})" if reason else ""))
    return sum(reasons[test] is None for test in tests) if way == "session" else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="default: pgx and pq")
    parser.add_argument("--source", help="for regress: src/test/regress of PostgreSQL's source")
    parser.add_argument("--include", default="/usr/include/postgresql/15/server", help="for regress: the server's headers")
    parser.add_argument("--keep", help="a folder for the logs, which is kept")
    options = parser.parse_args()
    if "regress" in options.suites and not options.source:
        parser.error("regress needs --source")
    os.environ.setdefault("SALLYPORT_BUILD", os.path.join(ROOT, "build", "release"))
    folder = options.keep or tempfile.mkdtemp(prefix="sp-", dir="/tmp")
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    world, failures = World(folder, options), 0
    try:
        for name in options.suites or go_suites.SUITES:
            failures += SUITES[name].run(world, name, report)
            world.close()
    finally:
        world.end()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{failures} tests fail in session pooling, not directly, and without an explanation")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
