"""Upstream TLS: which server certificate is accepted for which name, and what the refusals say."""

import os
import shutil
from types import SimpleNamespace

import pytest

from conftest import REFUSED, connections_in
from harness.children import psql
from harness.processes import wait_for
from harness.service import Service

OK = None
MATRIX = [
    # certificate, host, server_name, what the refusal says (None: accepted)
    ("good", "localhost", None, OK),
    ("good", "127.0.0.1", None, OK),
    ("ip-only", "127.0.0.1", None, OK),
    ("ip-only", "localhost", None, r"certificate is for .*127\.0\.0\.1.*localhost"),
    ("other-host", "localhost", None, r"certificate is for .*a\.example\.test.*localhost"),
    ("other-host", "127.0.0.1", None, r"certificate is for .*a\.example\.test.*127\.0\.0\.1"),
    ("other-host", "localhost", "a.example.test", OK),
    ("good", "localhost", "a.example.test", r"certificate is for .*localhost.*a\.example\.test"),
    ("wildcard", "localhost", "db.example.test", OK),
    ("wildcard", "localhost", "a.b.example.test", r"certificate is for .*\*\.example\.test"),
    ("wildcard", "localhost", "example.test", r"certificate is for .*\*\.example\.test"),
    ("no-san", "localhost", None, OK),            # as libpq: the CN counts where there is no SAN
    ("no-san", "127.0.0.1", None, r"certificate is for .*localhost"),
    ("no-san-other", "localhost", None, r"certificate is for .*a\.example\.test"),
    ("cn-beside-san", "localhost", None, r"certificate is for .*a\.example\.test"),
    ("expired", "localhost", None, r"expired"),
    ("not-yet", "localhost", None, r"not (yet )?valid|not yet"),
    ("wrong-ca", "localhost", None, r"authority that is not in"),
    ("chained", "localhost", None, OK),
    ("chain-cut", "localhost", None, r"authority that is not in|intermediate"),
]


@pytest.mark.parametrize("certificate, host, server_name, refusal", MATRIX)
def test_certificate_and_name(sallyport, pg, file_url, secret, certificate, host, server_name, refusal):
    with pg.certificate(certificate), pg.log_since() as read:
        run = sallyport.exec(psql("SELECT 'in'"), file_url(host=host, server_name=server_name))
        if refusal is OK:
            assert run.ok().stdout == "in\n"
            return
        assert run.code in REFUSED and "in\n" not in run.stdout      # psql's own code for a failed connection
        assert_says(run.stderr, refusal)
        assert connections_in(read()) == []
        sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def assert_says(text, pattern):
    import re
    assert re.search(pattern, text, re.S), f"nothing like {pattern!r} in:\n{text}"


def test_a_ca_that_did_not_sign_is_named(sallyport, pg, pki, file_url):
    run = sallyport.exec(psql("SELECT 1"), file_url(sslrootcert=pki.other_ca))
    assert run.code in REFUSED
    assert_says(run.stderr, r"authority that is not in .*other-ca\.crt")
    assert "sslrootcert=" in run.stderr, "the fix is in the words of a reference"
    [stop] = sallyport.audit("--kind", "broker_stop", "--result", "failed")
    assert "other-ca.crt" in stop["reason"]


def test_system_roots_do_not_know_our_ca(sallyport, pg, file_url):
    run = sallyport.exec(psql("SELECT 1"), file_url(sslrootcert=None))
    assert run.code in REFUSED
    assert_says(run.stderr, r"authority that is not in")


def test_a_missing_ca_file_is_named_before_the_child_starts(sallyport, file_url):
    run = sallyport.exec(["echo", "started"], file_url(sslrootcert="/nonexistent/ca.pem"))
    assert run.code == 125 and "/nonexistent/ca.pem" in run.stderr and "started" not in run.stdout


def test_a_ca_file_that_others_may_write_is_refused_with_the_way_to_mend_it(sallyport, pg, pki, file_url):
    path = os.path.join(sallyport.folder, "home", "ca.pem")
    shutil.copyfile(pki.ca, path)
    os.chmod(path, 0o666)
    with pg.log_since() as read:
        run = sallyport.exec(["echo", "started"], file_url(sslrootcert=path))
        assert run.code == 125 and "may be written by everybody" in run.stderr and "started" not in run.stdout
        assert f"chmod go-w {path}" in run.stderr
        assert connections_in(read()) == []
    os.chmod(path, 0o644)
    assert sallyport.exec(psql("SELECT 'in'"), file_url(sslrootcert=path)).ok().stdout == "in\n"


def test_a_server_without_tls_gets_no_password(sallyport, own_pg, file_url, secret):
    with own_pg.setting("ssl", "off"), own_pg.log_since() as read:
        run = sallyport.exec(psql("SELECT 1"), file_url(own_pg, user="no_tls"))
        assert run.code in REFUSED
        assert_says(run.stderr, r"TLS")
        assert connections_in(read()) == []


def test_tls_below_1_2_is_refused(sallyport, pg, file_url):
    with pg.setting("ssl_max_protocol_version", "'TLSv1.1'"), pg.setting("ssl_min_protocol_version", "'TLSv1'"):
        run = sallyport.exec(psql("SELECT 1"), file_url())
        assert run.code in REFUSED
        assert_says(run.stderr, r"TLS")


def test_roots_that_are_renewed_need_no_reload(sallyport, pg, pki, secret):
    """The server's authority is exchanged; so is, a moment later, the file that says whom we trust."""
    roots = os.path.join(sallyport.folder, "home", "roots.crt")
    shutil.copy(pki.ca, roots)
    it = Service(sallyport, pg, SimpleNamespace(ca=roots), f"file:{sallyport.secret_file(secret)}").start()
    try:
        assert it.psql("SELECT 'in'").stdout == "in\n"
        with pg.certificate("wrong-ca"):
            pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
            wait_for(lambda: "authority that is not in" in it.psql("SELECT 'in'").stderr, "the new authority to be refused")
            shutil.copy(pki.other_ca, roots + ".new")
            os.replace(roots + ".new", roots)
            wait_for(lambda: it.psql("SELECT 'in'").stdout == "in\n", "the file to be read", 30)
    finally:
        it.stop()
