"""`./dev check`: format, names and defects (clang-tidy), the project's own rules (tidy.py), the unit tests
under ASan+UBSan and a short run of every fuzzer. `./dev soak` is the same machine for longer: TSan, more
seconds a fuzzer, the tests with real servers at their full size.
"""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time

import clang_tidy
from counting import Counts, finish, read_junit, run_ctest
from unit_programs import run_programs

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport"))
CODE = ("src", "test", "fuzz", "bench", "include")
JOBS = int(os.environ.get("SALLYPORT_JOBS", os.cpu_count() or 2))
SANITIZER_ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
                 "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}


def git(*arguments):
    return subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT).stdout.split("\n")


def code_files():
    listed = git("ls-files", "--cached", "--others", "--exclude-standard", *CODE)
    return sorted(f for f in listed if f.endswith((".h", ".cpp")) and os.path.exists(os.path.join(ROOT, f)))


def changed_files():
    """What differs from the base: SALLYPORT_BASE, or origin's main, or the newest commit older than 12 hours."""
    base = os.environ.get("SALLYPORT_BASE")
    if not base:
        head = git("rev-parse", "HEAD")[0]
        for candidate in (git("merge-base", "HEAD", "origin/main")[0],
                          git("rev-list", "-1", "--before=12 hours ago", "HEAD")[0]):
            if candidate and candidate != head:
                base = candidate
                break
    if not base:
        return None
    names = git("diff", "--name-only", base) + git("ls-files", "--others", "--exclude-standard")
    return {name for name in names if name}


def pending_steps():
    """Steps that are reported but do not fail yet: tools/check_pending.txt, "step  reason"."""
    path = os.path.join(ROOT, "tools", "check_pending.txt")
    steps = {}
    if os.path.exists(path):
        for line in open(path, encoding="utf-8"):
            if line.strip() and not line.startswith("#"):
                step, _, reason = line.strip().partition(" ")
                steps[step] = reason.strip()
    return steps


def check_format(files):
    def deviates(name):
        return subprocess.run(["clang-format-14", "--dry-run", "-Werror", name], cwd=ROOT,
                              capture_output=True).returncode != 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        bad = [name for name, wrong in zip(files, pool.map(deviates, files)) if wrong]
    if bad:
        print(f"  {len(bad)} files differ from .clang-format; fix with: clang-format-14 -i " + " ".join(bad[:8])
              + (" …" if len(bad) > 8 else ""))
    return Counts(failed=1) if bad else Counts(passed=1)


def check_rules():
    ours = subprocess.run([sys.executable, "tools/tidy.py"], cwd=ROOT).returncode
    junit = os.path.join(ROOT, "build", "tidy-tests.xml")
    os.makedirs(os.path.dirname(junit), exist_ok=True)
    subprocess.run([sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
                    "--junitxml", junit, "tools"], cwd=ROOT)
    counts = read_junit(junit)
    counts += Counts(failed=1) if ours else Counts(passed=1)
    return counts


def build(preset):
    return subprocess.run(["./dev", "_build", "--preset", preset], cwd=ROOT).returncode == 0


def check_sanitized(preset, names=()):
    if not build(preset):
        return Counts(failed=1)
    folder, env = os.path.join(ROOT, "build", preset), {**os.environ, **SANITIZER_ENV}
    return run_ctest(folder, names, env=env) if names else run_programs(folder, env)


def fuzz_one(program, seconds):
    name = os.path.basename(program)
    corpus = os.path.join(CACHE, "corpus", name)
    artifacts = os.path.join(ROOT, "build", "fuzz-findings", name) + "-"
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(os.path.dirname(artifacts), exist_ok=True)
    seeds = os.path.join(ROOT, "fuzz", "seeds", name)
    command = [program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={artifacts}", corpus] + ([seeds] if os.path.isdir(seeds) else [])
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=ROOT)
    executed = re.search(r"number_of_executed_units: (\d+)", result.stderr)
    return name, result.returncode, executed.group(1) if executed else "0", result.stderr


