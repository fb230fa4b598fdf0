"""The PgBouncers to compare with: Debian's own, and the newest that Debian's source packages offer, built once and cached.

The newer one renames prepared statements in transaction mode, which 1.18 cannot. Where it cannot be had, its columns are
missing and the page says so.
"""

import glob
import os
import re
import shutil
import subprocess

SUITES = ("trixie",)
CACHE = os.path.join(os.environ.get("SALLYPORT_CACHE", os.path.expanduser("~/.cache/sallyport")), "pgbouncer")


def version_of(program):
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    found = re.search(r"PgBouncer (\d[\w.]*)", done.stdout)
    return found.group(1) if found else None


def debians():
    return shutil.which("pgbouncer", path="/usr/sbin:" + os.environ["PATH"])


def newer():
    """The path of a newer PgBouncer than Debian 12's; None, with the reason printed, where none can be had."""
    built = sorted(glob.glob(os.path.join(CACHE, "*", "pgbouncer")))
    if built and version_of(built[-1]):
        return built[-1]
    for suite in SUITES:
        try:
            return _build(suite)
        except (OSError, subprocess.SubprocessError) as error:
            words = getattr(error, "stderr", None) or str(error)
            print(f"no newer PgBouncer from {suite}: {words.strip().splitlines()[-1]}")
    return None


def _mirror():
    """Where this machine gets Debian from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"], capture_output=True,
                          text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("Debian Debian "):
            return line.split()[2]
    raise OSError("this machine's apt knows no mirror of Debian")


def _build(suite):
    work = os.path.join(CACHE, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "lists", "partial"))
    with open(os.path.join(work, "source.list"), "w", encoding="utf-8") as file:
        file.write(f"deb-src {_mirror()} {suite} main\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={work}/source.list", "-o", "Dir::Etc::sourceparts=-",
           "-o", f"Dir::State::lists={work}/lists", "-o", f"Dir::Cache={work}", "-o", "APT::Sandbox::User=root"]

    def run(*words, folder=work):
        subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "libevent-dev", "libssl-dev", "pkg-config", "make")
    run(*apt, "update")
    run(*apt, "source", "--download-only", "pgbouncer")
    (archive,) = glob.glob(os.path.join(work, "pgbouncer_*.orig.tar.gz"))
    run("tar", "xf", archive)
    (tree,) = glob.glob(os.path.join(work, "pgbouncer-*", ""))
    run("./configure", "--with-openssl", "--without-cares", "--without-pam", "--without-systemd", folder=tree)
    run("make", f"-j{os.cpu_count()}", "pgbouncer", folder=tree)
    version = version_of(os.path.join(tree, "pgbouncer"))
    folder = os.path.join(CACHE, version)
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(tree, "pgbouncer"), folder)
    shutil.rmtree(work)
    return os.path.join(folder, "pgbouncer")
