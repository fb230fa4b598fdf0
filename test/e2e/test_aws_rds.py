"""RDS IAM logins: a PostgreSQL that has each token checked as RDS does (harness/ldap_rds.py). botocore's own token has to pass there
first; then Sallyport logs in, with nothing but its environment's keys."""

import datetime
import os
import re
import subprocess
import time
import uuid
from unittest import mock

import pytest

from conftest import require, require_module

botocore_session = require_module("botocore.session")

import botocore.auth             # noqa: E402

from harness import crowd, postgres    # noqa: E402
from harness.children import environment, psql, read_environment    # noqa: E402
from harness.ldap_rds import ContainerKeys, RdsLdap, hba    # noqa: E402
from harness.postgres import Postgres    # noqa: E402
from harness.sallyport import reference    # noqa: E402
from harness.service import Service    # noqa: E402

KEY, SECRET = "AKIDEXAMPLE", "canary-wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
REGION = {"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
WHO = "SELECT session_user"


@pytest.fixture(scope="module")
def rds(base, pki):
    """(PostgreSQL, the LDAP server behind it)."""
    require(postgres.available(), "PostgreSQL 15")
    ldap = RdsLdap(region="eu-west-1")
    server = Postgres(os.path.join(base, "rds-" + uuid.uuid4().hex[:6]), pki)
    path = os.path.join(server.data, "pg_hba.conf")
    with open(path, encoding="ascii") as file:
        rules = file.read()
    with open(path, "w", encoding="ascii") as file:
        file.write(hba(ldap.port) + rules)
    server.reload()
    server.sql("CREATE DATABASE app; ")
    server.sql("CREATE ROLE iam_user LOGIN")
    server.sql("GRANT ALL ON SCHEMA public TO iam_user", database="app")
    ldap.endpoint = f"localhost:{server.port}"
    subprocess.run(["pgbench", "-i", "-q", "-s", "1", "-h", server.folder, "-p", str(server.port), "-U", "postgres", "app"],
                   check=True, capture_output=True)
    server.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO iam_user", database="app")
    yield server, ldap
    server.close()
    ldap.close()


@pytest.fixture
def ldap(rds):
    ldap = rds[1]
    ldap.keys, ldap.age_max = {KEY: (SECRET, "", None)}, 900
    ldap.tokens, ldap.refusals, ldap.binds = set(), [], 0
    return ldap


@pytest.fixture
def iam_url(rds, pki):
    def make(**changes):
        attributes = {"engine": "postgresql", "host": "localhost", "port": rds[0].port, "dbname": "app", "user": "iam_user",
                      "sslrootcert": pki.ca, **changes}
        return reference("aws-rds-iam:", **{k: v for k, v in attributes.items() if v is not None})
    return make


def botocore_token(host, port, user, region="eu-west-1", session_token=None):
    session = botocore_session.get_session()
    session.set_credentials(KEY, SECRET, session_token)
    return session.create_client("rds", region_name=region).generate_db_auth_token(host, port, user)


def log_in(rds, pki, token):
    return subprocess.run(["psql", "-XAtc", WHO], capture_output=True, text=True, timeout=60, check=False, env={
        "PATH": os.environ["PATH"], "PGHOST": "localhost", "PGPORT": str(rds[0].port), "PGUSER": "iam_user", "PGDATABASE": "app",
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": pki.ca, "PGPASSWORD": token})


def test_the_server_takes_botocores_token_and_no_other(rds, ldap, pki):
    port = rds[0].port
    token = botocore_token("localhost", port, "iam_user")
    assert log_in(rds, pki, token).stdout == "iam_user\n", ldap.refusals
    wrong = [token[:-1] + ("0" if token[-1] != "0" else "1"), botocore_token("localhost", port, "other"),
             botocore_token("localhost", port + 1, "iam_user"), botocore_token("127.0.0.1", port, "iam_user"),
             botocore_token("localhost", port, "iam_user", "us-east-1"), token.replace(KEY, "AKIDOTHER"), "password"]
    for one in wrong:
        assert log_in(rds, pki, one).returncode != 0, one
    assert len(ldap.refusals) == len(wrong), ldap.refusals


def test_exec_with_nothing_but_the_reference(sallyport, rds, ldap, iam_url):
    run = sallyport.exec(psql(WHO), iam_url(), env=KEYS).ok()
    assert run.stdout == "iam_user\n" and not ldap.refusals
    assert len(ldap.tokens) == 1
    [token] = ldap.tokens
    sallyport.assert_no_canary(SECRET)
    sallyport.assert_no_canary(token)


def test_the_keys_are_not_handed_to_the_child(sallyport, ldap, iam_url):
    run = sallyport.exec(environment(), iam_url(), env=KEYS).ok()
    assert not [name for name in read_environment(run) if name.startswith("AWS_") and ("KEY" in name or "TOKEN" in name)]


@pytest.mark.parametrize("session_bytes, at_least", [(1700, 2_000), (6700, 7_000)])
def test_long_tokens(sallyport, ldap, iam_url, session_bytes, at_least):
    """Session tokens of chained roles make tokens of 2 and 7 kB."""
    keys = ContainerKeys(token_bytes=session_bytes)
    ldap.keys = keys.keys
    try:
        run = sallyport.exec(psql(WHO), iam_url(), env={**REGION, **keys.environment}).ok()
        assert run.stdout == "iam_user\n" and not ldap.refusals
        assert max(map(len, ldap.tokens)) > at_least
    finally:
        keys.close()


def test_wrong_keys_are_told_as_a_refused_login(sallyport, ldap, iam_url):
    run = sallyport.exec(psql(WHO), iam_url(), env={**KEYS, "AWS_SECRET_ACCESS_KEY": "canary-of-somebody-else"})
    assert run.code != 0 and "rds-db:connect" in run.output, run.output
    assert set(ldap.refusals) == {"wrong signature"} and ldap.binds <= 3
    sallyport.assert_no_canary("canary-of-somebody-else")


def test_a_name_that_is_no_endpoint_says_which_it_stands_for(sallyport, rds, ldap, iam_url):
    """On the command line: an environment that could say so could have a token for one server given to another."""
    real = f"db.c1.eu-west-1.rds.amazonaws.com:{rds[0].port}"
    ldap.endpoint, usual = real, ldap.endpoint
    try:
        env = {k: v for k, v in KEYS.items() if k != "AWS_REGION"}
        url = iam_url(sign_host=real)
        assert "sign_host" in sallyport.exec(psql(WHO), url, env=env).stderr
        run = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={url}"], env=env).ok()
        assert run.stdout == "iam_user\n" and not ldap.refusals
    finally:
        ldap.endpoint = usual


def test_each_of_several_hosts_gets_its_own_token(sallyport, rds, ldap, iam_url):
    port = rds[0].port
    run = sallyport.exec(psql(WHO), iam_url(host="127.0.0.9,localhost", port=f"{port},{port}"), env=KEYS).ok()
    assert run.stdout == "iam_user\n" and not ldap.refusals
    assert {token.split("/")[0] for token in ldap.tokens} == {f"localhost:{port}"}


@pytest.mark.parametrize("changes, said", [({"user": None}, "user="), ({"host": None, "port": None}, "host="),
                                           ({"region": "nowhere!"}, "region")])
def test_what_is_missing_is_said(sallyport, iam_url, changes, said):
    run = sallyport.exec(psql(WHO), iam_url(**changes), env=KEYS)
    assert run.code == 125 and said in run.stderr, run.stderr


def test_without_a_region_the_error_says_where_one_can_be_said(sallyport, iam_url):
    run = sallyport.exec(psql(WHO), iam_url(), env={k: v for k, v in KEYS.items() if k != "AWS_REGION"})
    assert run.code != 0 and "region=eu-west-1" in run.output and "localhost" in run.output, run.output


@pytest.mark.parametrize("user", ["app_user", "o'brien", "a+b c", "x@example.com", "grüße", "%41&DBUser=root"])
@pytest.mark.parametrize("session_token", [None, "a/b+c=="])
def test_the_binarys_token_is_botocores(sallyport, user, session_token):
    """At the time of ours."""
    host = "db.c1a2b3.eu-west-1.rds.amazonaws.com"
    env = {**KEYS, "AWS_REGION": "us-east-1"}
    if session_token:
        env["AWS_SESSION_TOKEN"] = session_token
    ours = sallyport.run("token", "aws-rds", "--host", host, "--user", user, env=env).ok().stdout.strip()
    made = datetime.datetime.strptime(re.search(r"X-Amz-Date=(\w+)", ours).group(1), "%Y%m%dT%H%M%SZ")
    assert abs((datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - made).total_seconds()) < 60
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: made):
        assert ours == botocore_token(host, 5432, user, session_token=session_token)


def test_a_token_that_expires_during_the_login_is_replaced(sallyport, rds, ldap, pki, iam_url, monkeypatch):
    """The first one comes too late: the database refuses it, and another one is signed. A token is of its second, so time goes on."""
    check, late = ldap.check, []

    def slow(name, password):
        if not late:
            late.append(password)
            time.sleep(1.1)
        return "expired" if password in late else check(name, password)
    monkeypatch.setattr(ldap, "check", slow)
    run = sallyport.exec(psql(WHO), iam_url(), env=KEYS).ok()
    assert run.stdout == "iam_user\n" and len(ldap.tokens - set(late)) == 1


@pytest.mark.alone
def test_tokens_of_five_seconds_under_load(sallyport, rds, ldap, pki, figures):
    """Keys and tokens live 5 s and upstream connections about 2 s, so that logins go on: 300 clients, no failed transaction, and as
    many tokens as the time needs, whatever the number of clients."""
    server, _ = rds
    keys = ContainerKeys(life=5)
    ldap.keys, ldap.age_max = keys.keys, 5
    service = Service(sallyport, server, pki, "aws-rds-iam:", user="iam_user", extra_target=crowd.POOL)
    seconds = 20
    try:
        done, failed = crowd.run(service, {**REGION, **keys.environment}, seconds)
    finally:
        keys.close()
    figures(f"{done} transactions, {failed} failed; {ldap.binds} logins with {len(ldap.tokens)} tokens, {keys.requests} requests for "
            f"keys, {len(ldap.refusals)} refused")
    assert failed == 0 and done > 1000 and not ldap.refusals
    assert ldap.binds > 40, "logins went on"
    assert len(ldap.tokens) <= seconds and keys.requests <= seconds + 5
