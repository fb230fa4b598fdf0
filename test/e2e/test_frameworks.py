"""What docs/frameworks.md claims, run: small programs of Django, SQLAlchemy and ActiveRecord, with the settings of that page, in both
pool modes. In transaction pooling five connections of a program work on two of the server's, which they could not if they were pinned;
what pins is counted by its reason.

Those whose libraries are larger (Spring, Prisma, pgx) are in test_frameworks_large.py."""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from conftest import require
from test_drivers import CACHE, HERE

POOLS = {"session": "max: 6", "transaction": "max: 2, wait_max: 20 s"}
pytestmark = pytest.mark.timeout(600)
ORDINARY = ["migrate", "crud", "savepoint", "pool", "stream"]


def unix_environment(it, **more):
    return {"PATH": os.environ["PATH"], "HOME": CACHE, "LANG": "C.UTF-8", "PGHOST": it.directory, "PGPORT": str(it.port), **more}


def admin_of(sallyport):
    return f'admin: {{listen: "unix:{sallyport.folder}/http", socket: "off"}}'


def pins(it):
    """How many sessions were pinned since the start, by reason."""
    time.sleep(0.15)        # who asks within 100 ms of another gets the same snapshot
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--unix-socket", f"{it.sallyport.folder}/http", "http://localhost/metrics"],
                          capture_output=True, text=True)
    assert "sallyport_build_info" in done.stdout, done
    return {reason: int(count) for reason, count in re.findall(r'^sallyport_pins_total\{target="main",reason="(\w+)"\} (\d+)', done.stdout, re.M)}


def run_steps(command, steps, env, seconds=120):
    done = subprocess.run([*command, *steps], env=env, capture_output=True, text=True, timeout=seconds)
    assert done.stdout.splitlines() == [f"{step} ok" for step in steps], done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture
def made(pg):
    """Takes away what the programs have made in the common database."""
    yield
    pg.sql("DO $$ DECLARE t text; BEGIN FOR t IN SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relowner = 'app'::regrole "
           "LOOP EXECUTE 'DROP TABLE ' || t || ' CASCADE'; END LOOP; END $$", database="app")


@pytest.fixture
def framework(pooled, sallyport, made):
    def make(mode):
        return pooled(mode, POOLS[mode], extra=admin_of(sallyport))
    return make


def python(name):
    return [sys.executable, os.path.join(HERE, "frameworks", f"{name}_program.py")]


def ruby():
    found = shutil.which("ruby") and subprocess.run(["ruby", "-e", "require 'active_record'; require 'pg'"], capture_output=True).returncode == 0
    require(found, "Ruby with activerecord and pg (./dev soak installs them)", ci_too=False)
    return ["ruby", os.path.join(HERE, "frameworks", "activerecord_program.rb")]


@pytest.mark.parametrize("mode", POOLS)
def test_django_shares_and_only_a_cursor_outside_a_transaction_pins(framework, mode):
    it = framework(mode)
    run_steps(python("django"), [*ORDINARY, "timezone"], unix_environment(it))
    assert pins(it) == {}
    run_steps(python("django"), ["stream_outside"], unix_environment(it))
    assert pins(it) == ({"cursor_with_hold": 1} if mode == "transaction" else {})


@pytest.mark.parametrize("mode", POOLS)
def test_sqlalchemy_shares_and_only_a_set_after_connecting_pins(framework, mode):
    it = framework(mode)
    run_steps(python("sqlalchemy"), [*ORDINARY, "autocommit", "serializable", "search_path_at_start"], unix_environment(it))
    assert pins(it) == {}
    run_steps(python("sqlalchemy"), ["search_path"], unix_environment(it))
    assert pins(it) == ({"setting": 1} if mode == "transaction" else {})


def test_activerecord_works_in_session_pooling(framework):
    it = framework("session")
    run_steps(ruby(), [*ORDINARY, "advisory_lock"], unix_environment(it))
    assert pins(it) == {}


def test_activerecord_is_pinned_by_what_it_says_after_connecting(framework):
    it = framework("transaction")
    run_steps(ruby(), ["migrate", "crud", "savepoint", "stream"], unix_environment(it))
    assert pins(it) == {"setting": 2}       # both of its connections: migrations take their lock on one of their own


def test_activerecord_shares_when_the_role_has_its_settings(framework):
    it = framework("transaction")
    env = unix_environment(it, SETTINGS_OF_THE_ROLE="1")
    run_steps(ruby(), ["migrate"], env)
    assert pins(it) == {"advisory_lock": 1}
    run_steps(ruby(), ORDINARY[1:], env)
    assert pins(it) == {"advisory_lock": 1}
