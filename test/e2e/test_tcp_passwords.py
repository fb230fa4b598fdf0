"""Local passwords and addresses on a TCP route with TLS: SCRAM bound to the channel, and nothing without it."""

import os
import socket

import psycopg
import pytest

from conftest import attempts_in
from harness import canary
from harness.processes import wait_for
from test_client_tls import SPIFFE, TlsService, app  # noqa: F401
from test_passwords import passwd


def can_connect(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def service(sallyport, pg, pki, secret):
    made = []
    path = os.path.join(sallyport.folder, "home", "passwords")
    password = canary.make()
    passwd(sallyport, "alice", "--file", path, password=password)

    def make(allow, **more):
        it = TlsService(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", allow=allow.replace("FILE", path), **more)
        it.password = password
        made.append(it)
        it.start()
        wait_for(lambda: can_connect(it.tcp), "serve to listen on TCP")
        return it
    yield make
    for it in made:
        if it.run and it.run.process.poll() is None:
            it.stop()


def test_psql_proves_a_password_bound_to_the_channel(service, sallyport):
    it = service("[{verifier: FILE}]")
    for binding in ("require", "prefer", "disable"):
        with psycopg.connect(it.dsn(user="alice", password=it.password, channel_binding=binding)) as one:
            assert one.execute("SELECT current_user").fetchone() == ("app",)
    for wrong in ({"password": "wrong"}, {"user": "mallory"}):
        with pytest.raises(psycopg.OperationalError, match="not allowed"):
            psycopg.connect(it.dsn(**{"user": "alice", "password": it.password, **wrong}))
    it.stop()
    assert '"identity": "password:alice"' in it.trail().replace('":"', '": "')
    sallyport.assert_no_canary(it.password)


def test_without_tls_no_password_is_asked_for(service, pg):
    it = service("[{verifier: FILE}]", extra_target="    pool: {min_ready: 0}")     # nobody logs in ahead
    with pg.log_since() as read, pytest.raises(psycopg.OperationalError, match="TLS is required"):
        psycopg.connect(it.dsn(user="alice", password=it.password, sslmode="disable", sslrootcert=None, sslcert=None))
    assert attempts_in(read()) == 0


def test_who_shows_a_certificate_that_a_rule_names_is_asked_for_nothing(service, app):  # noqa: F811
    it = service(f'[{{certificate: "{SPIFFE}"}}, {{verifier: FILE}}]')
    assert it.psql_tls(app, "SELECT 'in'").stdout == "in\n"
    with psycopg.connect(it.dsn(user="alice", password=it.password)) as one:
        assert one.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("addresses, admitted", [("127.0.0.0/8", True), ("10.0.0.0/8", False), ("'::ffff:127.0.0.0/104'", True)])
def test_a_rule_holds_for_its_addresses(service, pg, addresses, admitted):
    it = service(f"[{{verifier: FILE, addresses: [{addresses}]}}]", extra_target="    pool: {min_ready: 0}")     # nobody logs in ahead
    with pg.log_since() as read:
        if admitted:
            psycopg.connect(it.dsn(user="alice", password=it.password)).close()
        else:
            with pytest.raises(psycopg.OperationalError, match="not allowed"):
                psycopg.connect(it.dsn(user="alice", password=it.password))
        assert (attempts_in(read()) > 0) == admitted
