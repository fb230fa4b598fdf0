"""`sallyport resolve`: what a reference leads to, without its secret; and with it, when somebody says so."""

import datetime
import json
import os
import subprocess

import pytest

from harness.processes import wait_for
from harness.sallyport import binary
from harness.terminal import answer_on_a_terminal

PAIR = {"username": "app", "host": "db.example.com", "port": 5432, "dbname": "orders", "sslmode": "disable"}


def pair_file(sallyport, secret, **more):
    return "file:" + sallyport.secret_file(json.dumps({**PAIR, "password": secret, **more}), "pair")


def no_canary(sallyport, secret):
    sallyport.assert_no_canary(secret, allowed_files=[os.path.join(sallyport.folder, "home", "pair")])


def test_it_says_what_came_back_and_not_the_secret(sallyport, secret):
    run = sallyport.run("resolve", pair_file(sallyport, secret)).ok()
    lines = dict(line.split(None, 1) for line in run.stdout.splitlines())
    assert lines["is"] == "password" and lines["user"] == "app"
    assert lines["for"] == "db.example.com:5432/orders (the secret says so)"
    assert lines["ignored"].startswith("sslmode")
    no_canary(sallyport, secret)


def test_json_is_one_flat_object(sallyport, secret):
    run = sallyport.run("resolve", pair_file(sallyport, secret), "--format", "json").ok()
    told = json.loads(run.stdout)
    assert told["kind"] == "password" and told["port"] == 5432 and "secret" not in told
    no_canary(sallyport, secret)


def test_json_holds_no_bytes_that_are_none_of_it(sallyport):
    path = sallyport.secret_file("", "binary")
    with open(path, "wb") as file:
        file.write(b"\xff\xfe\x80secret")
    refused = sallyport.run("resolve", f"file:{path}?shape=password", "--reveal", "--yes", "--format", "json")
    assert refused.code == 2 and refused.stdout == "" and "UTF-8" in refused.stderr and "-o FILE" in refused.stderr, refused
    out = os.path.join(sallyport.folder, "home", "out")
    sallyport.run("resolve", f"file:{path}?shape=password", "--reveal", "--yes", "-o", out, "--format", "text").ok()
    with open(out, "rb") as file:
        assert b"\xff\xfe\x80secret" in file.read()


def test_a_lease_that_nobody_was_given_is_ended_again(sallyport, bao):
    before = set(bao.leases("app-role"))
    run = sallyport.run("resolve", "vault:database/creds/app-role", "--format", "json",
                        env=bao.environment(bao.token())).ok()
    told = json.loads(run.stdout)
    assert told["user"].startswith("v-") and told["lease_ended"] and told["lease_id"].startswith("database/creds/app-role/")
    wait_for(lambda: set(bao.leases("app-role")) <= before, "the lease to be revoked", 10)


def exported(text):
    lines = dict(line.removeprefix("export ").split("=", 1) for line in text.splitlines())
    return {name: value.strip("'") for name, value in lines.items()}


def test_no_variable_has_the_keys_of_a_connection_written_to_a_file(sallyport, bao):
    """libcurl writes them where SSLKEYLOGFILE says: with them, whoever recorded the connection reads the secret."""
    keys = os.path.join(sallyport.folder, "home", "keys")
    sallyport.run("resolve", "vault:database/creds/app-role", env={**bao.environment(bao.token()), "SSLKEYLOGFILE": keys}).ok()
    assert not os.path.exists(keys)


