"""What a test suite of others is to driver_suites.py, and what those that run it have in common: how its sessions come in, and the
comparison of what passes through the broker with what passes directly."""

import os
import re
import time
from typing import Callable, NamedTuple, Sequence

PASSWORD = "only-for-this-run"


def two_roles(service, _, user):
    """Two roles, so that a name which is none of them is refused. The port."""
    secret = f"{{auth: 'file:{service.sallyport.secret_file(PASSWORD)}', user: {user}}}"
    service.text = re.sub(r"    auth: .*\n    user: .*", f"    roles: {{{user}: {secret}, nobody_else: {secret}}}", service.text)
    allow = f"[{{user: root, role: {user}, replication: true}}, {{user: root, role: nobody_else}}]"
    service.text = service.text.replace("[{user: root}]", allow)
    return service.port


def any_name(service, *_):
    """Whatever name a session gives, it is let in as the suite's user. The port."""
    return service.port


class Suite(NamedTuple):
    """`run(world, name, report)` runs it each way and says how many fail in session pooling, not directly, and without an explanation."""
    user: str                           # a role, and the database of the same name
    setup: Sequence[str]                # SQL in that database
    any_database: bool                  # it makes more of them
    run: Callable
    route: Callable = two_roles         # (service, pki, user) → the port of its route


def write_log(world, name, text):
    with open(os.path.join(world.folder, f"{name}.log"), "w", encoding="utf-8") as file:
        file.write(text)


def lost(direct, results):
    """What passed directly, and now did not, or is not there."""
    return {test for test, verdict in direct.items() if verdict == "passed" and results.get(test) != "passed"}


def newly_failed(direct, results):
    """For suites that tell no names of what passed."""
    return {test for test, verdict in results.items() if verdict == "failed" and direct.get(test) != "failed"}


def compare(world, name, ways, run, title, report, words=("passed", "failed"), more_of=lost):
    """How many fail in session pooling, not directly, and without an explanation. `run(way's name, way, only these)` is ({test: "passed" |
    "failed" | "skipped"}, all that was printed), `title(test)` its short name, `words` are what is counted."""
    direct, failures = None, 0
    for way_name, way in ways.items():
        started = time.monotonic()
        results, output = run(way_name, way, ())
        write_log(world, f"{name.replace(' ', '-')}-{way_name}", output)
        counts = ", ".join(f"{list(results.values()).count(word)} {word}" for word in words)
        print(f"{name}, {way_name}: {counts} in {time.monotonic() - started:.0f} s", flush=True)
        if not results:
            print(output[-2000:])
        if direct is None:
            direct = results
            continue
        more = more_of(direct, results)
        if more:    # once more, alone: not what fails by chance
            again, _ = run(way_name, way, sorted(more))
            more = {test for test in more if again.get(test, "failed") == "failed"}
        failures += report(way_name, [title(test) for test in sorted(more)])
    return failures
