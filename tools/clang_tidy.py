"""clang-tidy over sources of ours. It remembers what it has passed by a hash of the file and of every header of ours
that the file includes, so that the second run on the same text costs nothing.

Most of its time goes into what a source includes. Where many are to be read they are therefore read in groups
(cmake/group_sources.py: a group changes no name's meaning); where a group has a finding, each of its sources is read alone, and
that is what counts. What clang says of the file only that it was given, of names that nobody uses, is tools/tidy.py's to find; an
include that only a neighbour has is found where few files changed, as they are read alone then.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

from counting import Counts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "cmake"))
import group_sources  # noqa: E402

GROUP_SIZE = 6
READ_ALONE_MAX = 12


def fingerprint(name, texts):
    """A hash over the file and over every header of ours that it reaches."""
    digest = hashlib.sha256()
    path = os.path.join(ROOT, name)
    for each in [path, *sorted(texts.headers(path)), os.path.join(ROOT, ".clang-tidy")]:
        with open(each, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def flags_of(name):
    """How the tidy preset compiles the file, without the compiler, its output and its input."""
    with open(os.path.join(ROOT, "build", "tidy", "compile_commands.json"), encoding="utf-8") as commands:
        command = next((c["command"] for c in json.load(commands) if c["file"] == os.path.join(ROOT, name)), None)
    if command is None:
        raise SystemExit(f"clang-tidy: {name} belongs to no target of CMake's: no flags to read it with")
    words = shlex.split(command)
    first = next(i for i, word in enumerate(words) if word.startswith("-"))
    return words[first:words.index("-o")] + words[words.index("-o") + 2:words.index("-c")]


def findings(arguments):
    """What clang-tidy says, a line each; none where the text passes."""
    result = subprocess.run(["clang-tidy-14", "--quiet", *arguments], cwd=ROOT, capture_output=True, text=True)
    if result.returncode == 0:
        return []
    lines = [line for line in result.stdout.splitlines() if re.search(r": (error|warning):", line)]
    return lines or (result.stderr[-800:] or f"clang-tidy ended with {result.returncode}").splitlines()


def read_alone(name):
    return findings(["-p", "build/tidy", name])


def read_group(names, folder):
    """What is said of each; a name that is not in it passed."""
    if len(names) > 1:
        with tempfile.NamedTemporaryFile("w", suffix=".cpp", dir=folder, encoding="utf-8") as group:
            group_sources.write_lines(group, [os.path.join(ROOT, name) for name in names], os.path.join(ROOT, "src"))
            group.flush()
            if not findings(["--checks=-bugprone-suspicious-include", group.name, "--", *flags_of(names[0])]):
                return {}
    said = {name: read_alone(name) for name in names}
    return {name: found for name, found in said.items() if found}


def groups_of(names):
    """Sources of one layer are compiled alike."""
    if len(names) <= READ_ALONE_MAX:
        return [[name] for name in names]
    layers = collections.defaultdict(list)
    for name in names:
        layers[name.split("/")[1]].append(os.path.join(ROOT, name))
    packed = [group for paths in layers.values() for group in group_sources.pack(paths, os.path.join(ROOT, "src"), GROUP_SIZE)]
    return [[os.path.relpath(path, ROOT) for path in group] for group in packed]


def check(files, cache, jobs):
    sources = [f for f in files if f.startswith("src/") and f.endswith(".cpp")]
    memory = os.path.join(cache, "clang-tidy")
    os.makedirs(memory, exist_ok=True)
    texts = group_sources.Texts(os.path.join(ROOT, "src"))
    stamps = {name: os.path.join(memory, fingerprint(name, texts)) for name in sources}
    todo = [name for name in sources if not os.path.exists(stamps[name])]
    if not todo:
        return Counts(passed=1)
    subprocess.run(["cmake", "--preset", "tidy"], cwd=ROOT, check=True, capture_output=True)
    groups = groups_of(todo)
    print(f"  {len(todo)} files to read, in {len(groups)} groups", flush=True)

    def run(names):
        said = read_group(names, folder)
        for name in names:
            if name not in said:
                open(stamps[name], "w").close()
        return [line for found in said.values() for line in found]

    failures = set()
    with tempfile.TemporaryDirectory(dir=os.path.join(ROOT, "build", "tidy")) as folder, \
            concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(run, groups):
            failures.update(found)
    for line in sorted(failures)[:60]:
        print("  " + line.replace(ROOT + "/", ""))
    return Counts(failed=1) if failures else Counts(passed=1)


if __name__ == "__main__":
    sys.exit("a module of check.py")
