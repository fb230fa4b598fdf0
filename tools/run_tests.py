"""`./dev test`: unit tests by ctest, then tests with real servers by pytest; one closing line for both."""

import argparse
import os
import subprocess
import sys
import time

from counting import Counts, finish, read_junit, run_ctest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def unit_names(build, names):
    """A folder of test/ stands for its whole program, anything else is a ctest pattern."""
    patterns = []
    for name in names:
        program = os.path.join(build, "test", f"test_{name}")
        if os.path.exists(program):
            listing = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True).stdout
            suites = [line.strip() for line in listing.splitlines() if line.endswith(".")]
            patterns += ["^" + suite.replace(".", r"\.") for suite in suites]
        else:
            patterns.append(name)
    return patterns


def run_pytest(names, extra, tag="e2e"):
    folder = os.path.join(ROOT, "test", "e2e")
    junit = os.path.join(ROOT, "build", f"{tag}.xml")
    if os.path.exists(junit):
        os.remove(junit)
    files = [os.path.join(folder, os.path.basename(n.split("::")[0])) + n[len(n.split("::")[0]):] for n in names]
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider",
               "--junitxml", junit, *extra, *(files or [folder])]
    status = subprocess.run(command, cwd=folder).returncode
    counts = read_junit(junit)
    if status not in (0, 5) and counts.failed == 0:   # 5: no test was collected
        counts.failed = 1
    counts.reasons = []     # it has printed them
    return counts


def run_end_to_end(names, extra):
    """Two at a time, as most of a test is waiting for a server; behind them those that need the machine for themselves. One after the
    other with SALLYPORT_E2E_WORKERS=1, and where few are named."""
    workers = int(os.environ.get("SALLYPORT_E2E_WORKERS", min(2, os.cpu_count() or 1)))
    if names or workers < 2:
        return run_pytest(names, extra)
    counts = run_pytest(names, ["-n", str(workers), "--dist", "worksteal", "-m", "not alone", *extra])
    if counts.failed == 0 or "-x" not in extra:
        counts += run_pytest(names, ["-m", "alone", *extra], tag="e2e-alone")
    return counts


def main():
    parser = argparse.ArgumentParser(prog="./dev test")
    parser.add_argument("--build", default="build/release", help=argparse.SUPPRESS)
    parser.add_argument("-k", dest="keyword", help="pytest's -k, for test/e2e")
    parser.add_argument("-x", dest="first", action="store_true", help="stop at the first failure (test/e2e)")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ["SALLYPORT_BUILD"] = os.path.abspath(options.build)
    end_to_end = [n for n in options.names if ".py" in n]
    units = [n for n in options.names if ".py" not in n and n not in ("e2e", "unit")]
    everything = not options.names
    counts = Counts()
    started = time.monotonic()
    if everything or units or "unit" in options.names:
        print("unit tests:", flush=True)
        counts += run_ctest(options.build, unit_names(options.build, units))
        print(f"  {counts.line()} in {time.monotonic() - started:.0f} s", flush=True)
    if everything or end_to_end or "e2e" in options.names:
        print("tests with real servers:", flush=True)
        extra = (["-k", options.keyword] if options.keyword else []) + (["-x"] if options.first else [])
        counts += run_end_to_end(end_to_end, extra)
    return finish(counts)


if __name__ == "__main__":
    sys.exit(main())
