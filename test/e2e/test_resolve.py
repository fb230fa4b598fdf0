"""`sallyport resolve`: what a reference leads to, without its secret; and with it, when somebody says so."""

import json
import os
import pty
import select
import subprocess

from harness.processes import wait_for
from harness.sallyport import binary

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


def test_what_was_shown_lives_on_and_logs_in(sallyport, bao, pg):
    run = sallyport.run("resolve", "vault:database/creds/app-role?host=localhost&dbname=app", "--reveal", "--yes",
                        "--format", "env", env=bao.environment(bao.token())).ok()
    shown = dict(line.removeprefix("export ").split("=", 1) for line in run.stdout.splitlines())
    values = {name: value.strip("'") for name, value in shown.items()}
    assert values["PGHOST"] == "localhost" and values["PGDATABASE"] == "app"
    psql = subprocess.run(["psql", "-XAtqc", "SELECT session_user", f"port={pg.port} sslmode=require"],
                          env={**os.environ, **values}, capture_output=True, text=True, check=False)
    assert psql.stdout.strip() == values["PGUSER"], psql.stderr


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


def test_on_a_terminal_it_asks(sallyport, secret):
    reference = pair_file(sallyport, secret)
    for answer, shown in ((b"n\n", False), (b"y\n", True)):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(binary(), [binary(), "resolve", reference, "--reveal"], sallyport.env())
        seen = b""
        answered = False
        while select.select([terminal], [], [], 20)[0]:
            try:
                more = os.read(terminal, 4096)
            except OSError:
                break
            seen += more
            if b"[y/N]" in seen and not answered:
                os.write(terminal, answer)
                answered = True
            if not more:
                break
        os.waitpid(child, 0)
        os.close(terminal)
        assert answered and (secret.encode() in seen) == shown, seen


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
    assert run.code == 2 and "exec:" in run.stderr
