"""Invariant 1 over the whole way: the canary is in no output, file, environment, argument list or core image."""

import os
import re
import shutil
import subprocess
import time

import pytest

from conftest import require, skip_here
from harness import canary
from harness.children import psql, python
from harness.fake_postgres import FakePostgres
from harness.openbao import CREATE, REMEMBERING, remembered
from harness.processes import descendants, wait_for
from harness.service import Service

pytestmark = pytest.mark.alone     # dumps memory at a certain moment

BUSY = """
import os, psycopg, time
c = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
print("busy", flush=True)
until = time.monotonic() + float(os.environ.get("SECONDS", "4"))
while time.monotonic() < until: c.execute("SELECT 1"); time.sleep(0.05)
"""


@pytest.mark.parametrize("verbosity", [[], ["-v"], ["-v", "-v", "-v"]], ids=["plain", "v", "vvv"])
@pytest.mark.parametrize("case", ["good", "bad password", "no server", "bad database", "bad ca"])
def test_every_outcome_at_every_verbosity(sallyport, file_url, pki, secret, case, verbosity):
    changes = {"good": {}, "bad password": {"password": secret + "x", "name": "wrong"}, "no server": {"port": 1},
               "bad database": {"dbname": "nope"}, "bad ca": {"sslrootcert": pki.other_ca}}[case]
    run = sallyport.exec(psql("SELECT 1"), file_url(**changes), flags=verbosity)
    assert (run.code == 0) == (case == "good"), run.output
    home = os.path.join(sallyport.folder, "home")
    sallyport.assert_no_canary(secret, allowed_files=[f"{home}/password", f"{home}/wrong"])


def test_serve_with_its_trail_and_state(sallyport, pg, pki, secret):
    path = sallyport.secret_file(secret)
    service = Service(sallyport, pg, pki, f"file:{path}").start()
    assert service.psql("SELECT 1").stdout == "1\n"
    service.psql("SELECT 1/0")
    service.psql("SELECT 1", account="nobody")
    assert canary.search_processes(secret, service.run.pid) == []
    service.stop()
    sallyport.assert_no_canary(secret, allowed_files=[path])


@pytest.mark.parametrize("form", [
    "postgresql://app:{quoted}@localhost/app", '{{"username": "app", "password": {json}}}', "{secret}"],
    ids=["uri", "json", "bare"])
def test_every_shape_of_a_secret(sallyport, pg, pki, secret, form):
    import json
    import urllib.parse
    text = form.format(secret=secret, json=json.dumps(secret), quoted=urllib.parse.quote(secret, safe=""))
    path = sallyport.secret_file(text)
    url = f"file:{path}?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    assert sallyport.exec(psql("SELECT current_user"), url, flags=["-v", "-v"]).ok().stdout == "app\n"
    sallyport.assert_no_canary(secret, allowed_files=[path])


@pytest.mark.parametrize("text", ['{{"username": "app", "password": {json}', '{{"password": [{json}], "username": "app"}}',
                                  "postgresql://app:{quoted}@[::1/app", '[{json}]'])
def test_a_secret_that_cannot_be_parsed_is_not_quoted(sallyport, pg, pki, secret, text):
    import json
    import urllib.parse
    path = sallyport.secret_file(text.format(json=json.dumps(secret), quoted=urllib.parse.quote(secret, safe="")))
    url = f"file:{path}?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    run = sallyport.exec(psql("SELECT 1"), url, flags=["-v", "-v"])
    assert run.code != 0
    sallyport.assert_no_canary(secret, allowed_files=[path])


def test_a_password_in_a_variable_is_taken_from_the_environment_and_not_handed_on(sallyport, pg, pki, secret):
    url = f"env:DB_PASSWORD?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    run = sallyport.start_exec(python(BUSY), url, env={"DB_PASSWORD": secret})
    run.until("busy")
    assert canary.search_processes(secret, run.pid) == []
    run.wait().ok()
    sallyport.assert_no_canary(secret)


