"""A host name that has another address than before, while the server at the old one lives on: what docs/failover.md says of it."""

import pytest

from harness.processes import wait_for
from harness.service import Service
from test_hosts import pair, where, writes      # noqa: F401

NAME = "db.sallyport.test"


@pytest.fixture
def behind_a_name(sallyport, pki, secret, pair, names):      # noqa: F811
    """A service whose server is first the primary of the pair. `max: 1`: whoever comes gets the connection that there is."""
    made = []

    def make(wants, mode):
        names.address = "127.0.0.2"
        settings = f"    target_session_attrs: {wants}\n    pool: {{mode: {mode}, max: 1}}"
        made.append(Service(sallyport, pair[0], pki, f"file:{sallyport.secret_file(secret)}", extra_target=settings, host=NAME,
                            tls="server_name: localhost",
                            extra=f'admin: {{listen: "off", socket: "{sallyport.folder}/admin"}}'))
        it = made[-1].start(inside=names.inside)
        assert where(it) == ("127.0.0.2", "primary")
        return it
    yield make
    for it in made:
        it.stop()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_connections_stay_where_they_are_until_they_are_told(behind_a_name, sallyport, names, mode):
    it = behind_a_name("any", mode)
    names.address = "127.0.0.1"
    assert where(it) == ("127.0.0.2", "primary")
    assert sallyport.run("reconnect", "main", "-c", it.config).code == 0
    wait_for(lambda: where(it) == ("127.0.0.1", "standby"), "connections to the new address")


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_the_old_server_is_left_when_it_has_refused_a_write(behind_a_name, names, pair, mode):      # noqa: F811
    it = behind_a_name("read-write", mode)
    old, new = pair
    new.promote()
    names.address = "127.0.0.1"
    assert where(it) == ("127.0.0.2", "primary"), "both take writes: nobody can tell which is meant"
    old.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    old.sql("SELECT pg_reload_conf()")
    wait_for(lambda: not writes(it), "the old server to refuse writes")
    wait_for(lambda: where(it) == ("127.0.0.1", "primary"), "connections to the new address")
    assert writes(it)
