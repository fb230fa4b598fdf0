"""Which login methods a password may be used for (threat 2), against the real server and hostile ones."""

import re

import pytest

from conftest import REFUSED, connections_in
from harness.children import psql
from harness.fake_postgres import FakePostgres

WHO = "SELECT current_user"


def test_scram(sallyport, file_url):
    assert sallyport.exec(psql(WHO), file_url()).ok().stdout == "app\n"


@pytest.mark.parametrize("user, method", [("md5_user", "md5"), ("plain_user", "clear|password")])
def test_weaker_methods_are_refused_for_a_password(sallyport, pg, file_url, user, method):
    with pg.log_since() as read:
        run = sallyport.exec(psql(WHO), file_url(user=user))
        assert run.code in REFUSED and re.search(method, run.stderr, re.I), run.stderr
        assert connections_in(read()) == []


def test_a_wrong_password_is_the_servers_own_refusal(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", r"psql -XAtc '\echo in' -v VERBOSITY=verbose"],
                         file_url(password="not-the-password", name="wrong"))
    assert run.code in REFUSED
    assert re.search("password authentication failed|refuses the credential", run.stderr), run.stderr


@pytest.mark.parametrize("behaviour", ["ask_cleartext", "ask_md5", "ok_at_once", "wrong_server_signature",
                                       "skip_server_final"])
def test_a_hostile_server_with_a_valid_certificate_learns_nothing(sallyport, pki, file_url, secret, behaviour):
    with FakePostgres(pki, behaviour) as server:
        run = sallyport.exec(psql(WHO), file_url(port=server.port))
        assert run.code in REFUSED, run.output
        assert server.connections >= 1, "the server was never reached, so this proves nothing"
        server.assert_never_received(secret)
        assert not server.reached_ready


@pytest.mark.parametrize("behaviour", ["bytes_before_tls", "garbage_after_tls", "huge_length", "close_at_once",
                                       "error_then_garbage"])
def test_a_server_that_talks_nonsense_is_a_clear_refusal(sallyport, pki, file_url, secret, behaviour):
    with FakePostgres(pki, behaviour) as server:
        run = sallyport.exec(psql(WHO), file_url(port=server.port), seconds=60)
        assert run.code in REFUSED and run.stderr.strip()
        assert server.connections >= 1
        server.assert_never_received(secret)