def test_a_password_of_systemd(sallyport, pg, pki, secret):
    folder = os.path.join(sallyport.folder, "credentials")
    os.makedirs(folder, mode=0o700)
    with open(os.path.join(folder, "db"), "w", encoding="utf-8") as file:
        file.write(secret)
    os.chmod(os.path.join(folder, "db"), 0o600)
    url = f"systemd:db?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    run = sallyport.exec(psql("SELECT current_user"), url, env={"CREDENTIALS_DIRECTORY": folder}).ok()
    assert run.stdout == "app\n"
    sallyport.assert_no_canary(secret, allowed_files=[os.path.join(folder, "db")])


def test_a_world_readable_secret_file_is_refused(sallyport, file_url, secret):
    url = file_url()
    os.chmod(os.path.join(sallyport.folder, "home", "password"), 0o644)
    run = sallyport.exec(psql("SELECT 1"), url)
    assert run.code in (2, 125) and "chmod" in run.stderr
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def gcore(pid, folder, everything=False):
    """The bytes of a core image of `pid` made as root, as the kernel would write it; with `everything` also the
    mappings that are kept out of core dumps. Skips where root may not attach."""
    require(shutil.which("gcore"), "gcore (gdb)")
    prefix = os.path.join(folder, "core")
    done = subprocess.run(["gcore", *(["-a"] if everything else []), "-o", prefix, str(pid)], capture_output=True, text=True)
    path = f"{prefix}.{pid}"
    if done.returncode != 0 or not os.path.exists(path):
        skip_here("this machine does not let root attach to a process")
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data


def assert_only_in_undumped_memory(secret, pid, folder):
    """The secret is there (so the search can find it), and no core dump would hold it."""
    assert canary.search(secret, gcore(pid, folder, everything=True)), "the search itself finds nothing: it proves nothing"
    assert canary.search(secret, gcore(pid, folder)) == []


def test_memory_images(sallyport, file_url, secret, tmp_path):
    """After login; the child, which reads the file itself, shows that the search can find."""
    reads = "import sys; known = open(sys.argv[1]).read()\n" + BUSY
    run = sallyport.start_exec(python(reads, f"{sallyport.folder}/home/password"), file_url(), env={"SECONDS": "20"})
    run.until("busy")
    image = gcore(run.pid, str(tmp_path))
    child = gcore(descendants(run.pid)[-1], str(tmp_path))
    run.process.terminate()
    run.wait()
    assert child and canary.search(secret, child), "the search itself finds nothing: it proves nothing"
    assert canary.search(secret, image) == []


@pytest.mark.parametrize("behaviour, reached", [("silent", "connections"), ("stop_inside_scram", "reached_proof")])
def test_memory_images_before_and_during_the_login(sallyport, pki, file_url, secret, tmp_path, behaviour, reached):
    with FakePostgres(pki, behaviour) as server:
        run = sallyport.start_exec(psql("SELECT 1"), file_url(port=server.port))
        wait_for(lambda: getattr(server, reached), "the login to get there")
        assert_only_in_undumped_memory(secret, run.pid, str(tmp_path))
        run.process.terminate()
        run.wait()


def test_memory_images_after_the_end_of_a_lease(sallyport, own_bao, pg, pki, tmp_path):
    """Passwords of dropped users are in no page of the process, dumped or not; the living one is in no core dump."""
    with remembered(pg) as passwords:
        own_bao.role("remembered", ttl="3s", max_ttl="6s", create=REMEMBERING)
        token = own_bao.token()
        service = Service(sallyport, pg, pki, "vault:database/creds/remembered", user=None,
                          extra_target="    run_as: app_owner")
        service.start(env=own_bao.environment(token))

        def three_dead():
            assert service.psql("SELECT 1").stdout == "1\n"
            return len(passwords(alive=False)) >= 3
        wait_for(three_dead, "three users to be made and dropped", 60)
        dead = passwords(alive=False)
        time.sleep(3)       # the last of them is held until its lease's end has been told
        living = passwords(alive=True)
        everything, dump = (gcore(service.run.pid, str(tmp_path), everything=all_of_it) for all_of_it in (True, False))
        assert any(canary.search(each, everything) for each in living), "the search itself finds nothing"
        for each in living + dead:
            assert canary.search(each, dump) == []
        for each in dead:
            assert canary.search(each, everything) == []
        assert canary.search(token, dump) == []
        service.stop()


