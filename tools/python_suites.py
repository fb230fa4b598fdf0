"""Test suites of drivers for Python, from their source distributions on the package index. For driver_suites.py; suites_expected.py
says what is expected of each."""

import functools
import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile

from suite import PASSWORD, Suite, compare

# What is taken: the distribution whose tests run, what they need beside it, and where they are.
SOURCES = {
    "asyncpg": ("asyncpg==0.32.0", ["asyncpg==0.32.0", "uvloop", "distro", "pytest-asyncio"], ["tests"]),
    "psycopg2": ("psycopg2==2.9.13", ["psycopg2-binary==2.9.13"], ["tests"]),
    "pg8000": ("pg8000==1.31.6", ["pg8000==1.31.6", "pytest-mock", "pytest-benchmark", "pytz"], ["test", "README.md"]),
}
COMMON = ["pytest", "pytest-timeout"]
# Tests of logins need lines of their own in pg_hba.conf.
OPTIONS = {"pg8000": ["--benchmark-disable", "--ignore-glob=*/auth/*"]}
# pg8000's tests know of localhost only. Its own failure at a socket that is closed behind a refusal (EPIPE) makes the direct way TLS.
CONFTEST = """\
import os

import pg8000.core

begin = pg8000.core.CoreConnection.__init__


def begin_there(self, user, host="localhost", database=None, port=5432, password=None, **more):
    if host == "localhost" and port and not more.get("unix_sock") and not more.get("sock"):
        if "DIRECT_PASSWORD" in os.environ:
            host, port, password = "127.0.0.1", int(os.environ["SUITE_PORT"]), os.environ["DIRECT_PASSWORD"]
        else:
            more["unix_sock"] = os.environ["SUITE_HOST"] + "/.s.PGSQL." + os.environ["SUITE_PORT"]
            more.pop("ssl_context", None)
    begin(self, user, host, database, port, password, **more)


pg8000.core.CoreConnection.__init__ = begin_there
"""


def unpack(name, source, needs, folder):
    """Where its source distribution lies, and a Python that has what it needs."""
    venv = os.path.join(folder, f"{name}-venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [os.path.join(venv, "bin", "pip"), "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", *needs], check=True)
    subprocess.run([*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, source], check=True)
    (archive,) = glob.glob(os.path.join(folder, f"{name}-*.tar.gz"))
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return archive.removesuffix(".tar.gz"), os.path.join(venv, "bin", "python")


def prepare(name, folder):
    """The suite's tests alone (not its sources, which would be imported), and a Python that has what they need."""
    source, needs, parts = SOURCES[name]
    unpacked, python = unpack(name, source, [*COMMON, *needs], folder)
    work = os.path.join(folder, f"{name}-tests")
    os.makedirs(work)
    for part in parts:
        shutil.move(os.path.join(unpacked, part), work)
    if name == "pg8000":
        with open(os.path.join(work, "conftest.py"), "w", encoding="ascii") as file:
            file.write(CONFTEST)
    return work, python


def pytest_results(output):
    """{test: "passed" | "failed"}. Of what was skipped pytest tells no name."""
    results = {}
    for word, test in re.findall(r"^(PASSED|FAILED|ERROR) (tests?/.+?)(?: - .*)?$", output, re.M):
        if results.get(test) != "failed":       # an error at its end counts
            results[test] = "passed" if word == "PASSED" else "failed"
    return results


def tests(name, work, python, way_name, way, only):
    directory, port = way
    user, prefix = SUITES[name].user, "SUITE_" if name == "pg8000" else "PG"
    env = {**os.environ, "PGUSER": user, "PGDATABASE": user, "LOGNAME": user, "PSYCOPG2_TESTDB": user, "PSYCOPG2_TEST_REPL_DSN": "",
           "PGSSLMODE": "disable", f"{prefix}HOST": directory, f"{prefix}PORT": str(port)}
    if name == "pg8000" and way_name == "direct":
        env["DIRECT_PASSWORD"] = PASSWORD
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "60", "-rA", "--tb=short",
                           *OPTIONS.get(name, []), *(only or [SOURCES[name][2][0]])], cwd=work, env=env, capture_output=True, text=True)
    return pytest_results(done.stdout), done.stdout + done.stderr


def run(world, name, report):
    work, python = prepare(name, world.folder)
    return compare(world, name, world.database(name), functools.partial(tests, name, work, python),
                   lambda test: f"{name} {test.rsplit('::', 1)[-1]}", report)


SUITES = {
    "asyncpg": Suite("asyncpg", ["CREATE EXTENSION hstore"], any_database=True, run=run),
    "psycopg2": Suite("psycopg2", ["CREATE EXTENSION hstore"], any_database=True, run=run),
    "pg8000": Suite("postgres", ["CREATE EXTENSION IF NOT EXISTS hstore"], any_database=True, run=run),
}
