"""Test suites of drivers for Rust, from their crates. For driver_suites.py; suites_expected.py says what is expected of each."""

import functools
import json
import os
import re
import shutil
import subprocess

from suite import Suite, compare

CRATES = {"tokio-postgres": "0.7.18", "postgres": "0.19.14"}
WORDS = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
CACHE = os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport"))


def manifest(folder, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "Cargo.toml"), "w", encoding="ascii") as file:
        file.write(text)


def sources(folder):
    """The crates with their tests, which come along with them."""
    asked, work = os.path.join(folder, "rust-asked"), os.path.join(folder, "rust")
    manifest(asked, '[package]\nname = "asked"\nversion = "0.1.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[dependencies]\n'
             + "".join(f'{name} = "={version}"\n' for name, version in CRATES.items()))
    with open(os.path.join(asked, "lib.rs"), "w", encoding="ascii"):
        pass
    done = subprocess.run(["cargo", "metadata", "--format-version", "1"], cwd=asked, stdout=subprocess.PIPE, text=True, check=True)
    for package in json.loads(done.stdout)["packages"]:
        if CRATES.get(package["name"]) == package["version"]:
            shutil.copytree(os.path.dirname(package["manifest_path"]), os.path.join(work, package["name"]))
    members = ", ".join(f'"{name}"' for name in CRATES)
    manifest(work, f'[workspace]\nmembers = [{members}]\nresolver = "2"\n[patch.crates-io]\ntokio-postgres = {{path = "tokio-postgres"}}\n')
    return work


def prepare(folder):
    """{crate: its program of tests}, which connect to the socket at/.s.PGSQL.5433 in `folder` instead of localhost:5433."""
    work, at = sources(folder), os.path.join(folder, "at")
    os.makedirs(at)
    features = set()
    for place, _, names in os.walk(work):
        for path in (os.path.join(place, name) for name in names if name.endswith(".rs") and name != "parse.rs"):
            if "/tests/" not in path and not path.endswith("/test.rs"):
                continue
            with open(path, encoding="utf-8") as file:
                text = file.read()
            features.update(re.findall(r'feature = "([^"]+)"', text))
            text = text.replace('TcpStream::connect("127.0.0.1:5433")', f'UnixStream::connect("{at}/.s.PGSQL.5433")')
            text = re.sub(r"(\"host=[a-z.,]*)(localhost|/var/run/postgresql)", rf"\g<1>{at}", re.sub(r"\bTcpStream\b", "UnixStream", text))
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    command = ["cargo", "test", "--no-run", "--workspace", "--message-format", "json",
               "--features", " ".join(f"tokio-postgres/{each}" for each in sorted(features))]
    done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, "CARGO_TARGET_DIR": os.path.join(CACHE, "suites-rust")})
    programs = {}
    for message in map(json.loads, done.stdout.splitlines()):
        if message.get("executable") and message["profile"]["test"]:
            programs[os.path.basename(os.path.dirname(message["manifest_path"]))] = message["executable"]
    return programs, at


def tests(programs, at, _, way, only):
    """{(crate, test): "passed" | "failed" | "skipped"}, and all that was printed."""
    directory, port = way
    link = os.path.join(at, ".s.PGSQL.5433")
    if os.path.lexists(link):
        os.remove(link)
    os.symlink(os.path.join(directory, f".s.PGSQL.{port}"), link)
    results, output = {}, ""
    for crate, program in programs.items():
        chosen = [test for of, test in only if of == crate]
        if only and not chosen:
            continue
        done = subprocess.run([program, "--exact", *chosen], capture_output=True, text=True, timeout=600)
        output += done.stdout + done.stderr
        found = re.findall(r"^test (\S+).* \.\.\. (ok|FAILED|ignored)", done.stdout, re.M)
        results |= {(crate, test): WORDS[verdict] for test, verdict in found}
    return results, output


def run(world, name, report):
    return compare(world, name, world.database(name), functools.partial(tests, *prepare(world.folder)), " ".join, report,
                   words=("passed", "failed", "skipped"))


SUITES = {
    "rust": Suite("postgres", ["CREATE EXTENSION IF NOT EXISTS hstore", "CREATE EXTENSION citext; CREATE EXTENSION ltree"],
                  any_database=True, run=run),
}
