"""The test suites of SQLAlchemy and Django, from their source distributions on the package index. For driver_suites.py;
suites_expected.py says what is expected of each."""

import functools
import os
import re
import subprocess

import python_suites
from suite import Suite, compare, newly_failed

SOURCES = {
    "sqlalchemy": ("sqlalchemy==2.1.9", ["pytest", "pytest-timeout", "greenlet", "typing-extensions", "psycopg[binary]", "asyncpg",
                                         "pg8000", "psycopg2-binary"]),
    "django": ("django==5.2.19", ["django==5.2.19", "psycopg[binary,pool]", "jinja2", "PyYAML"]),
}
DRIVERS = ["psycopg", "asyncpg", "pg8000", "psycopg2"]
# What computes with ranges in Python and in the server, in 6700 variants, has nothing to do with a connection.
RANGES = "not (RangeRoundTripTest and (adjacent or intersection or difference or overlap or contain or union or strictly or not_extend))"
FOLDERS = ["test/dialect/postgresql", "test/dialect/test_suite.py", "test/engine", "test/sql"]
# Of Django's applications those that ask most of a connection.
LABELS = ["backends", "transactions", "transaction_hooks", "postgres_tests", "queries", "bulk_create", "select_for_update", "schema",
          "migrations", "servers", "aggregation"]
SETTINGS = """import os
one = {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"], "USER": "django"}
DATABASES = {each: {**one, "NAME": "django", "TEST": {"NAME": f"test_django_{each}"}} for each in ("default", "other")}
SECRET_KEY = "of-a-test"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
"""


def sqlalchemy(work, python, driver, _, way, only):
    """{test: "passed" | "failed"}, and all that was printed; of what was skipped pytest tells no name."""
    directory, port = way
    place = f"unix_sock={directory}/.s.PGSQL.{port}" if driver == "pg8000" else f"host={directory}&port={port}"
    url = f"postgresql+{driver}://sqlalchemy@/sqlalchemy?{place}"
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:logging", "--maxfail=100000",
                           "--timeout", "180", "--tb=short", "-rfEp", "--backend-only", "--dburi", url,
                           *(only or ["-k", RANGES, *FOLDERS])],
                          cwd=work, env={**os.environ, "PGSSLMODE": "disable"}, capture_output=True, text=True)
    return python_suites.pytest_results(done.stdout), done.stdout + done.stderr


def django(work, python, _, way, only):
    """The same; of those that passed Django tells no name that can be told from what they print, but how many."""
    if "the program" in only:       # there is no less of it to be run again
        return dict.fromkeys(only, "failed"), ""
    directory, port = way
    tests = os.path.join(work, "tests")
    with open(os.path.join(tests, "sallyport_settings.py"), "w", encoding="ascii") as file:
        file.write(SETTINGS)
    env = {**os.environ, "PGSSLMODE": "disable", "PGHOST": directory, "PGPORT": str(port)}
    done = subprocess.run([python, "runtests.py", "--settings=sallyport_settings", "--parallel=1", "--noinput", *(only or LABELS)],
                          cwd=tests, env=env, capture_output=True, text=True)
    output = done.stdout + done.stderr
    results = {test: "failed" for test in re.findall(r"^(?:FAIL|ERROR): \S+ \((\S+?)\)", output, re.M)}
    ran = re.search(r"^Ran (\d+) tests", output, re.M)
    if not ran:
        results["the program"] = "failed"
    if only:
        return {test: results.get(test, "passed" if ran else "failed") for test in only}, output
    results.update({f"another {n}": "passed" for n in range(int(ran[1]) - len(results) if ran else 0)})
    return results, output


def run(world, name, report):
    source, needs = SOURCES[name]
    work, python = python_suites.unpack(name, source, needs, world.folder)
    ways = world.database(name)
    if name == "django":
        return compare(world, name, ways, functools.partial(django, work, python), lambda test: f"{name} {test}", report,
                       more_of=newly_failed)
    return sum(compare(world, f"{name} {driver}", ways, functools.partial(sqlalchemy, work, python, driver),
                       lambda test, driver=driver: f"{name} {driver} {re.sub('^.*::', '', test)}", report, more_of=newly_failed)
               for driver in DRIVERS)


SUITES = {
    "sqlalchemy": Suite("sqlalchemy", ["CREATE EXTENSION hstore; CREATE EXTENSION citext",
                                       "CREATE SCHEMA test_schema; CREATE SCHEMA test_schema_2"], any_database=True, run=run),
    "django": Suite("django", [], any_database=True, run=run),
}
