"""Fixtures: our Google Cloud, and the test server whose user logs in with its tokens alone. A test file imports those that it uses."""

import json
import time

import pytest

from . import fake_cloudsql, fake_gcp
from .ldap_logins import judged_by
from .ldap_server import LdapServer

USER = "app@test-project.iam"


@pytest.fixture
def gcp():
    it = fake_gcp.FakeGcp()
    yield it
    it.close()


@pytest.fixture
def user(pg):
    pg.sql(f'DROP ROLE IF EXISTS "{USER}"; CREATE ROLE "{USER}" LOGIN')
    return USER


@pytest.fixture
def checked_pg(pg, gcp, user):
    """The test server, where the service account logs in with its tokens alone."""
    def check(dn, password):
        token = gcp.tokens.get(password)
        return bool(token and dn == f"uid={USER},dc=test" and fake_gcp.SQL_LOGIN in token["scopes"] and token["expires"] > time.time()
                    and fake_cloudsql.database_user(token["who"]) == USER)
    ldap = LdapServer(check)
    with judged_by(ldap, pg, user):
        yield pg
    ldap.close()


def credentials(sallyport, info, mode=0o600):
    return {"GOOGLE_APPLICATION_CREDENTIALS": sallyport.secret_file(json.dumps(info), "credentials.json", mode)}
