"""Ten drivers through `serve`, in session and in transaction pooling: statements, pipelines, COPY, notifications, cancel,
savepoints, errors, values of 10 MB, and what lives in a session. Where transaction pooling pins, all of it works; where it
refuses, what needs a session fails with our words, and everything else works.

psycopg, asyncpg, pg8000, pgx and lib/pq always; the others, which take minutes to build, in ./dev soak."""

import os
import re
import subprocess
import sys

import pytest

from conftest import require, skip_here
from test_drivers import CACHE, HERE, built, run_in, version

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
STEPS = ["simple", "prepared", "pipeline", "copy_in", "copy_out", "listen", "cancel", "savepoints", "errors", "large", "state"]
POOLS = {
    "session": "mode: session, max: 4",
    "pin": "mode: transaction, max: 4, min_ready: 1",
    "refuse": "mode: transaction, max: 1, on_session_state: refuse",
}
# What has to fail under `refuse`, and the reason that it is given.
REFUSED = {"listen": "listen", "state": "temporary_table"}


def python_program(name):
    return lambda: [sys.executable, os.path.join(HERE, "matrix", f"{name}_matrix.py")]


def go_program(name):
    def make():
        found = version("go", "version")
        require(found >= (1, 26), f"Go 1.26 (found {found[0]}.{found[1]})", ci_too=False)
        folder = built("matrix_go", lambda f: (run_in(f, "go", "mod", "tidy"), run_in(f, "go", "build", "-o", "matrix", ".")))
        return [os.path.join(folder, "matrix"), name]
    return make


def node_program(name):
    def make():
        folder = built("matrix_node", lambda f: run_in(f, "npm", "install", "--no-audit", "--no-fund", "--silent"))
        return ["node", os.path.join(folder, "matrix.js"), name]
    return make


def rust_program(name):
    def make():
        found = version("cargo", "--version")
        require(found >= (1, 95), f"Cargo 1.95 (found {found[0]}.{found[1]})", ci_too=False)
        folder = built("matrix_rust", lambda f: run_in(f, "cargo", "build", "--release", "--quiet"))
        return [os.path.join(folder, "target", "release", "matrix"), name]
    return make


def java_program():
    def make(folder):
        run_in(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
        run_in(folder, "sh", "-c", "javac -cp 'lib/*' Matrix.java")
    folder = built("matrix_java", make)
    return ["java", "-cp", f"{folder}:{folder}/lib/*", "Matrix"]


ALWAYS = {"psycopg": python_program("psycopg"), "asyncpg": python_program("asyncpg"), "pg8000": python_program("pg8000"),
          "pgx": go_program("pgx"), "lib-pq": go_program("pq")}
LONG = {"node-postgres": node_program("pg"), "postgres.js": node_program("postgres"), "tokio-postgres": rust_program("tokio-postgres"),
        "sqlx": rust_program("sqlx")}


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS made_for_drivers; CREATE TABLE made_for_drivers (a int, t text); "
           "GRANT ALL ON made_for_drivers TO app; GRANT pg_signal_backend TO app", database="app")
    yield
    pg.sql("REVOKE pg_signal_backend FROM app; DROP TABLE made_for_drivers", database="app")


def check(printed, pool):
    outcome = dict(re.match(r"(\w+)(?: (ok)$|: (.*))", line).group(1, 0) for line in printed.splitlines() if line.strip())
    assert list(outcome) == STEPS, printed
    for step, line in outcome.items():
        if pool == "refuse" and step in REFUSED:
            assert f"{REFUSED[step]} is not available in transaction pooling (on_session_state: refuse)" in line, line
        else:
            assert line == f"{step} ok", line


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("driver", [*ALWAYS, *LONG])
def test_driver_does_everything_that_the_pool_allows(pooled, sallyport, secret, table, pool, driver):
    if driver in LONG and not SOAK:
        skip_here("takes minutes to build: ./dev soak runs it")
    command = (ALWAYS | LONG)[driver]()
    mode, _, settings = POOLS[pool].partition(", ")
    it = pooled(mode.removeprefix("mode: "), settings)
    env = {"PATH": os.environ["PATH"], "HOME": CACHE, "PGHOST": it.directory, "PGPORT": str(it.port), "PGUSER": "app", "PGDATABASE": "app"}
    check(run_program(command, env), pool)
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def run_program(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("pool", POOLS)
def test_pgjdbc_does_everything_that_the_pool_allows(pooled, sallyport, table, pool):
    """It speaks TCP only: `exec` gives it a listener of its own, for a target of the same configuration."""
    if not SOAK:
        skip_here("takes minutes to build: ./dev soak runs it")
    mode, _, settings = POOLS[pool].partition(", ")
    it = pooled(mode.removeprefix("mode: "), settings)
    run = sallyport.exec(java_program(), url="jdbc:postgresql://here/app", flags=["-c", it.config, "-e", "DATABASE_URL=main", "--listen", "tcp"],
                         seconds=120).ok()
    check(run.stdout, pool)
