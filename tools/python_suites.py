"""Test suites of drivers for Python, from their source distributions on the package index. For driver_suites.py, which says what is
expected of each."""

import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

# What is taken: the distribution whose tests run, and what they need beside it.
SUITES = {
    "asyncpg": ("asyncpg==0.32.0", ["asyncpg==0.32.0", "uvloop", "distro", "pytest-asyncio"]),
    "psycopg2": ("psycopg2==2.9.13", ["psycopg2-binary==2.9.13"]),
}
COMMON = ["pytest", "pytest-timeout"]


def unpack(suite, source, needs, folder):
    """Where its source distribution lies, and a Python that has what it needs."""
    venv = os.path.join(folder, f"{suite}-venv")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [os.path.join(venv, "bin", "pip"), "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "install", *needs], check=True)
    subprocess.run([*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, source], check=True)
    (archive,) = glob.glob(os.path.join(folder, f"{suite}-*.tar.gz"))
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return archive.removesuffix(".tar.gz"), os.path.join(venv, "bin", "python")


def prepare(suite, folder):
    """The suite's tests alone (not its sources, which would be imported), and a Python that has what they need."""
    source, needs = SUITES[suite]
    unpacked, python = unpack(suite, source, [*COMMON, *needs], folder)
    work = os.path.join(folder, f"{suite}-tests")
    os.makedirs(work)
    shutil.move(os.path.join(unpacked, "tests"), work)
    return work, python


def run(work, python, way, user, only=()):
    """{test: "passed" | "failed"}, and all that was printed. Of what was skipped pytest tells no name."""
    directory, port = way
    env = {**os.environ, "PGHOST": directory, "PGPORT": str(port), "PGUSER": user, "PGDATABASE": user, "PGSSLMODE": "disable",
           "PSYCOPG2_TESTDB": user, "PSYCOPG2_TEST_REPL_DSN": ""}
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "60", "-rA", "--tb=short", *(only or ["tests"])],
                          cwd=work, env=env, capture_output=True, text=True)
    words = {"PASSED": "passed", "FAILED": "failed", "ERROR": "failed"}
    found = re.findall(r"^(PASSED|FAILED|ERROR) (tests/\S+)", done.stdout, re.M)
    results = {}
    for word, test in found:
        if results.get(test) != "failed":       # an error at its end counts
            results[test] = words[word]
    return results, done.stdout + done.stderr


def python_suite(world, suite, folder, user, report):
    """How many fail in session pooling, not directly, and without an explanation."""
    work, python = prepare(suite, folder)
    direct, failures = None, 0
    for name, way in world.database(suite).items():
        started = time.monotonic()
        results, output = run(work, python, way, user)
        with open(os.path.join(folder, f"{suite}-{name}.log"), "w", encoding="utf-8") as file:
            file.write(output)
        failed = {test for test, verdict in results.items() if verdict == "failed"}
        print(f"{suite}, {name}: {sum(v == 'passed' for v in results.values())} passed, {len(failed)} failed in "
              f"{time.monotonic() - started:.0f} s", flush=True)
        if not results:
            print(output[-2000:])
        if name == "direct":
            direct = results
            continue
        more = {test for test, verdict in direct.items() if verdict == "passed" and results.get(test) != "passed"}
        if more:    # once more, alone: not what fails by chance
            again, _ = run(work, python, way, user, only=sorted(more))
            more = {test for test in more if again.get(test, "failed") == "failed"}
        failures += report(name, [f"{suite} {test.rsplit('::', 1)[-1]}" for test in sorted(more)])
    world.close()
    return failures
