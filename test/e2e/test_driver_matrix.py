"""Ten drivers through `serve`: over a Unix socket in session and in transaction pooling, over TLS with a local password, and with a
client certificate. Statements, pipelines, COPY, notifications, cancel, savepoints, errors, values of 10 MB, and what lives in a
session. Where transaction pooling pins, all of it works; where it refuses, what needs a session fails with our words, and everything
else works.

In CI the drivers for Python and pgx, not each in every way; all of them in every way in ./dev soak."""

import os
import re
import shutil
import subprocess
import sys
from urllib.parse import quote

import pytest

from conftest import require, skip_here
from harness import canary
from test_client_tls import SPIFFE, TlsService, app  # noqa: F401
from test_drivers import CACHE, HERE, built, run_in, version
from test_passwords import passwd

SOAK = bool(os.environ.get("SALLYPORT_SOAK"))
STEPS = ["simple", "prepared", "pipeline", "copy_in", "copy_out", "listen", "cancel", "savepoints", "errors", "large", "state"]
POOLS = {
    "session": "mode: session, max: 4",
    "pin": "mode: transaction, max: 4, min_ready: 1",
    "refuse": "mode: transaction, max: 2, on_session_state: refuse",
}
# What has to fail under `refuse`, and the reason that it is given.
REFUSED = {"listen": "listen", "state": "temporary_table"}

# Sends its cancels without TLS always; where the session has TLS they are not heard without `clear_cancel` (docs/serve.md).
CANCELS_IN_CLEAR = {"pgjdbc"}


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
        require(shutil.which("node") and shutil.which("npm"), "Node.js with npm")
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
    require(shutil.which("javac") and shutil.which("mvn"), "a JDK with Maven")

    def make(folder):
        run_in(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
        run_in(folder, "sh", "-c", "javac -cp 'lib/*' Matrix.java")
    folder = built("matrix_java", make)
    return ["java", "-cp", f"{folder}:{folder}/lib/*", "Matrix"]


PROGRAMS = {"psycopg": python_program("psycopg"), "asyncpg": python_program("asyncpg"), "pg8000": python_program("pg8000"),
            "pgx": go_program("pgx"), "lib-pq": go_program("pq"), "node-postgres": node_program("pg"), "postgres.js": node_program("postgres"),
            "tokio-postgres": rust_program("tokio-postgres"), "sqlx": rust_program("sqlx"), "pgjdbc": java_program}
CASES = [(driver, way, pool) for driver in PROGRAMS for way in ("unix", "tls", "certificate") for pool in POOLS
         if (driver, way) != ("pgjdbc", "unix") and (way == "unix" or pool != "refuse")]
IN_CI_TOO = {("psycopg", "unix", "session"), ("psycopg", "unix", "pin"), ("psycopg", "unix", "refuse"), ("psycopg", "certificate", "session"),
             ("asyncpg", "unix", "pin"), ("asyncpg", "unix", "refuse"), ("asyncpg", "tls", "pin"), ("pg8000", "unix", "pin"),
             ("pgx", "unix", "pin"), ("pgx", "unix", "refuse"), ("pgx", "certificate", "pin")}


@pytest.fixture
def table(pg):
    pg.sql("DROP TABLE IF EXISTS made_for_drivers; CREATE TABLE made_for_drivers (a int, t text); "
           "GRANT ALL ON made_for_drivers TO app; GRANT pg_signal_backend TO app", database="app")
    yield
    pg.sql("REVOKE pg_signal_backend FROM app; DROP TABLE made_for_drivers", database="app")


@pytest.fixture
def service(sallyport, pg, pki, secret):
    """`serve` with a Unix socket, and a TCP route with TLS for passwords and certificates."""
    made = []

    def make(pool, more_tls=""):
        path = os.path.join(sallyport.folder, "home", "passwords")
        password = canary.make()
        passwd(sallyport, "app", "--file", path, password=password)
        it = TlsService(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", extra_target=f"    pool: {{{POOLS[pool]}}}",
                        allow=f'[{{certificate: "{SPIFFE}"}}, {{verifier: {path}}}]', more_tls=more_tls)
        it.password = password
        made.append(it)
        return it.start()
    yield make
    for it in made:
        it.stop()


def environment(it, pki, certificate, way):
    """libpq's variables, which most drivers read."""
    common = {"PATH": os.environ["PATH"], "HOME": CACHE, "PGUSER": "app", "PGDATABASE": "app"}
    if way == "unix":
        return {**common, "PGHOST": it.directory, "PGPORT": str(it.port), "PGSSLMODE": "disable"}
    common |= {"PGHOST": "localhost", "PGPORT": str(it.tcp), "PGSSLMODE": "verify-full", "PGSSLROOTCERT": pki.ca}
    if way == "tls":
        return {**common, "PGPASSWORD": it.password}
    return {**common, "PGSSLCERT": certificate.certificate, "PGSSLKEY": certificate.key}


def jdbc(env, folder):
    """pgjdbc reads no variables, and keys as PKCS #8 in DER."""
    url = f"jdbc:postgresql://{env['PGHOST']}:{env['PGPORT']}/app?user=app&sslmode=verify-full&sslrootcert={env['PGSSLROOTCERT']}"
    if "PGPASSWORD" in env:
        return {**env, "DATABASE_URL": f"{url}&password={quote(env['PGPASSWORD'], safe='')}"}
    key = os.path.join(folder, "key.pk8")
    run_in(folder, "openssl", "pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-in", env["PGSSLKEY"], "-out", key)
    return {**env, "DATABASE_URL": f"{url}&sslcert={env['PGSSLCERT']}&sslkey={key}"}


def check(printed, pool, cancel=" ok"):
    outcome = dict(re.match(r"(\w+)(?: (ok)$|: (.*))", line).group(1, 0) for line in printed.splitlines() if line.strip())
    assert list(outcome) == STEPS, printed
    for step, line in outcome.items():
        if pool == "refuse" and step in REFUSED:
            assert f"{REFUSED[step]} is not available in transaction pooling (on_session_state: refuse)" in line, line
        else:
            assert line == (f"cancel{cancel}" if step == "cancel" else f"{step} ok"), line


def run_program(command, env):
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"not done after 120 s; it has said:\n{late.stdout!r}\n{late.stderr!r}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("driver, way, pool", CASES)
def test_driver_does_everything_that_the_pool_allows(service, sallyport, pki, app, secret, table, driver, way, pool):  # noqa: F811
    if not SOAK and (driver, way, pool) not in IN_CI_TOO:
        skip_here("./dev soak runs it")
    command = PROGRAMS[driver]()
    cancels_heard = driver not in CANCELS_IN_CLEAR or way == "certificate"
    it = service(pool, ", clear_cancel: true" if driver in CANCELS_IN_CLEAR and cancels_heard else "")
    env = environment(it, pki, app, way)
    printed = run_program(command, jdbc(env, sallyport.folder) if driver == "pgjdbc" else env)
    check(printed, pool, " ok" if cancels_heard else ": not cancelled")
    it.stop()
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])
    sallyport.assert_no_canary(it.password)


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("pool", POOLS)
def test_pgjdbc_does_everything_that_the_pool_allows_under_exec(service, sallyport, table, pool):
    """It speaks TCP only: `exec` gives it a listener of its own, for a target of the same configuration."""
    if not SOAK:
        skip_here("./dev soak runs it")
    run = sallyport.exec(java_program(), url="jdbc:postgresql://here/app",
                         flags=["-c", service(pool).config, "-e", "DATABASE_URL=main", "--listen", "tcp"], seconds=120).ok()
    check(run.stdout, pool)
