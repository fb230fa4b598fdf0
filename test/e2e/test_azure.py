"""azure-kv: and azure-entra: against our Azure, which the vendor's clients have accepted (test_azure_identity.py), and a real PostgreSQL
that checks tokens by LDAP."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

pytest.importorskip("jwt")
pytest.importorskip("cryptography")

from conftest import require  # noqa: E402
from harness.children import environment, psql, read_environment  # noqa: E402
from harness.fake_azure import CLIENT, ENTRA_USER, TENANT, VAULTS, FakeAzure  # noqa: E402
from harness.ldap_server import LdapServer  # noqa: E402
from harness.processes import wait_for  # noqa: E402
from harness.sallyport import reference  # noqa: E402
from harness.service import Service  # noqa: E402
from test_azure_identity import arc_inside, rsa_certificate  # noqa: E402

WHO = "SELECT current_user"
PERSON = "ann@example.org"


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
    hba = os.path.join(pg.data, "pg_hba.conf")
    with open(hba, encoding="ascii") as file:
        before = file.read()
    lines = "".join(f'hostssl all "{user}" 0.0.0.0/0 ldap ldapserver=127.0.0.1 ldapport={ldap.port} ldapprefix="uid=" ldapsuffix=",dc=test"\n'
                    for user in (ENTRA_USER, PERSON))
    for user in (ENTRA_USER, PERSON):
        pg.sql(f"DO $$ BEGIN CREATE ROLE \"{user}\" LOGIN IN ROLE app_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    write_hba(pg, hba, lines + before)
    yield pg
    write_hba(pg, hba, before)


def write_hba(pg, path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    loaded = pg.sql("SELECT pg_conf_load_time()")
    pg.reload()
    wait_for(lambda: pg.sql("SELECT pg_conf_load_time()") != loaded, "PostgreSQL to read pg_hba.conf")


@pytest.fixture
def url(pg, pki):
    def make(source="azure-entra:", **changes):
        attributes = {"engine": "postgresql", "host": "localhost", "port": pg.port, "dbname": "app", "sslrootcert": pki.ca, **changes}
        return reference(source, **{k: v for k, v in attributes.items() if v is not None})
    return make


@pytest.fixture
def entra_url(url):
    return lambda **changes: url(**{"user": ENTRA_USER, **changes})


def env_of(azure, pki, *parts, **more):
    return {**azure.environment(*parts), "REQUESTS_CA_BUNDLE": pki.ca, **more}


# ---- tokens as passwords -------------------------------------------------------------------------


def test_a_token_logs_in(sallyport, azure, pki, entra_pg, ldap, entra_url):
    run = sallyport.exec(psql(WHO), entra_url(), env=env_of(azure, pki, "secret")).ok()
    assert run.stdout == ENTRA_USER + "\n"
    assert azure.mints == 1 and [good for _, _, good in ldap.binds] == [True] * len(ldap.binds) and ldap.binds
    sallyport.assert_no_canary(azure.clients[CLIENT]["secret"])
