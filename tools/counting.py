"""Counts of what ran: read from JUnit files, printed as the one closing line that CI reads.

Both ctest and pytest can write JUnit; reading that is safer than reading what they print for people.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)  # of what was skipped
    broken: list[str] = field(default_factory=list)   # the names of what failed

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons += other.reasons
        self.broken += other.broken
        return self

    def line(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_junit(path):
    counts = Counts()
    if not os.path.exists(path):
        return counts
    for case in ET.parse(path).iter("testcase"):
        skipped = case.find("skipped")
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
            counts.broken.append(name)
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            counts.skipped += 1
            text = (skipped.get("message") if skipped is not None else "") or "no reason given"
            counts.reasons.append(f"{name}: {text}")
        else:
            counts.passed += 1
    return counts


def run_ctest(build, names=(), jobs=None, env=None):
    """Runs the unit tests of a build folder; shows failures and one line of progress a folder."""
    junit = os.path.join(os.path.abspath(build), "ctest.xml")
    if os.path.exists(junit):
        os.remove(junit)
    command = ["ctest", "--test-dir", build, "--output-on-failure", "--no-tests=ignore",
               "--output-junit", junit, "-j", str(jobs or os.cpu_count())]
    if names:
        command += ["-R", "|".join(names)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env=env)
    boring = (" Passed ", "Start ")
    for line in process.stdout:
        if not any(word in line for word in boring) and line.strip():
            print("  " + line.rstrip(), flush=True)
    process.wait()
    counts = read_junit(junit)
    if process.returncode != 0 and counts.failed == 0:
        counts.failed = 1
        counts.reasons.append("ctest itself failed")
    return counts


def finish(counts):
    """Prints reasons and the closing line, hands the counts to .ci/run, and returns the exit code."""
    grouped = {}
    for reason in counts.reasons:
        name, _, text = reason.partition(": ")
        grouped.setdefault(text, []).append(name)
    for text, names in grouped.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        print(f"  skipped {names[0]}{more}: {text}")
    for name in counts.broken:   # once more, where nobody has to look for it
        print(f"  FAILED {name}")
    print(counts.line(), flush=True)
    path = os.environ.get("SALLYPORT_COUNTS")
    if path:
        with open(path, "a", encoding="ascii") as out:
            out.write(f"{counts.passed} {counts.failed} {counts.skipped}\n")
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit("a module of run_tests.py and check.py")
