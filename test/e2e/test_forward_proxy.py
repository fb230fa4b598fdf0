"""Secrets and tokens by way of a forward proxy (tinyproxy): HTTPS_PROXY and NO_PROXY, a wrong password, a proxy that is away."""

import json

import pytest

from conftest import require, require_module

require_module("cryptography")

from harness import forward_proxy    # noqa: E402
from harness.azure_world import AUTHORITY, VAULT, azure, own_names    # noqa: E402, F401
from harness.children import psql    # noqa: E402
from harness.forward_proxy import ForwardProxy    # noqa: E402
from harness.processes import free_port    # noqa: E402
from harness.sallyport import reference    # noqa: E402


@pytest.fixture
def world(azure, pki, pg, secret, names, own_names, tmp_path):    # noqa: F811
    """(the proxy, DATABASE_URL, variables): a vault and an authority that only the proxy can find."""
    require(forward_proxy.program(), "tinyproxy")
    azure.put("db-connection", json.dumps({"username": "app", "password": secret}))
    url = reference("azure-kv:my-vault/db-connection", engine="postgresql", host="127.0.0.1", port=pg.port, dbname="app", sslrootcert=pki.ca)
    it = ForwardProxy(str(tmp_path), names.inside)
    yield it, url, own_names
    it.close()


def run(sallyport, world, inside=("unshare", "-m"), **more):
    """Without names of its own unless said: what does not go by the proxy finds nothing."""
    _, url, env = world
    return sallyport.exec(psql("SELECT session_user"), url, env={**env, **more}, inside=inside)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_token_and_secret_come_through_the_proxy(sallyport, world, secret, variable):
    proxy = world[0]
    assert run(sallyport, world, **{variable: proxy.url()}).ok().stdout == "app\n", "PostgreSQL itself is asked directly"
    assert f"CONNECT {VAULT}:443" in proxy.log and f"CONNECT {AUTHORITY}:443" in proxy.log
    for canary in (secret, forward_proxy.PASSWORD):
        sallyport.assert_no_canary(canary)


@pytest.mark.parametrize("exceptions", [f"{VAULT},{AUTHORITY}", ".azure.net, .microsoftonline.com", "*"])
def test_what_no_proxy_names_is_asked_directly(sallyport, world, names, exceptions):
    proxy = world[0]
    run_there = run(sallyport, world, inside=names.inside, HTTPS_PROXY=proxy.url(), NO_PROXY=exceptions).ok()
    assert run_there.stdout == "app\n" and f"CONNECT {VAULT}" not in proxy.log


def test_a_proxy_that_refuses_or_is_away_is_named_without_its_password(sallyport, world, tmp_path):
    proxy = world[0]
    refused = run(sallyport, world, HTTPS_PROXY=proxy.url("canary-of-another"))
    assert refused.code == 125 and "proxy in HTTPS_PROXY refused" in refused.stderr, refused.stderr
    away = run(sallyport, world, HTTPS_PROXY=f"http://u:canary-of-another@127.0.0.1:{free_port()}")
    assert away.code != 0 and "HTTPS_PROXY" in away.output, away.output
    sallyport.assert_no_canary("canary-of-another")
