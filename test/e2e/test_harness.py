"""The harness itself: a check that cannot fail would prove nothing."""

import base64
import subprocess
import sys
import urllib.parse

import psycopg
import pytest

from conftest import attempts_in, connections_in
from harness import canary
from harness.processes import descendants, stop
from harness.sallyport import reference


@pytest.mark.parametrize("encode", [
    lambda s: s, lambda s: urllib.parse.quote(s, safe=""), lambda s: s.encode().hex(), lambda s: s.encode().hex().upper(),
    *[(lambda s, n=n: base64.b64encode(b"x" * n + s.encode() + b"tail").decode()) for n in range(4)]])
def test_the_canary_is_found_in_every_encoding(encode):
    secret = canary.make()
    assert canary.search(secret, "before " + encode(secret) + " after")


def test_the_canary_is_not_found_where_it_is_not():
    assert canary.search(canary.make(), canary.make() * 3) == []


def test_the_canary_is_found_in_a_childs_environment_and_arguments():
    secret = canary.make()
    program = "import time; print('ready', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", program, secret], env={"HIDDEN": secret}, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"  # before its exec, it would still be this process's copy
        hits = canary.search_processes(secret, child.pid)
        assert any("cmdline" in hit for hit in hits) and any("environ" in hit for hit in hits)
    finally:
        stop(child)
        child.stdout.close()


def test_a_canary_in_a_childs_environment_is_no_pass():
    secret = canary.make()
    child = subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE, env={"HIDDEN": secret})
    try:
        child.stdout.readline()
        canary.assert_in_no_process(child.pid, canary.make())
        with pytest.raises(AssertionError, match="environ"):
            canary.assert_in_no_process(child.pid, canary.make(), secret)
    finally:
        for pid in reversed(descendants(child.pid)):
            subprocess.run(["kill", str(pid)])
        child.wait()
        child.stdout.close()


def test_descendants_include_grandchildren():
    child = subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        pids = descendants(child.pid)
        assert len(pids) == 2
    finally:
        for pid in reversed(pids):
            subprocess.run(["kill", str(pid)])
        child.wait()
        child.stdout.close()


def test_references_are_percent_encoded():
    assert reference("file:/a", dbname="a&b", host="h") == "file:/a?dbname=a%26b&host=h"


def test_the_server_takes_the_canary_over_verified_tls_and_logs_it(pg, pki, secret):
    with pg.log_since() as read:
        with psycopg.connect(host="localhost", port=pg.port, user="app", password=secret, dbname="app",
                             sslmode="verify-full", sslrootcert=pki.ca) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("app",)
        assert connections_in(read()) == ["app"] and attempts_in(read()) == 1


@pytest.mark.parametrize("name, message", [("wrong-ca", "certificate verify failed"), ("expired", "certificate"),
                                           ("other-host", "does not match host name"), ("not-yet", "certificate"),
                                           ("chain-cut", "certificate verify failed")])
def test_libpq_agrees_that_the_bad_certificates_are_bad(pg, pki, secret, name, message):
    with pg.certificate(name), pytest.raises(psycopg.OperationalError, match=message):
        psycopg.connect(host="localhost", port=pg.port, user="app", password=secret, dbname="app",
                        sslmode="verify-full", sslrootcert=pki.ca)


def test_openbao_makes_users_that_the_server_knows(bao, pg, pki):
    reply = bao.call("GET", "database/creds/app-role", token=bao.token())
    try:
        with psycopg.connect(host="localhost", port=pg.port, user=reply["data"]["username"], dbname="app",
                             password=reply["data"]["password"], sslmode="verify-full", sslrootcert=pki.ca,
                             options="-c role=app_owner") as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("app_owner",)
        assert reply["lease_id"].rsplit("/", 1)[1] in bao.leases("app-role")
    finally:
        bao.call("PUT", "sys/leases/revoke", {"lease_id": reply["lease_id"], "sync": True})
    assert reply["lease_id"].rsplit("/", 1)[1] not in bao.leases("app-role")
    assert pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", reply["data"]["username"]) == []
