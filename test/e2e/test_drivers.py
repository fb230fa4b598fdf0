"""Six drivers, each running a small program unchanged: psycopg, asyncpg, pgx, pgjdbc, node-postgres, tokio-postgres.

The programs of other languages are built once into the cache outside the tree, under a hash of their source."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import IN_CI, require, skip_here

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drivers")
CACHE = os.path.join(os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport")), "drivers")
EXPECTED = r"ok {user} 110 3 22012 true"


def version(*command):
    """(major, minor) that a tool prints of itself; (0, 0) when it is missing."""
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except OSError:
        return (0, 0)
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def built(name, make):
    """The folder of a built program; `make(folder)` builds it where it is missing."""
    source = os.path.join(HERE, name)
    digest = hashlib.sha256()
    for base, folders, names in os.walk(source):
        folders.sort()
        for each in sorted(names):
            with open(os.path.join(base, each), "rb") as file:
                digest.update(each.encode() + file.read())
    target = os.path.join(CACHE, f"{name}-{digest.hexdigest()[:16]}")
    os.makedirs(CACHE, exist_ok=True)
    with open(f"{target}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)        # a run of another clone builds it, too
        if not os.path.exists(os.path.join(target, "complete")):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
            make(target)
            open(os.path.join(target, "complete"), "w").close()
    return target


def run_in(folder, *command, **env):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **env}, timeout=1800)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def go_program():
    found = version("go", "version")
    require(found >= (1, 26), f"Go 1.26 (found {found[0]}.{found[1]})", ci_too=False)
    folder = built("go", lambda f: (run_in(f, "go", "mod", "tidy"), run_in(f, "go", "build", "-o", "driver", ".")))
    return [os.path.join(folder, "driver")]


def rust_program():
    found = version("cargo", "--version")
    require(found >= (1, 95), f"Cargo 1.95 (found {found[0]}.{found[1]})", ci_too=False)
    folder = built("rust", lambda f: run_in(f, "cargo", "build", "--release", "--quiet"))
    return [os.path.join(folder, "target", "release", "driver")]


def node_program():
    require(shutil.which("node") and shutil.which("npm"), "Node.js with npm")
    folder = built("node", lambda f: run_in(f, "npm", "install", "--no-audit", "--no-fund", "--silent"))
    return ["node", os.path.join(folder, "driver.js")]


def java_program():
    require(shutil.which("javac") and shutil.which("mvn"), "a JDK with Maven")

    def make(folder):
        run_in(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
        run_in(folder, "sh", "-c", "javac -cp 'lib/*' Driver.java")
    folder = built("java", make)
    return ["java", "-cp", f"{folder}:{folder}/lib/*", "Driver"]


PROGRAMS = {
    "psycopg": lambda: [sys.executable, os.path.join(HERE, "psycopg_driver.py")],
    "asyncpg": lambda: [sys.executable, os.path.join(HERE, "asyncpg_driver.py")],
    "pgx": go_program,
    "node-postgres": node_program,
    "tokio-postgres": rust_program,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("listen", ["unix", "tcp"])
@pytest.mark.parametrize("driver", PROGRAMS)
def test_driver(sallyport, file_url, secret, driver, listen):
    run = sallyport.exec(PROGRAMS[driver](), file_url(), flags=["--listen", listen]).ok()
    assert re.fullmatch(EXPECTED.format(user="app"), run.stdout.strip()), run.output
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


@pytest.mark.timeout(900)
def test_pgjdbc_gets_a_jdbc_url_over_tcp(sallyport, file_url):
    run = sallyport.exec(java_program(), file_url(dialect="jdbc:postgresql")).ok()
    assert re.fullmatch(EXPECTED.format(user="app"), run.stdout.strip()), run.output
    assert "tcp" in run.stderr.lower()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("driver", ["psycopg", "pgx"])
def test_driver_with_a_dynamic_credential(sallyport, bao, vault_url, driver):
    run = sallyport.exec(PROGRAMS[driver](), vault_url(), env=bao.environment(bao.token())).ok()
    assert re.fullmatch(EXPECTED.format(user="app_owner"), run.stdout.strip()), run.output


def test_ci_has_the_toolchains_that_its_machine_is_said_to_have():
    if not IN_CI:
        skip_here("only a matter for CI")
    assert shutil.which("node") and shutil.which("javac")