def test_the_token_is_in_no_core_dump_while_the_manager_thinks(sallyport, own_bao, pg, vault_url, tmp_path):
    """The HTTP client holds the request with its token for as long as OpenBao takes to answer."""
    own_bao.role("thinking", create=CREATE + "SELECT pg_sleep(8);")
    token = own_bao.token()
    run = sallyport.start_exec(["true"], vault_url("thinking"), env=own_bao.environment(token))
    thinks = """SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(8)%' AND state = 'active' AND pid <> pg_backend_pid()"""
    wait_for(lambda: pg.sql(thinks), "OpenBao to be asked", 20)
    assert_only_in_undumped_memory(token, run.pid, str(tmp_path))
    assert pg.sql(thinks), "it thought long enough"
    run.wait().ok()


def test_no_core_dump_and_not_dumpable(sallyport, file_url):
    run = sallyport.start_exec(python(BUSY), file_url())
    run.until("busy")
    with open(f"/proc/{run.pid}/limits", encoding="ascii") as file:
        assert re.search(r"Max core file size\s+0\s", file.read())
    assert os.stat(f"/proc/{run.pid}/mem").st_uid == 0      # what PR_SET_DUMPABLE 0 does to a process's files
    run.wait().ok()


def test_no_descriptor_is_inherited_by_the_child(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", "ls /proc/self/fd | wc -l; exec ls -l /proc/self/fd"], file_url()).ok()
    for line in run.stdout.splitlines()[1:]:
        assert "anon_inode" not in line and "socket:" not in line, run.stdout


WORDS = """
import os, subprocess
print("child sees", os.environ.get("DB_PASSWORD"))
print(subprocess.run(["psql", "-XAtqc", "SELECT current_user"], capture_output=True, text=True).stdout, end="")
"""


def test_a_variable_that_a_configuration_names_is_not_handed_on(sallyport, pg, pki, secret):
    config = Service(sallyport, pg, pki, "env:DB_PASSWORD").config
    env = {"DB_PASSWORD": secret, "DATABASE_URL": ""}
    run = sallyport.exec(python(WORDS), flags=["-c", config, "-e", "DATABASE_URL=main", "--strict"], env=env)
    if re.search("metadata service|serviceaccount", run.stderr):
        pytest.skip("a machine of a cloud: --strict rightly refuses")
    assert run.ok().stdout == "child sees None\napp\n"
    sallyport.assert_no_canary(secret)


def test_a_variable_that_connects_reference_names_is_not_handed_on(sallyport, pg, pki, secret):
    url = f"env:DB_PASSWORD?engine=postgresql&host=localhost&port={pg.port}&dbname=app&user=app&sslrootcert={pki.ca}"
    run = sallyport.run("connect", url, "--", "-XAtc", r"\! echo child sees $DB_PASSWORD", "-c", "SELECT current_user",
                        env={"DB_PASSWORD": secret}).ok()
    assert run.stdout == "child sees\napp\n"
    sallyport.assert_no_canary(secret)


def test_a_secret_file_that_the_child_can_read_is_named_and_strict_refuses(sallyport, file_url):
    said = sallyport.exec(psql("SELECT 1"), file_url()).ok()
    assert f"{sallyport.folder}/home/password" in said.stderr
    refused = sallyport.exec(["echo", "started"], file_url(), flags=["--strict"])
    assert refused.code == 125 and "home/password" in refused.stderr and "started" not in refused.stdout
