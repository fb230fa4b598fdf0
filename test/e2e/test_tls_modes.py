"""Upstream TLS weaker than verify-full: only with a reason and an end, said each time, and no weaker than asked for."""

import re
import time

import pytest

from conftest import REFUSED, attempts_in, connections_in
from harness.children import psql
from harness.service import Service

from test_tls_matrix import assert_says

WHO = "SELECT current_user || ' ' || coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86400))


@pytest.fixture
def connect(sallyport, file_url):
    """Runs psql by `-e`: what weakens TLS stands on the command line, not in the environment."""
    def run(mode, until=20, **changes):
        weaker = {} if mode == "verify-full" else {"tls_reason": "old-server", "tls_until": day(until)}
        url = file_url(sslmode=mode, **{**weaker, **changes})
        return sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={url}"])
    return run


@pytest.mark.parametrize("mode, user, certificate, roots, who", [
    ("disable", "no_tls", "good", True, "no_tls false"),
    ("require", "app", "wrong-ca", True, "app true"),
    ("require", "app", "good", False, "app true"),
    ("verify-ca", "app", "other-host", True, "app true"),
])
def test_a_weaker_mode_admits_what_it_says_and_is_told(connect, pg, pki, mode, user, certificate, roots, who):
    with pg.certificate(certificate):
        run = connect(mode, user=user, sslrootcert=pki.ca if roots else None).ok()
    assert run.stdout == f"{who}\n"
    told = next(line for line in run.stderr.splitlines() if "not fully verified" in line)
    assert mode in told and "old-server" in told and day(20) in told, told


@pytest.mark.parametrize("mode", ["disable", "require", "verify-ca"])
@pytest.mark.parametrize("changes, says", [
    ({"tls_reason": None}, "reason"), ({"tls_until": None}, "until"), ({"tls_until": day(-1)}, "until|past|over"),
    ({"tls_until": day(120)}, "90")], ids=["no reason", "no end", "over", "too long"])
def test_a_weaker_mode_needs_a_reason_and_an_end_within_ninety_days(connect, pg, mode, changes, says):
    with pg.log_since() as read:
        run = connect(mode, **changes)
        assert run.code == 125 and attempts_in(read()) == 0
    assert_says(run.stderr, says)


def test_a_server_without_tls_is_refused_in_every_mode_but_disable(connect, pg):
    with pg.setting("ssl", "off"), pg.log_since() as read:
        for mode in ("require", "verify-ca", "verify-full"):
            run = connect(mode, user="no_tls")
            assert run.code in REFUSED, mode
            assert_says(run.stderr, "TLS")
        assert connections_in(read()) == []
        assert connect("disable", user="no_tls").ok().stdout == "no_tls false\n"


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_client_certificate_that_is_needed_opens_and_its_absence_does_not(connect, pg, pki, mode):
    with pg.log_since() as read:
        assert connect(mode, user="cert_user").code in REFUSED and connections_in(read()) == []
    leaf = pki.leaf("client")
    assert connect(mode, user="cert_user", sslcert=leaf.certificate, sslkey=leaf.key).ok().stdout == "cert_user true\n"


def test_a_client_certificate_of_another_authority_is_said(connect, pg, pki):
    leaf = pki.leaf("wrong-client")
    with pg.log_since() as read:
        run = connect("verify-full", user="cert_user", sslcert=leaf.certificate, sslkey=leaf.key)
        assert run.code in REFUSED and connections_in(read()) == []
    assert_says(run.stderr, "certificate|unknown ca|authority")


def test_the_modes_that_verify_refuse_another_authority(connect, pg):
    with pg.certificate("wrong-ca"), pg.log_since() as read:
        for mode in ("verify-ca", "verify-full"):
            run = connect(mode)
            assert run.code in REFUSED
            assert_says(run.stderr, "authority that is not in")
        assert connections_in(read()) == []


def test_serve_tells_at_start_and_at_each_reload_that_it_uses_no_tls(sallyport, pg, pki, secret):
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", user="no_tls",
                 tls=f'mode: disable, reason: old-server, until: "{day(20)}"').start()
    assert it.psql(WHO).stdout == "no_tls false\n"
    told = rf'"warning".*mode disable until {day(20)}.*old-server'
    assert len(re.findall(told, it.run.output)) == 1, it.run.output
    assert it.reload() and len(re.findall(told, it.run.output)) == 2, it.run.output
    it.stop()


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_client_certificate_that_is_needed_and_absent_is_said(connect, sallyport, mode):
    run = connect(mode, user="cert_user")
    assert run.code in REFUSED
    assert_says(run.stderr, "client certificate")
    assert "sslcert=" in run.stderr, "the fix is in the words of a reference"
    assert "credential_changed_outside" not in str(sallyport.audit())