def test_without_libcurl_what_needs_no_http_works_and_the_rest_says_so(sallyport, secret):
    with open(os.path.join(sallyport.folder, "libcurl.so.4"), "w", encoding="ascii") as file:
        file.write("no library")
    without = {"LD_LIBRARY_PATH": sallyport.folder}
    sallyport.run("resolve", pair_file(sallyport, secret), env=without).ok()
    refused = sallyport.run("resolve", "vault:secret/app", env={**without, "VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "t"})
    assert refused.code == 2 and "needs libcurl.so.4, which cannot be loaded" in refused.stderr and "libcurl4" in refused.stderr, refused.stderr


ANOTHER_LIBCURL = """
#define NOT(name) void* name(void) { return 0; }
NOT(curl_easy_init) NOT(curl_easy_setopt) NOT(curl_easy_perform) NOT(curl_easy_getinfo) NOT(curl_easy_reset) NOT(curl_easy_cleanup)
NOT(curl_easy_strerror) NOT(curl_slist_append) NOT(curl_slist_free_all) NOT(curl_url) NOT(curl_url_set) NOT(curl_url_get)
NOT(curl_url_cleanup) NOT(curl_free) NOT(curl_global_init_mem)
static struct { int age; const char* version; unsigned number; } about = {0, "VERSION", NUMBER};
void* curl_version_info(int now) { return &about; }
"""


@pytest.mark.parametrize("version, number, says", [
    ("7.74.0", "0x074a00", "is 7.74.0: it would ignore what we ask it to check"),
    ("8.9.1", "0x080901", "does not use the OpenSSL that we use (version 8.9.1)")])
def test_a_libcurl_that_would_not_check_what_we_ask_it_to_is_not_used(sallyport, version, number, says):
    source = os.path.join(sallyport.folder, "libcurl.c")
    with open(source, "w", encoding="ascii") as file:
        file.write(ANOTHER_LIBCURL.replace("VERSION", version).replace("NUMBER", number))
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", os.path.join(sallyport.folder, "libcurl.so.4")], check=True)
    refused = sallyport.run("resolve", "vault:secret/app", env={"LD_LIBRARY_PATH": sallyport.folder, "VAULT_TOKEN": "t",
                                                                "VAULT_ADDR": "https://127.0.0.1:1"})
    assert refused.code == 2 and says in refused.stderr, refused.stderr


def test_what_was_shown_lives_on_and_logs_in(sallyport, bao, pg, pki):
    reference = f"vault:database/creds/app-role?host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    run = sallyport.run("resolve", reference, "--reveal", "--yes", "--format", "env", env=bao.environment(bao.token())).ok()
    values = exported(run.stdout)
    assert values["PGHOST"] == "localhost" and values["PGDATABASE"] == "app" and values["PGSSLMODE"] == "verify-full"
    psql = subprocess.run(["psql", "-XAtqc", "SELECT session_user"], env={**os.environ, **values}, capture_output=True, text=True, check=False)
    assert psql.stdout.strip() == values["PGUSER"], psql.stderr


def test_a_lease_whose_secret_could_not_be_written_is_ended_again(sallyport, bao):
    before = set(bao.leases("app-role"))
    env = {**sallyport.env(), **bao.environment(bao.token())}
    reveal = [binary(), "resolve", "vault:database/creds/app-role", "--reveal", "--yes"]
    with open("/dev/full", "w") as full:
        assert subprocess.run(reveal, env=env, stdout=full, stderr=subprocess.PIPE, check=False).returncode == 2
    gone, kept = os.pipe()
    os.close(gone)  # nobody reads
    assert subprocess.run(reveal, env=env, stdout=kept, stderr=subprocess.PIPE, check=False).returncode == 2
    os.close(kept)
    wait_for(lambda: set(bao.leases("app-role")) <= before, "the leases to be revoked", 10)
    assert sallyport.run(*reveal[1:], "-o", "/nonexistent/x", env=bao.environment(bao.token())).code == 2
    assert set(bao.leases("app-role")) <= before


def test_a_token_of_ours_is_ended_when_nothing_came(sallyport, bao):
    role_id, secret_id = bao.approle()
    before = set(bao.call("LIST", "auth/token/accessors")["data"]["keys"])
    run = sallyport.run("resolve", f"vault:secret/not-ours?role_id={role_id}&secret_id_file={sallyport.secret_file(secret_id)}", env=bao.environment())
    assert run.code == 2 and "no secret at this path" in run.stderr, run.stderr
    assert set(bao.call("LIST", "auth/token/accessors")["data"]["keys"]) <= before


def test_a_file_for_a_secret_that_never_came_is_not_left(sallyport):
    out = os.path.join(sallyport.folder, "out")
    assert sallyport.run("resolve", "file:/nonexistent/x", "--reveal", "--yes", "-o", out).code == 2
    assert not os.path.exists(out)


@pytest.mark.parametrize("more, expected", [
    ("", {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "system", "PGREQUIREAUTH": "scram-sha-256"}),
    ("&sslrootcert=/etc/ca.pem", {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/ca.pem"}),
    ("&login_methods=md5&login_reason=old", {"PGREQUIREAUTH": "scram-sha-256,md5"}),
    ("&sslmode=require&tls_reason=test&tls_until=SOON", {"PGSSLMODE": "require", "PGSSLROOTCERT": None}),
])
def test_a_shell_is_told_to_check_the_server_too(sallyport, secret, more, expected):
    soon = (datetime.date.today() + datetime.timedelta(days=7)).isoformat()
    reference = pair_file(sallyport, secret) + "?host=db.example.com" + more.replace("SOON", soon)
    values = exported(sallyport.run("resolve", reference, "--reveal", "--yes", "--format", "env").ok().stdout)
    for name, value in expected.items():
        assert values.get(name) == value, values


def test_into_a_pipe_it_is_not_shown_unless_told(sallyport, secret):
    run = sallyport.run("resolve", pair_file(sallyport, secret), "--reveal")
    assert run.code == 2 and "--yes" in run.stderr
    no_canary(sallyport, secret)


def test_who_was_shown_a_secret_stands_in_the_trail(sallyport, secret):
    reference = pair_file(sallyport, secret)
    run = sallyport.run("resolve", reference, "--reveal", "--yes").ok()
    assert secret in run.stdout
    told = sallyport.run("audit", "query", "--format", "json").ok()
    assert f"resolve --reveal {reference}" in told.stdout and secret not in told.stdout


def test_the_trail_tells_what_was_not_shown(sallyport):
    assert sallyport.run("resolve", "file:/nonexistent/x", "--reveal", "--yes").code == 2
    told = sallyport.audit("--kind", "admin")
    assert [row["result"] for row in told] == ["ok", "failed"]
    assert told[1]["reason"].startswith("resolve --reveal file:/nonexistent/x: not shown")


def on_a_terminal(sallyport, *arguments, **typed):
    return answer_on_a_terminal(binary(), arguments, sallyport.env(), **typed)


def test_on_a_terminal_it_asks(sallyport, secret):
    reference = pair_file(sallyport, secret)
    for answer, shown in ((b"n\n", False), (b"y\n", True)):
        seen, _, answered = on_a_terminal(sallyport, "resolve", reference, "--reveal", answer=answer)
        assert answered and (secret.encode() in seen) == shown, seen


def test_what_was_typed_before_the_question_is_no_answer(sallyport, secret):
    seen, code, answered = on_a_terminal(sallyport, "resolve", pair_file(sallyport, secret), "--reveal", answer=b"n\n", typed_ahead=b"y\n")
    assert answered and code == 2 and secret.encode() not in seen, seen


def test_a_secret_draws_nothing_on_a_terminal(sallyport, secret):
    reference = pair_file(sallyport, secret + "\x1b[2J")
    seen, code, answered = on_a_terminal(sallyport, "resolve", reference, "--reveal", answer=b"y\n")
    assert answered and code == 2 and secret.encode() not in seen and b"\x1b" not in seen and b"--format json" in seen, seen
    seen, code, _ = on_a_terminal(sallyport, "resolve", reference, "--reveal", "--format", "json", answer=b"y\n")
    assert code == 0 and secret.encode() in seen and b"\x1b" not in seen, seen


def test_an_error_draws_nothing_on_a_terminal(sallyport):
    run = sallyport.run("exec", "-c", "/nonexistent/\x1b[2J\u202e", "--", "true")
    assert run.code == 125 and "/nonexistent/\\x1b[2J\\u{202e}" in run.stderr and "\x1b" not in run.stderr, run.stderr


def test_a_file_with_a_secret_is_private(sallyport, secret):
    out = os.path.join(sallyport.folder, "out")
    sallyport.run("resolve", pair_file(sallyport, secret), "--reveal", "--yes", "-o", out).ok()
    assert os.stat(out).st_mode & 0o777 == 0o600
    os.chmod(out, 0o644)
    run = sallyport.run("resolve", pair_file(sallyport, secret), "--reveal", "--yes", "-o", out)
    assert run.code == 2 and "chmod 600" in run.stderr


def test_watch_tells_of_a_change(sallyport, secret):
    reference = pair_file(sallyport, secret)
    run = sallyport.start("resolve", reference, "--watch", "--format", "json")
    wait_for(lambda: run.stdout.count("\n") >= 1, "the first line", 10)
    pair_file(sallyport, secret, username="other")
    wait_for(lambda: '"user":"other"' in run.stdout, "the change", 15)
    run.process.terminate()
    assert run.wait(15).code == 0
    no_canary(sallyport, secret)


def test_an_environment_alone_may_not_name_a_program(sallyport):
    run = sallyport.run("resolve", env={"DATABASE_URL": "exec:/bin/echo hello"})
    assert run.code == 2 and "exec:" in run.stderr and "Give it as REF" in run.stderr


def test_a_target_of_the_configuration(sallyport, secret):
    password = sallyport.secret_file(secret)
    other = sallyport.secret_file("canary-of-owner", "other")
    one = sallyport.config(f"""version: 1
targets:
  production:
    engine: postgresql
    host: db.example.com
    database: orders
    roles:
      app: {{auth: "file:{password}", user: app_user}}
      owner: {{auth: "file:{other}", user: owner_user}}
""")
    run = sallyport.run("resolve", "production/owner", "-c", one).ok()
    lines = dict(line.split(None, 1) for line in run.stdout.splitlines())
    assert lines["reference"] == f"file:{other}" and lines["user"] == "owner_user" and lines["for"] == "db.example.com:5432/orders"
    for what, expected in (("production", "Write production/ROLE: app, owner"), ("production/x", "Write production/ROLE"),
                           ("staging", "Its targets are: production")):
        run = sallyport.run("resolve", what, "-c", one)
        assert run.code == 2 and expected in run.stderr, run.stderr


@pytest.mark.parametrize("command", [["resolve", "file:/etc/hostname"], ["whoami", "kubernetes"], ["token", "aws-rds", "--host", "a.b", "--user", "c"]])
def test_a_configuration_that_cannot_be_read_is_an_error(sallyport, command):
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-of-keys", "AWS_REGION": "eu-west-1"}
    run = sallyport.run(*command, "-c", "/nonexistent/sallyport.yaml", env=keys)
    assert run.code == 2 and "/nonexistent/sallyport.yaml" in run.stderr and not run.stdout, run.output
