"""The test suites of SQLAlchemy and Django, from their source distributions on the package index. For driver_suites.py, which says
what is expected of each."""

import os
import re
import subprocess
import time

import python_suites

SUITES = {
    "sqlalchemy": ("sqlalchemy==2.1.9", ["pytest", "pytest-timeout", "greenlet", "typing-extensions", "psycopg[binary]", "asyncpg", "pg8000",
                                         "psycopg2-binary"]),
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


def sqlalchemy(work, python, way, driver, only=()):
    """{test: "passed" | "failed"}, and all that was printed; of what was skipped pytest tells no name."""
    directory, port = way
    place = f"unix_sock={directory}/.s.PGSQL.{port}" if driver == "pg8000" else f"host={directory}&port={port}"
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:logging", "--maxfail=100000", "--timeout", "180",
                           "--tb=short", "-rfEp", "--backend-only", "--dburi", f"postgresql+{driver}://sqlalchemy@/sqlalchemy?{place}",
                           *(only or ["-k", RANGES, *FOLDERS])],
                          cwd=work, env={**os.environ, "PGSSLMODE": "disable"}, capture_output=True, text=True)
    results = {}
    for word, test in re.findall(r"^(PASSED|FAILED|ERROR) (test/.+?)(?: - .*)?$", done.stdout, re.M):
        if results.get(test) != "failed":       # an error at its end counts
            results[test] = "passed" if word == "PASSED" else "failed"
    return results, done.stdout + done.stderr


def django(work, python, way, _, only=()):
    """The same; of those that passed Django tells no name that can be told from what they print, but how many."""
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
    results.update({f"another {n}": "passed" for n in range(int(ran[1]) - len(results) if ran else 0)})
    return results, output


def orm_suite(world, suite, folder, report):
    """How many fail in session pooling, not directly, and without an explanation."""
    source, needs = SUITES[suite]
    work, python = python_suites.unpack(suite, source, needs, folder)
    ways, failures = world.database(suite), 0
    run = {"sqlalchemy": sqlalchemy, "django": django}[suite]
    for driver in DRIVERS if suite == "sqlalchemy" else [""]:
        title = f"{suite} {driver}".strip()
        direct = None
        for name, way in ways.items():
            started = time.monotonic()
            results, output = run(work, python, way, driver)
            with open(os.path.join(folder, f"{title.replace(' ', '-')}-{name}.log"), "w", encoding="utf-8") as file:
                file.write(output)
            failed = {test for test, verdict in results.items() if verdict == "failed"}
            print(f"{title}, {name}: {len(results) - len(failed)} passed, {len(failed)} failed in {time.monotonic() - started:.0f} s", flush=True)
            if not results:
                print(output[-2000:])
            if direct is None:
                direct = failed
                continue
            more = failed - direct
            if more and "the program" not in more:      # once more, alone: not what fails by chance
                again, _ = run(work, python, way, driver, only=sorted(more))
                missing = "passed" if suite == "django" else "failed"
                more = {test for test in more if again.get(test, missing) == "failed"}
            failures += report(name, sorted(f"{title} {re.sub('^.*::', '', test)}" for test in more))
    world.close()
    return failures
