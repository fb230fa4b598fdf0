"""PostgreSQL's regression tests, from its source, compared with what they print on a direct connection. For driver_suites.py;
suites_expected.py says what is expected of them."""

import os
import re
import shutil
import subprocess
import time

from harness.processes import find_program
from suite import Suite, any_name

PG_REGRESS = "/usr/lib/postgresql/15/lib/pgxs/src/test/regress"
CREATE = "CREATE DATABASE regress OWNER regress TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"


def pg_regress(program, work, out, way):
    directory, port = way
    command = [program, "--use-existing", f"--host={directory}", f"--port={port}", "--user=regress", "--dbname=regress", f"--dlpath={work}",
               f"--inputdir={work}", f"--outputdir={out}", f"--schedule={work}/parallel_schedule", "--max-concurrent-tests=20"]
    return subprocess.run(command, cwd=out, capture_output=True, text=True, env={**os.environ, "PGSSLMODE": "disable"},
                          umask=0)      # the server writes there, too


def same_as_direct(folder, way_name, test):
    """What the direct connection printed is what is expected: the source may be of another minor version."""
    texts = []
    for each in ("direct", way_name):
        path = os.path.join(folder, f"regress-{each}", "results", f"{test}.out")
        with open(path, encoding="utf-8", errors="replace") as file:
            texts.append(file.read().replace(f"regress-{each}", "regress-"))
    return texts[0] == texts[1]


def run(world, name, report):
    folder, failures = world.folder, 0
    ways = world.database(name)
    program = find_program("pg_regress", PG_REGRESS)
    work = os.path.join(folder, "regress")
    shutil.copytree(world.options.source, work)
    library = ["gcc", "-shared", "-fPIC", "-O1", "-I", world.options.include, "-o", "regress.so", "regress.c"]
    subprocess.run(library, cwd=work, check=True)
    subprocess.run(["chmod", "-R", "a+rwX", folder], check=True)
    for way_name, way in ways.items():
        # A test that goes another way may leave one.
        for (transaction,) in world.pg.sql("SELECT gid FROM pg_prepared_xacts WHERE database = 'regress'"):
            world.pg.sql(f"ROLLBACK PREPARED '{transaction}'", database="regress")
        world.pg.sql("DROP DATABASE IF EXISTS regress WITH (FORCE)")
        world.pg.sql(CREATE)
        out = os.path.join(folder, f"regress-{way_name}")
        os.makedirs(out)
        os.chmod(out, 0o777)
        started = time.monotonic()
        done = pg_regress(program, work, out, way)
        lines = (re.match(r"(?:test)?\s*([a-z0-9_]+)\s+\.\.\. (ok|FAILED)", line) for line in done.stdout.splitlines())
        verdicts = dict(line.group(1, 2) for line in lines if line)
        failed = sorted(test for test, verdict in verdicts.items() if verdict != "ok")
        print(f"regress, {way_name}: {len(verdicts) - len(failed)} ok, {len(failed)} failed in {time.monotonic() - started:.0f} s",
              flush=True)
        if not verdicts:
            print(done.stdout[-2000:], done.stderr[-2000:])
        if way_name != "direct":
            failures += report(way_name, [f"regress {test}" for test in failed if not same_as_direct(folder, way_name, test)])
    return failures


# It connects under many names.
SUITES = {"regress": Suite("regress", [], any_database=False, run=run, route=any_name)}