def check_fuzzers(build_folder, seconds, only=None):
    programs = [p for p in sorted(glob.glob(os.path.join(ROOT, build_folder, "fuzz", "*_fuzz"))) if os.access(p, os.X_OK)]
    if only:
        programs = [p for p in programs if os.path.basename(p) in (only, only + "_fuzz")]
        if not programs:
            print(f"  no fuzzer is called {only}")
            return Counts(failed=1)
    counts = Counts()
    if not only:
        sources = {os.path.basename(f)[:-len(".cpp")] for f in glob.glob(os.path.join(ROOT, "fuzz", "*_fuzz.cpp"))}
        missing = sorted(sources - {os.path.basename(p) for p in programs})
        if missing or not programs:
            counts.failed += max(1, len(missing))
            print("  no fuzzers were built" if not programs else f"  not built: {', '.join(missing)}")
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for name, status, executed, text in pool.map(lambda p: fuzz_one(p, seconds), programs):
            print(f"  {name}: {executed} inputs" + ("" if status == 0 else f", FAILED (exit {status})"), flush=True)
            if status == 0:
                counts.passed += 1
            else:
                counts.failed += 1
                print("    " + "\n    ".join(text.splitlines()[-25:]))
    return counts


def soak_steps(seconds):
    def end_to_end():
        reports = [os.path.join(ROOT, "build", name) for name in ("e2e.xml", "e2e-alone.xml")]  # as run_tests.py writes them
        for report in reports:
            if os.path.exists(report):
                os.remove(report)
        env = {**os.environ, "SALLYPORT_SOAK": "1"}
        env.pop("SALLYPORT_COUNTS", None)       # counted here, once
        status = subprocess.run(["./dev", "test", "e2e"], cwd=ROOT, env=env).returncode
        counts = Counts()
        for report in reports:
            counts += read_junit(report)
        if status != 0 and counts.failed == 0 or counts.passed + counts.failed == 0:
            counts.failed += 1      # it could not even count
        return counts
    return [("TSan tests", lambda: check_sanitized("tsan")),
            (f"fuzzers, {seconds} s each", lambda: check_fuzzers("build/fuzz", seconds) if build("fuzz")
             else Counts(failed=1)),
            ("all tests with real servers, long", end_to_end)]


FUZZ_MINUTES_COLD = 14      # where nothing has been compiled before, on two slow cores


def too_late_to_fuzz(now=None):
    """Why the last step is not begun: the machine is taken away (SALLYPORT_CHECKS_END, in seconds since 1970) before it can have ended,
    and everything that was seen until then with it."""
    end = os.environ.get("SALLYPORT_CHECKS_END")
    left = (int(end) - (now or time.time())) / 60 if end else FUZZ_MINUTES_COLD
    if left >= FUZZ_MINUTES_COLD:
        return None
    return f"{max(0, left):.0f} minutes are left, and it may take {FUZZ_MINUTES_COLD} where nothing is compiled yet; ./dev check runs it"


def main():
    parser = argparse.ArgumentParser(prog="./dev check")
    parser.add_argument("--changed", action="store_true", help="format and clang-tidy only on what changed")
    parser.add_argument("--only", choices=["format", "clang-tidy", "rules", "asan", "fuzz"])
    parser.add_argument("--soak", type=int, metavar="SECONDS", help=argparse.SUPPRESS)
    parser.add_argument("--fuzz-build", default="build/fuzz", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help="with --only fuzz: NAME and SECONDS")
    options = parser.parse_args()
    os.chdir(ROOT)

    files = code_files()
    changed = changed_files() if options.changed else None
    touched = files if changed is None else [f for f in files if f in changed]
    seconds = next((int(w) for w in options.words if w.isdigit()), 10)
    name = next((w for w in options.words if not w.isdigit()), None)

    def fuzz():
        if options.only != "fuzz" and not build("fuzz"):
            return Counts(failed=1)
        return check_fuzzers(options.fuzz_build, seconds, name)

    steps = soak_steps(options.soak) if options.soak else [
        ("format", lambda: check_format(touched)),
        ("rules", check_rules),
        ("clang-tidy", lambda: clang_tidy.check(touched, CACHE, JOBS)),
        ("asan", lambda: check_sanitized("asan")),
        ("fuzz", fuzz)]
    total, pending = Counts(), pending_steps()
    for step, run in steps:
        if options.only and step != options.only:
            continue
        print(f"{step}:", flush=True)
        started = time.monotonic()
        late = too_late_to_fuzz() if step == "fuzz" else None
        counts = Counts(skipped=1, reasons=[f"{step}: {late}"]) if late else run()
        if counts.failed and step in pending and not options.only:
            counts = Counts(skipped=1, reasons=[f"{step}: {pending[step]}"])
        print(f"  {counts.line()} in {time.monotonic() - started:.0f} s", flush=True)
        total += counts
    return finish(total)


if __name__ == "__main__":
    sys.exit(main())
