"""`sallyport token`: what it signs, what it refuses to, and what the trail says of it. No cloud: RDS tokens are made here."""

import glob
import os
import subprocess
import sys

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


MANY_SESSIONS = """
import os, psycopg
for _ in range(500):
    psycopg.connect(os.environ["DATABASE_URL"]).close()
"""


def test_a_token_does_not_wait_for_a_long_trail_to_be_read(sallyport, token, file_url):
    """A broker's segment may grow to 64 MiB; who adds one record to it reads it first."""
    assert sallyport.exec([sys.executable, "-c", MANY_SESSIONS], file_url()).code == 0
    for _ in range(2):
        token("aws-rds", "--host", HOST, "--user", "app").ok()
    sizes = {os.path.basename(path): os.path.getsize(path) for path in glob.glob(f"{sallyport.state}/sallyport/audit/*/*.seg")}
    assert sizes["00000001.seg"] > 256 << 10 and sizes["00000002.seg"] < 4096, sizes
    assert [row["kind"] for row in sallyport.audit("--kind", "admin")] == ["admin", "admin"]
    assert len(sallyport.audit("--kind", "session_end", "--limit", "1000")) >= 500


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


@pytest.mark.parametrize("arguments, told, fix", [
    (["--host", "db:5432"], "has a port in it", "--host db --port 5432"),
    (["--host", "postgresql://db"], "is a URL", "name alone"),
    (["--host", "db1,db2"], "is a list", "for each"),
    (["--host", "db example"], "is no host's name", "--host db."),
    (["--host", ""], "--host: it is empty", ""),
    (["--port", "0"], "--port 0 is no port", "1 to 65535"),
    (["--port", "99999"], "--port 99999 is no port", "1 to 65535"),
    (["--region", ""], "--region: it is empty", ""),
    (["--region", "nonsense"], "--region nonsense is no region", "--region eu-west-1"),
    (["--set", "host=db"], "--set host=… has no effect", "Write --host"),
    (["--set", "sslmode=require"], "no meaning for a token", "Leave it out"),
])
def test_what_is_no_host_port_or_region_is_not_signed(token, arguments, told, fix):
    given = ["aws-rds", *arguments, "--user", "app"]
    run = token(*given, *([] if "--host" in arguments else ["--host", HOST]))
    assert run.code == 2 and told in run.stderr and fix in run.stderr and not run.stdout, run.output


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "ap-southeast-4"])
def test_regions(token, region):
    assert f"%2F{region}%2F" in token("aws-rds", "--host", "db.example.com", "--user", "app", "--region", region).ok().stdout


def test_a_fix_names_the_option(token):
    run = token("aws-rds", "--host", "db.example.com", "--user", "app")
    assert run.code == 2 and "Add --region eu-west-1" in run.stderr and "--set sign_host=" in run.stderr and " region=" not in run.stderr, run.stderr
    run = token("aws-rds", "--host", HOST, "--user", "app", "--profile", "absent")
    assert run.code == 2 and "profile=" not in run.stderr, run.stderr


def test_help_of_each_has_its_own_examples(token):
    for cloud in ("aws-rds", "gcp", "azure"):
        shown = token(cloud, "--help").ok().stdout
        assert f"sallyport token {cloud}" in shown and "--set" in shown.split("Examples:")[1] and "-o token" in shown


@pytest.mark.parametrize("words, says", [(["aws-rds"], "--host is required\n  fix: sallyport token aws-rds --help explains"),
                                         (["azure", "--nope"], "--nope is not expected\n  fix: sallyport token azure --help explains")])
def test_a_mistake_leads_to_the_help_of_its_own_command(sallyport, words, says):
    run = sallyport.run("token", *words)
    assert run.code == 2 and run.stderr == f"sallyport: {says}\n"
