"""Test suites of drivers for Go, which their modules carry. For driver_suites.py; suites_expected.py says what is expected of each."""

import json
import os
import re
import shutil
import subprocess
import time

from suite import Suite, write_log
from suites_expected import explanation

MODULES = {"pgx": "github.com/jackc/pgx/v5@v5.12.0", "pq": "github.com/lib/pq@v1.12.3"}


def fetched(name, folder):
    done = subprocess.run(["go", "mod", "download", "-json", MODULES[name]], capture_output=True, text=True, check=True)
    target = os.path.join(folder, name)
    shutil.copytree(json.loads(done.stdout)["Dir"], target)
    subprocess.run(["chmod", "-R", "u+w", target], check=True)
    return target


def go_test(name, source, way, only=None):
    """{(package, test): "pass" | "fail" | "skip"}, and all that was printed."""
    directory, port = way
    user = SUITES[name].user
    env = {**os.environ, "PGHOST": directory, "PGPORT": str(port), "PGUSER": user, "PGDATABASE": user, "PGSSLMODE": "disable",
           "PGX_TEST_DATABASE": f"host={directory} port={port} user={user} dbname={user} sslmode=disable", "GOFLAGS": "-mod=mod"}
    command = ["go", "test", "-json", "-count=1", "-p", "1", "-timeout", "15m"]
    if only:
        command += ["-run", "^(" + "|".join(sorted({test.split("/")[0] for _, test in only})) + ")$"]
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
    for package, test in list(failed):
        if test == "(the package)" and any(p == package and t != test for p, t in failed):
            del results[(package, test)]
    return results, done.stdout + done.stderr


def leaves(failed):
    """Without the tests whose subtests are there as well."""
    return {key for key in failed if not any(o != key and o[0] == key[0] and o[1].startswith(key[1] + "/") for o in failed)}


def title(key):
    return f"{key[0].split('/')[-1]} {key[1]}"


def run(world, name, report):
    source = fetched(name, world.folder)
    direct, failures = None, 0
    for way_name, way in world.database(name).items():
        started = time.monotonic()
        results, output = go_test(name, source, way)
        write_log(world, f"{name}-{way_name}", output)
        failed = leaves({key for key, action in results.items() if action == "fail"})
        actions = list(results.values())
        print(f"{name}, {way_name}: {actions.count('pass')} passed, {len(failed)} failed, {actions.count('skip')} skipped in "
              f"{time.monotonic() - started:.0f} s", flush=True)
        if direct is None:
            direct = results
            continue
        # A test that is not there was behind one that brought its program down.
        more = {key for key in failed if direct.get(key) != "fail"}
        more |= leaves({key for key, action in direct.items() if action == "pass" and key not in results and key[1] != "(the package)"})
        # Once more, alone: not what fails by chance, nor what stood behind a test that brought its program down.
        known = {key for key in more if explanation(way_name, title(key))}
        if rest := more - known:
            again, output = go_test(name, source, way, only=rest)
            write_log(world, f"{name}-{way_name}-again", output)
            more = known | {key for key in rest if again.get(key, "fail") == "fail"}
        failures += report(way_name, [title(key) for key in sorted(more)])
    return failures


SUITES = {
    "pgx": Suite("pgx", ["CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext; CREATE DOMAIN uint64 AS numeric(20,0)"],
                 any_database=False, run=run),
    "pq": Suite("pqgo", ["CREATE EXTENSION hstore"], any_database=False, run=run),
}
