"""`sallyport token`: what it signs, what it refuses to, and what the trail says of it. No cloud: RDS tokens are made here."""

import os
import subprocess

import pytest

from harness.sallyport import binary

HOST = "db.c1a2b3.eu-west-1.rds.amazonaws.com"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "canary-of-keys", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def token(sallyport):
    def run(*arguments, **env):
        return sallyport.run("token", *arguments, env={**KEYS, **env})
    return run


def test_each_token_stands_in_the_trail(sallyport, token):
    printed = token("aws-rds", "--host", HOST, "--user", "app").ok().stdout.strip()
    assert printed.startswith(f"{HOST}:5432/?Action=connect&DBUser=app&")
    [row] = sallyport.audit("--kind", "admin")
    assert row["reason"] == f"token aws-rds, user app, host {HOST}:5432" and row["result"] == "ok"
    assert "X-Amz" not in str(row)


def test_what_cannot_stand_in_the_trail_is_not_printed(sallyport, token):
    home = os.path.join(sallyport.folder, "a-file")
    with open(home, "w", encoding="ascii"):
        pass
    run = token("aws-rds", "--host", HOST, "--user", "app", XDG_STATE_HOME=home)
    assert run.code == 2 and not run.stdout and "a-file" in run.stderr, run.stderr


def test_what_was_not_printed_is_told(sallyport):
    with open("/dev/full", "w", encoding="ascii") as full:
        run = subprocess.run([binary(), "token", "aws-rds", "--host", HOST, "--user", "app"], env={**sallyport.env(), **KEYS},
                             stdout=full, stderr=subprocess.PIPE, check=False)
    assert run.returncode == 2
    assert [row["result"] for row in sallyport.audit("--kind", "admin")] == ["ok", "failed"]
