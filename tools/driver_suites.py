"""Runs whole test suites of others directly, in session pooling and in transaction pooling, and prints which tests fail
through the broker and not directly: `go test` of pgx and lib/pq (their modules carry their tests), asyncpg's, psycopg2's, pgjdbc's,
SQLAlchemy's and Django's, and PostgreSQL's regression tests, if their source is given. What is expected of each stands in
docs/pooling.md.

    python tools/driver_suites.py [pgx] [pq] [asyncpg] [psycopg2] [jdbc] [sqlalchemy] [django]
    python tools/driver_suites.py regress --source postgresql-15/src/test/regress
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
from harness.pki import Pki  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.processes import find_program  # noqa: E402
from harness.sallyport import Sallyport  # noqa: E402
from harness.service import Service  # noqa: E402
import java_suite  # noqa: E402
import orm_suites  # noqa: E402
import python_suites  # noqa: E402

MODULES = {"pgx": "github.com/jackc/pgx/v5@v5.12.0", "pq": "github.com/lib/pq@v1.12.3"}
# Warm, as these tests measure how long a connection takes.
POOLS = {"session": "mode: session, max: 150, min_ready: 40", "transaction": "mode: transaction, max: 60, min_ready: 40"}
# Of the same name: database and role.
USERS = {**{name: name for name in ("pgx", "asyncpg", "psycopg2", "sqlalchemy", "django", "regress")}, "pq": "pqgo", "jdbc": java_suite.USER}
# Tests of a NOTIFY that another session sent.
NOTIFIED = ["asyncpg test_listen_02", "asyncpg test_listen_notletters", *(f"psycopg2 test_{name}" for name in (
    "notify", "many_notifies", "notify_attributes", "notify_payload", "notifies_received_on_commit", "notifies_received_on_execute",
    "notifies_received_on_poll", "notifies_received_on_reset", "notifies_received_on_rollback",
    "notifies_received_on_set_client_encoding", "notifies_received_on_set_session"))]
# Log in as a role that they have just made.
NEW_ROLES = ["jdbc AuthenticationPluginTest.authPluginSASL", "jdbc ScramTest.passwordWithSpace", *(f"jdbc PasswordUtilTest.{name}" for name in (
    "alterUserPasswordSupportsNullEncoding", "customScramParams", "encodePasswordWithServersPasswordEncryption",
    "encryptionTypeValueOfOff", "encryptionTypeValueOfOn", "scramSha256"))]
# What fails through the broker and has to; docs/pooling.md says why. Fails in session pooling and is not here: a defect.
EXPLAINED = {
    "session": {
        "pgconn TestConnectProtocolVersion32": "takes the server's version for the protocol's",
        "pq TestAuth/end_to_end/user=pqgounknown_password=wordpass": "a name that is not known is refused in our words",
        "pq TestQueryRowContext": "allows 50 ms for a cancel, which needs a TLS connection of its own",
        "pq TestListenerReconnect": "allows 100 ms, for which nothing is handed out after a loss",
        "asyncpg test_executemany_server_failure_during_writes": "must be told before it has sent 4 MB, which the sockets on the way take",
        **dict.fromkeys(NEW_ROLES, "a name that is not known is refused in our words"),
        "regress guc": "a library that the server process has loaded stays",
        "regress temp": "the temporary schema of the server process stays, empty",
        "regress stats": "counts sessions of the server: one is used again",
    },
    "transaction": {
        "v5 TestFatalRxError": "ends a process by the number that the client was told",
        "v5 TestFatalTxError": "ends a process by the number that the client was told",
        "pq TestPing": "ends a process by the number that the client was told",
        "pgxpool TestPoolAcquireChecksIdleConns": "ends a process by the number that the client was told",
        "stdlib TestCheckIdleConn": "ends a process by the number that the client was told",
        "v5 TestPrepareHandlesTimeoutBetweenParseAndDescribe": "looks for its name in pg_prepared_statements",
        "v5 TestPrepareWithDigestedNameHandlesTimeoutBetweenParseAndDescribe": "looks for its name in pg_prepared_statements",
        "stdlib TestConnMultiplePrepareAndDeallocate": "looks for its text in pg_prepared_statements",
        "asyncpg test_prepare_explicitly_named": "SQL's EXECUTE of what was prepared by protocol",
        "asyncpg test_copy_records_to_table_no_stmt_cache": "counts pg_prepared_statements",
        "asyncpg test_pool_remote_close": "ends a process whose number was true a transaction ago",
        "asyncpg test_pool_min_size_restored_after_idle_connection_loss": "ends a process by the number that the client was told",
        "psycopg2 test_external_close_async": "ends a process whose number was true a transaction ago",
        "psycopg2 test_backend_pid": "compares the number that the client was told with pg_backend_pid()",
        "jdbc CopyTest.lockReleaseOnCancelFailure": "ends a process by the number that the client was told, and would write for ever",
        "jdbc IsValidTest.testIsValidRemoteClose": "ends a process by the number that the client was told",
        **dict.fromkeys(NOTIFIED, "compares the number that another session was told with that of its server process"),
    },
}
PG_REGRESS = "/usr/lib/postgresql/15/lib/pgxs/src/test/regress"
PASSWORD = "only-for-this-run"
SETUP = {
    "pgx": ["CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext; CREATE DOMAIN uint64 AS numeric(20,0)"],
    "pq": ["CREATE EXTENSION hstore"],
    "asyncpg": ["CREATE EXTENSION hstore"],
    "psycopg2": ["CREATE EXTENSION hstore"],
    "sqlalchemy": ["CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2"],
    "django": [],
    "jdbc": [f"CREATE EXTENSION hstore; CREATE EXTENSION citext; ALTER ROLE {java_suite.PRIVILEGED} PASSWORD '{PASSWORD}'"],
    "regress": [],
}


class World:
    """One PostgreSQL, and a broker in front of it for each pool mode."""

    def __init__(self, folder):
        self.folder, self.pki = folder, Pki(os.path.join(folder, "pki"))
        self.pg = Postgres(os.path.join(folder, "pg"), self.pki, settings={"max_connections": "500", "max_prepared_transactions": "20", "wal_level": "logical"})
        with open(os.path.join(self.pg.data, "pg_hba.conf"), "a", encoding="ascii") as file:
            file.write("hostssl replication all 127.0.0.1/32 scram-sha-256\n")
        self.pg.sql("SELECT pg_reload_conf()")
        self.services = {}

    def database(self, suite):
        """A new database of the suite's, and the ways to it: name → (directory, port)."""
        user = USERS[suite]
        self.pg.sql(f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        self.pg.sql(f"CREATE DATABASE {user} OWNER {user} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        for statement in SETUP[suite]:
            self.pg.sql(statement, database=user)
        ways = {"direct": (self.pg.folder, self.pg.port)}
        for name, pool in POOLS.items():
            it = Sallyport(tempfile.mkdtemp(prefix="s-", dir=self.folder))
            service = Service(it, self.pg, self.pki, f"file:{it.secret_file(PASSWORD)}", user=user, extra_target=f"    pool: {{{pool}}}")
            some_more = (*python_suites.SUITES, *orm_suites.SUITES, *java_suite.SUITES)     # make databases of their own
            database = '"*"' if suite in some_more else user
            service.text = service.text.replace("database: app", f"database: {database}")
            port = service.port
            if suite in java_suite.SUITES:
                port = java_suite.over_tcp(service, self.pki, PASSWORD)
            elif suite != "regress":     # which connects under many names
                # Two roles, so that a name which is none of them is refused.
                secret = f"{{auth: 'file:{it.secret_file(PASSWORD)}', user: {user}}}"
                service.text = re.sub(r'    auth: .*\n    user: .*', f"    roles: {{{user}: {secret}, nobody_else: {secret}}}", service.text)
                service.text = service.text.replace("[{user: root}]", f"[{{user: root, role: {user}, replication: true}}, {{user: root, role: nobody_else}}]")
            it.config(service.text)
            self.services[name] = service.start()
            ways[name] = (service.directory, port)
        return ways

    def close(self):
        for service in self.services.values():
            service.stop()
        self.services = {}

    def end(self):
        self.close()
        self.pg.close()


# -- Go ------------------------------------------------------------------------------------------------------------------

def fetched(suite, folder):
    done = subprocess.run(["go", "mod", "download", "-json", MODULES[suite]], capture_output=True, text=True, check=True)
    target = os.path.join(folder, suite)
    shutil.copytree(json.loads(done.stdout)["Dir"], target)
    subprocess.run(["chmod", "-R", "u+w", target], check=True)
    return target


def go_test(suite, source, way, only=None):
    """{test: "pass" | "fail" | "skip"}"""
    directory, port = way
    user = USERS[suite]
    env = {**os.environ, "PGHOST": directory, "PGPORT": str(port), "PGUSER": user, "PGDATABASE": user, "PGSSLMODE": "disable",
           "PGX_TEST_DATABASE": f"host={directory} port={port} user={user} dbname={user} sslmode=disable", "GOFLAGS": "-mod=mod"}
    command = ["go", "test", "-json", "-count=1", "-p", "1", "-timeout", "15m"]
    if only:
        command += ["-run", "^(" + "|".join(sorted({name.split("/")[0] for _, name in only})) + ")$"]
        packages = sorted({package for package, _ in only})
    else:
        packages = ["./..."]
    done = subprocess.run(command + packages, cwd=source, env=env, capture_output=True, text=True)
    results = {}
    for line in done.stdout.splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if "Test" in event:     # some are named after a temporary folder
            event["Test"] = re.sub(r"/tmp/\w+/\d+/", "/tmp/", event["Test"])
        if event["Action"] in ("pass", "fail", "skip"):
            # A package that fails without a test that does has panicked or timed out.
            results[(event["Package"], event.get("Test", "(the package)"))] = event["Action"]
    failed = {key for key, action in results.items() if action == "fail"}
    for package, name in list(failed):
        if name == "(the package)" and any(p == package and n != name for p, n in failed):
            del results[(package, name)]
    return results, done.stdout + done.stderr


def leaves(failed):
    """Without the tests whose subtests are there as well."""
    return {key for key in failed if not any(o != key and o[0] == key[0] and o[1].startswith(key[1] + "/") for o in failed)}


def title(key):
    return f"{key[0].split('/')[-1]} {key[1]}"


def explanation(way, test):
    known = {**EXPLAINED["session"], **(EXPLAINED["transaction"] if way == "transaction" else {})}
    return known.get(test) or known.get(test.split("/")[0])


def report(way, tests):
    """Prints them; how many of session pooling have no explanation."""
    reasons = [explanation(way, test) for test in tests]
    for test, reason in zip(tests, reasons):
        print(f"  only through the broker: {test}" + (f" ({reason})" if reason else ""))
    return reasons.count(None) if way == "session" else 0


def go_suite(world, suite, folder):
    source = fetched(suite, folder)
    ways = world.database(suite)
    direct, failures = None, 0
    for name, way in ways.items():
        started = time.monotonic()
        results, output = go_test(suite, source, way)
        with open(os.path.join(folder, f"{suite}-{name}.log"), "w", encoding="utf-8") as file:
            file.write(output)
        failed = leaves({key for key, action in results.items() if action == "fail"})
        passed = sum(action == "pass" for action in results.values())
        print(f"{suite}, {name}: {passed} passed, {len(failed)} failed, "
              f"{sum(a == 'skip' for a in results.values())} skipped in {time.monotonic() - started:.0f} s", flush=True)
        if name == "direct":
            direct = results
            continue
        # A test that is not there was behind one that brought its program down.
        more = {key for key in failed if direct.get(key) != "fail"}
        more |= leaves({key for key, action in direct.items() if action == "pass" and key not in results and key[1] != "(the package)"})
        # Once more, alone: not what fails by chance, nor what stood behind a test that brought its program down.
        known = {key for key in more if explanation(name, title(key))}
        if rest := more - known:
            again, output = go_test(suite, source, way, only=rest)
            with open(os.path.join(folder, f"{suite}-{name}-again.log"), "w", encoding="utf-8") as file:
                file.write(output)
            more = known | {key for key in rest if again.get(key, "fail") == "fail"}
        failures += report(name, [title(key) for key in sorted(more)])
    world.close()
    return failures


# -- PostgreSQL's regression tests -----------------------------------------------------------------------------------------

def regress(world, source, include, folder):
    ways = world.database("regress")
    program = find_program("pg_regress", PG_REGRESS)
    work = os.path.join(folder, "regress")
    shutil.copytree(source, work)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-I", include, "-o", "regress.so", "regress.c"], cwd=work, check=True)
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    outputs, failures = {}, 0
    for name, (directory, port) in ways.items():
        # A test that goes another way may leave one.
        for (transaction,) in world.pg.sql("SELECT gid FROM pg_prepared_xacts WHERE database = 'regress'"):
            world.pg.sql(f"ROLLBACK PREPARED '{transaction}'", database="regress")
        world.pg.sql("DROP DATABASE IF EXISTS regress WITH (FORCE)")
        world.pg.sql("CREATE DATABASE regress OWNER regress TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        out = os.path.join(folder, f"regress-{name}")
        os.makedirs(out)
        os.chmod(out, 0o777)
        started = time.monotonic()
        done = subprocess.run([program, "--use-existing", f"--host={directory}", f"--port={port}", "--user=regress", "--dbname=regress",
                               f"--dlpath={work}", f"--inputdir={work}", f"--outputdir={out}", f"--schedule={work}/parallel_schedule",
                               "--max-concurrent-tests=20"], cwd=out, capture_output=True, text=True,
                              env={**os.environ, "PGSSLMODE": "disable"}, umask=0)     # the server writes there, too
        lines = done.stdout.splitlines()
        verdicts = dict(m.group(1, 2) for m in (re.match(r"(?:test)?\s*([a-z0-9_]+)\s+\.\.\. (ok|FAILED)", each) for each in lines) if m)
        outputs[name] = verdicts
        print(f"regress, {name}: {sum(v == 'ok' for v in verdicts.values())} ok, {sum(v != 'ok' for v in verdicts.values())} failed "
              f"in {time.monotonic() - started:.0f} s", flush=True)
        if not verdicts:
            print(done.stdout[-2000:], done.stderr[-2000:])
        if name == "direct":
            continue
        more = sorted(t for t, v in verdicts.items() if v != "ok" and same_as_direct(folder, name, t) is False)
        failures += report(name, [f"regress {test}" for test in more])
    world.close()
    return failures


def same_as_direct(folder, name, test):
    """What the direct connection printed is what is expected: the source may be of another minor version."""
    texts = []
    for each in ("direct", name):
        path = os.path.join(folder, f"regress-{each}", "results", f"{test}.out")
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read().replace(f"regress-{each}", "regress-"))
    return texts[0] == texts[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="default: pgx and pq",
                        choices=[*MODULES, *python_suites.SUITES, *orm_suites.SUITES, *java_suite.SUITES, "regress", []])
    parser.add_argument("--source", help="for regress: src/test/regress of PostgreSQL's source")
    parser.add_argument("--include", default="/usr/include/postgresql/15/server", help="for regress: the server's headers")
    parser.add_argument("--keep", help="a folder for the logs, which is kept")
    options = parser.parse_args()
    suites = options.suites or list(MODULES)
    if "regress" in suites and not options.source:
        parser.error("regress needs --source")
    os.environ.setdefault("SALLYPORT_BUILD", os.path.join(ROOT, "build", "release"))
    folder = options.keep or tempfile.mkdtemp(prefix="sp-", dir="/tmp")
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    world, failures = World(folder), 0
    try:
        for suite in suites:
            if suite == "regress":
                failures += regress(world, options.source, options.include, folder)
            elif suite in java_suite.SUITES:
                failures += java_suite.java_suite(world, suite, folder, PASSWORD, report)
            elif suite in python_suites.SUITES:
                failures += python_suites.python_suite(world, suite, folder, USERS[suite], report)
            elif suite in orm_suites.SUITES:
                failures += orm_suites.orm_suite(world, suite, folder, report)
            else:
                failures += go_suite(world, suite, folder)
    finally:
        world.end()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{failures} tests fail in session pooling, not directly, and without an explanation")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
