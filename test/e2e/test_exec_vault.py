"""Dynamic, static and stored credentials from a real OpenBao, and what becomes of them afterwards."""

import datetime
import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import require, skip_here
from harness.children import environment, psql, python, read_environment
from harness.openbao import POLICY, REVOKE
from harness.processes import wait_for
from harness.sallyport import binary

WHO = "SELECT session_user, current_user"


def app_env(bao, **more):
    return {**bao.environment(bao.token()), **more}


def test_a_dynamic_user_logs_in_and_acts_as_the_services_role(sallyport, bao, vault_url):
    run = sallyport.exec(psql(WHO), vault_url(), env=app_env(bao)).ok()
    assert re.fullmatch(r"v-\S+\|app_owner\n", run.stdout), run.stdout


def test_tables_of_a_migration_outlive_the_user_that_made_them(sallyport, bao, vault_url, pg):
    run = sallyport.exec(psql("CREATE TABLE migrated (id int)", "SELECT session_user"), vault_url(), env=app_env(bao)).ok()
    user = run.stdout.strip()
    try:
        assert pg.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'migrated'", database="app") == [("app_owner",)]
        wait_for(lambda: not pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", user), f"{user} to be dropped", 10)
        assert pg.sql("SELECT count(*) FROM migrated", database="app") == [(0,)]
    finally:
        pg.sql("DROP TABLE IF EXISTS migrated", database="app")


def test_leases_are_revoked_at_the_end(sallyport, bao, vault_url):
    before = set(bao.leases("app-role"))
    sallyport.exec(psql(WHO), vault_url(), env=app_env(bao)).ok()
    wait_for(lambda: set(bao.leases("app-role")) <= before, "the lease to be revoked", 10)


def test_leases_are_revoked_when_the_child_is_killed(sallyport, bao, vault_url):
    before = set(bao.leases("app-role"))
    run = sallyport.exec(["sh", "-c", "psql -XAtqc 'SELECT 1' && kill -9 $$"], vault_url(), env=app_env(bao))
    assert run.code == 137
    wait_for(lambda: set(bao.leases("app-role")) <= before, "the lease to be revoked", 10)


def test_a_missing_run_as_is_warned_about(sallyport, bao, vault_url):
    run = sallyport.exec(psql(WHO), vault_url(run_as=None), env=app_env(bao)).ok()
    assert "run_as" in run.stderr


def test_a_policy_that_forbids_revoking_is_said_with_the_lines_to_add(sallyport, bao, vault_url):
    run = sallyport.exec(psql(WHO), vault_url(), env=bao.environment(bao.token("app-norevoke"))).ok()
    assert "sys/leases/revoke" in run.stderr and "update" in run.stderr
    assert re.search(r"until its lease ends by itself \(\d+ (s|min|h) after the last renewal\)", run.stderr), run.stderr
    assert re.search(r"a lease was left behind: user=v-\S+ dies_at=20\d\d-\d\d-\d\dT[\d:.]+Z", run.stderr), run.stderr


def test_the_token_is_not_handed_to_the_child(sallyport, bao, vault_url):
    token = bao.token()
    run = sallyport.exec(environment(), vault_url(), env=bao.environment(token)).ok()
    assert "VAULT_TOKEN" not in read_environment(run) and token not in run.output
    sallyport.assert_no_canary(token)


def test_keep_env_hands_on_the_variable_that_it_names(sallyport, bao, vault_url):
    token = bao.token()
    run = sallyport.exec(environment(), vault_url(), flags=["--keep-env", "VAULT_TOKEN"], env=bao.environment(token)).ok()
    assert read_environment(run)["VAULT_TOKEN"] == token


SEARCH = """
import glob, os, sys
half = len(sys.argv[1]) // 2
token = (sys.argv[1][:half] + sys.argv[2][half:]).encode()   # whole in no argument
places = glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline") + glob.glob(os.path.expanduser("~/.*"))
places += [os.path.join(base, name) for base, _, names in os.walk(os.path.expanduser("~")) for name in names]
places += [os.path.join(base, name) for base, _, names in os.walk(os.environ["XDG_STATE_HOME"]) for name in names]
read = 0
for place in places:
    try: data = open(place, "rb").read()
    except OSError: continue
    read += 1
    if token in data: print("found in", place, flush=True)
parent = open("/proc/%d/environ" % os.getppid(), "rb").read() if os.geteuid() == 0 else b""
print("read", read, "parent", len(parent.strip(b"\\0")), flush=True)
"""


@pytest.mark.parametrize("login", ["token", "approle"])
def test_a_child_that_searches_finds_no_authority(sallyport, bao, vault_url, login):
    """threat 11: its own environment, that of every process it may read, arguments, and the files it knows of."""
    env, wanted = bao.environment(), bao.token()
    if login == "token":
        env["VAULT_TOKEN"] = wanted
    else:
        role_id, wanted = bao.approle()
        env |= {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": wanted}
    half = len(wanted) // 2
    run = sallyport.exec(python(SEARCH, wanted[:half] + "?" * (len(wanted) - half), "?" * half + wanted[half:]), vault_url(), env=env).ok()
    assert "found" not in run.stdout, run.stdout
    read, parent = run.stdout.split()[1::2]
    assert int(read) > 5 and int(parent) == 0, run.stdout


def test_the_authority_that_the_child_still_has_is_said_and_strict_refuses(sallyport, bao, vault_url):
    path = os.path.join(sallyport.folder, "home", ".vault-token")
    with open(path, "w", encoding="ascii") as file:
        file.write(bao.token())
    os.chmod(path, 0o600)
    said = sallyport.exec(psql(WHO), vault_url(), env=bao.environment()).ok()
    assert ".vault-token" in said.stderr
    refused = sallyport.exec(["echo", "started"], vault_url(), flags=["--strict"], env=bao.environment())
    assert refused.code == 125 and ".vault-token" in refused.stderr and "started" not in refused.stdout


def test_authority_of_no_source_is_named_as_well(sallyport, file_url):
    """What other tools left in the environment and at home; its values are in no output."""
    env = {"VAULT_TOKEN": "s.canary-left", "AWS_SECRET_ACCESS_KEY": "canary-left-too", "AZURE_CLIENT_SECRET": ""}
    os.makedirs(os.path.join(sallyport.folder, "home", ".aws"))
    credentials = os.path.join(sallyport.folder, "home", ".aws", "credentials")
    with open(credentials, "w", encoding="ascii") as file:
        file.write("canary-left-in-a-file")
    said = sallyport.exec(psql("SELECT 1"), file_url(), env=env).ok()
    [line] = [line for line in said.stderr.splitlines() if "by itself" in line]
    refused = sallyport.exec(["echo", "started"], file_url(), flags=["--strict"], env=env)
    assert refused.code == 125 and "started" not in refused.stdout
    for text in (line, refused.stderr):
        for name in ("$VAULT_TOKEN", "$AWS_SECRET_ACCESS_KEY", credentials):
            assert name in text, text
        assert "AZURE" not in text and "canary" not in text


def test_approle(sallyport, bao, vault_url):
    role_id, secret_id = bao.approle()
    env = {**bao.environment(), "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}
    before = set(bao.leases("app-role"))
    run = sallyport.exec(psql(WHO), vault_url(), env=env).ok()
    assert run.stdout.startswith("v-approle-")
    sallyport.assert_no_canary(secret_id)
    wait_for(lambda: set(bao.leases("app-role")) <= before, "revoke-self to end the lease", 10)


def test_a_root_token_needs_to_be_allowed(sallyport, bao, vault_url):
    from harness.openbao import ROOT_TOKEN
    env = bao.environment(ROOT_TOKEN)
    refused = sallyport.exec(psql(WHO), vault_url(), env=env)
    assert refused.code != 0 and "root" in refused.stderr and "--allow-root-token" in refused.stderr
    sallyport.exec(psql(WHO), vault_url(), flags=["--allow-root-token"], env=env).ok()
    allowed = vault_url(allow_root_token="true")
    sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={allowed}"], env=env).ok()
    loosened = sallyport.exec(psql(WHO), allowed, env={**env, "SALLYPORT_ALLOW_ROOT_TOKEN": "1"})
    assert loosened.code == 125 and "allow_root_token" in loosened.stderr and "-e DATABASE_URL=" in loosened.stderr
    ignored = sallyport.exec(psql(WHO), vault_url(), env={**env, "SALLYPORT_ALLOW_ROOT_TOKEN": "1"})
    assert ignored.code == 125 and "root token" in ignored.stderr


@pytest.mark.parametrize("mount, path", [("secret", "secret/data/db"), ("kv1", "kv1/db")])
def test_kv_version_1_and_2(sallyport, bao, pg, pki, secret, mount, path):
    pair = {"username": "app", "password": secret}
    bao.call("POST", path, {"data": pair} if mount == "secret" else pair)
    query = f"engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    run = sallyport.exec(psql("SELECT current_user"), f"vault:{mount}/db?{query}", env=app_env(bao)).ok()
    assert run.stdout == "app\n"
    bare = sallyport.exec(psql("SELECT current_user"), f"vault:{mount}/db#password?{query}&user=app", env=app_env(bao)).ok()
    assert bare.stdout == "app\n"
    sallyport.assert_no_canary(secret)


def test_a_stored_secret_cannot_redirect_or_weaken(sallyport, bao, pg, pki, secret):
    bao.call("POST", "secret/data/evil", {"data": {
        "username": "app", "password": secret, "host": "attacker.example", "port": 1, "sslmode": "disable",
        "sslrootcert": "/nonexistent", "options": "-c role=postgres", "dbname": "postgres"}})
    url = f"vault:secret/evil?engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    script = "SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert sallyport.exec(psql(script), url, env=app_env(bao)).ok().stdout == "app|app|t\n"


def test_a_managers_json_supplies_the_endpoint_where_the_target_has_none(sallyport, bao, pg, pki, secret):
    bao.call("POST", "secret/data/whole", {"data": {"engine": "postgres", "host": "localhost", "port": pg.port,
                                                    "dbname": "app", "username": "app", "password": secret}})
    url = f"vault:secret/whole?engine=postgresql&sslrootcert={pki.ca}"
    assert sallyport.exec(psql("SELECT current_user"), url, env=app_env(bao)).ok().stdout == "app\n"


def test_a_static_role(sallyport, bao, pg, pki):
    pg.sql("CREATE ROLE static_one LOGIN PASSWORD 'before' IN ROLE app_owner")
    bao.call("POST", "database/static-roles/st", {"db_name": "pg", "username": "static_one", "rotation_period": "5s"})
    url = f"vault:database/static-creds/st?engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    script = """
import os, psycopg, time
for turn in range(8):
    with psycopg.connect(os.environ["DATABASE_URL"]) as c: print(c.execute("SELECT current_user").fetchone()[0])
    time.sleep(1)
"""
    try:
        assert sallyport.exec(python(script), url, env=app_env(bao)).ok().stdout == "static_one\n" * 8
    finally:
        bao.call("DELETE", "database/static-roles/st")


def test_a_ca_file_of_vault_that_others_may_write_is_refused(sallyport, bao, vault_url):
    path = os.path.join(sallyport.folder, "home", "vault-ca.pem")
    shutil.copyfile(bao.ca, path)
    env = {**app_env(bao), "VAULT_CACERT": path}
    os.chmod(path, 0o666)
    refused = sallyport.exec(psql(WHO), vault_url(), env=env)
    assert refused.code == 125 and "may be written by everybody" in refused.stderr, refused.stderr
    assert f"chmod go-w {path}" in refused.stderr
    os.chmod(path, 0o644)
    sallyport.exec(psql(WHO), vault_url(), env=env).ok()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("env, url_change, says", [
    ({"VAULT_ADDR": None}, {}, "VAULT_ADDR"),
    ({"VAULT_TOKEN": None}, {}, "VAULT_TOKEN"),
    ({"VAULT_TOKEN": "s.no-such-token"}, {}, "permission denied|token"),
    ({"VAULT_CACERT": "/nonexistent.pem"}, {}, "/nonexistent.pem"),
    ({"VAULT_CACERT": None}, {}, "authority|certificate"),
    ({}, {"role": "no-such-role"}, "no-such-role"),
    ({"VAULT_ADDR": "http://192.0.2.1:8200"}, {}, "http"),
])
def test_what_is_wrong_is_said_with_its_name(sallyport, bao, vault_url, env, url_change, says):
    merged = {**bao.environment(bao.token()), **env}
    run = sallyport.exec(psql(WHO), vault_url(**url_change), env=merged, seconds=60)
    assert run.code in (2, 125), run.output
    assert re.search(says, run.stderr), run.stderr
    if env.get("VAULT_TOKEN"):
        assert env["VAULT_TOKEN"] not in run.stderr


def test_references_in_other_variables_are_named_and_left_alone(sallyport, bao, file_url, tmp_path):
    touched = tmp_path / "touched"
    env = {"COMMIT_MESSAGE": f"exec:/usr/bin/touch {touched}", "BRANCH": "vault:database/creds/app-role",
           "OTHER": "file:/etc/shadow", **app_env(bao)}
    before = set(bao.leases("app-role"))
    run = sallyport.exec(environment(), file_url(), env=env).ok()
    child = read_environment(run)
    assert child["COMMIT_MESSAGE"] == env["COMMIT_MESSAGE"] and child["BRANCH"] == env["BRANCH"]
    assert not touched.exists() and set(bao.leases("app-role")) == before
    for name in ("COMMIT_MESSAGE", "BRANCH", "OTHER"):
        assert name in run.stderr


def test_the_kernel_saw_nothing_of_references_in_other_variables(sallyport, bao, file_url, tmp_path):
    """Each scheme in a variable of its own: no program, no file, no packet (threat 1), as strace tells it."""
    require(shutil.which("strace"), "strace")
    log = tmp_path / "strace"
    baits = {"exec": f"exec:{tmp_path}/program", "file": f"file:{tmp_path}/bait-file", "env": "env:BAIT_NAME",
             "systemd": "systemd:bait-credential", "vault": "vault:database/creds/bait"}
    env = {f"OF_{scheme.upper()}": text for scheme, text in baits.items()}
    env |= {"BAIT_NAME": "bait-value", "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), **app_env(bao)}
    command = ["strace", "-f", "-s", "400", "-e", "trace=execve,execveat,open,openat,openat2,connect,sendto", "-o",
               str(log), binary(), "exec", "--", "psql", "-XAtqc", "SELECT 'served'"]
    done = subprocess.run(command, env=sallyport.env(DATABASE_URL=file_url(), **env), capture_output=True, text=True,
                          timeout=60)
    if "PTRACE" in done.stderr:
        skip_here("this machine does not allow strace")
    assert done.stdout == "served\n", done.stderr
    seen = log.read_text()
    assert "home/password" in seen and ".s.PGSQL." in seen, "strace saw nothing, so this proves nothing"
    assert str(tmp_path) not in seen and "bait" not in seen
    assert f"htons({bao.port})" not in seen


def test_the_environment_cannot_weaken_a_check(sallyport, file_url, pg, tmp_path):
    """Refused before the secret's file is opened or a packet leaves (threats 3, 14), as strace tells it; -e may."""
    require(shutil.which("strace"), "strace")
    log = tmp_path / "strace"
    until = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
    weaker = file_url(sslmode="require", tls_reason="test", tls_until=until)
    command = ["strace", "-f", "-s", "400", "-e", "trace=execve,execveat,open,openat,openat2,connect,sendto", "-o",
               str(log), binary(), "exec", "--", "echo", "started"]
    done = subprocess.run(command, env=sallyport.env(DATABASE_URL=weaker), capture_output=True, text=True, timeout=60)
    if "PTRACE" in done.stderr:
        pytest.skip("this machine does not allow strace")
    assert done.returncode == 125 and "sslmode=require" in done.stderr and "started" not in done.stdout
    assert "-e DATABASE_URL=" in done.stderr and "sallyport.yaml" in done.stderr
    seen = log.read_text()
    assert "execve(" in seen, "strace saw nothing, so this proves nothing"
    assert "home/password" not in seen and f"htons({pg.port})" not in seen
    allowed = sallyport.exec(psql("SELECT 'in'"), flags=["-e", f"DATABASE_URL={weaker}"]).ok()
    assert allowed.stdout == "in\n" and "not fully verified" in allowed.stderr


def test_exec_references_are_refused_in_database_url(sallyport, pg, tmp_path):
    touched = tmp_path / "touched"
    run = sallyport.exec(["true"], f"exec:/usr/bin/touch {touched}?engine=postgresql&host=localhost&dbname=app")
    assert run.code == 125 and "exec:" in run.stderr and not touched.exists()


def test_the_policy_of_the_docs_is_the_one_tested():
    from harness.sallyport import ROOT
    with open(os.path.join(ROOT, "docs", "vault.md"), encoding="utf-8") as file:
        text = re.sub(r"\s+", " ", file.read())
    for line in ('path "sys/leases/renew" { capabilities = ["update"] }', REVOKE.strip()):
        assert line in text, line
    assert 'path "sys/leases/renew"' in POLICY and json.dumps("update") in REVOKE
