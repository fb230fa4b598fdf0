"""Fixtures: our Azure, and the test server whose users log in with its tokens alone. A test file imports those that it uses."""

import random
import socket

import pytest

from conftest import require

from .fake_azure import ENTRA_USER, FakeAzure
from .ldap_logins import judged_by
from .ldap_server import LdapServer

PERSON = "ann@example.org"
VAULT, AUTHORITY = "my-vault.vault.azure.net", "login.microsoftonline.com"


@pytest.fixture
def azure(pki, tmp_path):
    leaf = pki.leaf("good")
    it = FakeAzure(leaf.certificate, leaf.key, str(tmp_path))
    yield it
    it.close()


@pytest.fixture
def ldap(azure):
    it = LdapServer(azure.check_login)
    yield it
    it.close()


@pytest.fixture
def entra_pg(pg, ldap):
    """The test server, where entra_app and a person log in with tokens alone."""
    for user in (ENTRA_USER, PERSON):
        pg.sql(f"DO $$ BEGIN CREATE ROLE \"{user}\" LOGIN IN ROLE app_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    with judged_by(ldap, pg, ENTRA_USER, PERSON):
        yield pg


@pytest.fixture
def own_names(azure, pki, names):
    """A vault and an authority by the names and the port that Azure has, for whom `names` answers; what to set, no address of ours in it."""
    pki._leaf("azure", "azure", f"DNS:{VAULT},DNS:{AUTHORITY}")
    leaf = pki.leaf("azure")
    names.address = f"127.{random.randrange(78, 120)}.{random.randrange(250)}.{random.randrange(1, 250)}"
    require(_can_bind(names.address), "port 443 of an address of this machine", ci_too=False)
    azure.also_at((names.address, 443), leaf.certificate, leaf.key)
    env = {name: value for name, value in azure.environment("secret").items() if name != "AZURE_AUTHORITY_HOST"}
    return {**env, "REQUESTS_CA_BUNDLE": pki.ca}


def _can_bind(address):
    with socket.socket() as probe:
        try:
            probe.bind((address, 443))
            return True
        except OSError:
            return False


def env_of(azure, pki, *parts, **more):
    return {**azure.environment(*parts), "REQUESTS_CA_BUNDLE": pki.ca, **more}
