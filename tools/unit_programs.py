"""Unit tests of a sanitized build: many tests to a process, as a start there takes longer than most tests.

Each program of the build's test folder runs in shards of GoogleTest's, two or more at a time; each test is counted, and a
process that dies is told with the test that it died in. `./dev test` gives each test a process of its own (ctest).
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

from counting import Counts, read_junit

TESTS_A_SHARD = 60
SECONDS_MAX = 1800
# The longest first, and in pieces small enough for the last one not to be waited for alone.
LONG = {"test_sim": 1, "test_contract": 20}


def tests_of(program, env):
    """How many it has; None: it cannot say."""
    listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, errors="replace", env=env, check=False)
    if listed.returncode != 0:
        return None
    return sum(1 for line in listed.stdout.splitlines() if line.startswith("  ") and "DISABLED_" not in line)


def shards_of(program, tests):
    size = LONG.get(os.path.basename(program), TESTS_A_SHARD)
    total = max(1, -(-tests // size))
    return [(program, index, total) for index in range(total)]


def died_in(output):
    """The test that began and did not end."""
    open_test = None
    for line in output.splitlines():
        if found := re.match(r"\[ RUN +\] (\S+)", line):
            open_test = found.group(1)
        elif re.match(r"\[ +(OK|FAILED|SKIPPED) +\] ", line):
            open_test = None
    return open_test


def run_shard(shard, env):
    """Its counts, and what it said where something failed."""
    program, index, total = shard
    name = f"{os.path.basename(program)} {index + 1} of {total}"
    with tempfile.TemporaryDirectory(prefix="sp-") as folder:
        report = os.path.join(folder, "report.xml")
        try:
            run = subprocess.run([program, f"--gtest_output=xml:{report}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", timeout=SECONDS_MAX, check=False, cwd=os.path.dirname(program),
                                 env={**env, "GTEST_TOTAL_SHARDS": str(total), "GTEST_SHARD_INDEX": str(index)})
            code, output = run.returncode, run.stdout
        except subprocess.TimeoutExpired as late:
            code, output = f"{SECONDS_MAX} s are over", (late.stdout or b"").decode(errors="replace")
        counts = read_junit(report)
    if code != 0 and counts.failed == 0:     # it died, or was found to leak when it ended
        counts.failed = 1
        counts.broken.append(f"{name}, in {died_in(output) or 'its end'} (exit: {code})")
    return counts, output if counts.failed else ""


def run_programs(build, env, jobs=None):
    """Runs what ctest would run one by one."""
    programs = sorted(p for p in glob.glob(os.path.join(build, "test", "test_*")) if os.access(p, os.X_OK) and os.path.isfile(p))
    counts, shards = Counts(), []
    for program in sorted(programs, key=lambda p: os.path.basename(p) not in LONG):
        tests = tests_of(program, env)
        if tests is None:
            counts.failed += 1
            counts.broken.append(f"{os.path.basename(program)}: does not start")
            continue
        shards += shards_of(program, tests)
    if not programs:
        counts.failed += 1
        counts.broken.append(f"no test programs in {build}")
    with concurrent.futures.ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        done = {}
        for (program, _, total), (one, output) in zip(shards, pool.map(lambda shard: run_shard(shard, env), shards)):
            counts += one
            if output:
                print("    " + "\n    ".join(output.splitlines()[-60:]), flush=True)
            name = os.path.basename(program)
            done.setdefault(name, [0, Counts()])
            done[name][0] += 1
            done[name][1] += one
            if done[name][0] == total:
                print(f"  {name}: {done[name][1].line()}", flush=True)
    return counts


if __name__ == "__main__":
    sys.exit("a module of check.py")
