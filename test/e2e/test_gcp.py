"""Secrets of Google Cloud and logins without a password, against fakes that Google's own clients work with."""

import json
import os
import re

import pytest

from harness import fake_gcp
from harness.children import psql
from harness.sallyport import reference

WHO = "SELECT session_user"
TARGET = "target@test-project.iam.gserviceaccount.com"


@pytest.fixture
def gcp():
    it = fake_gcp.FakeGcp()
    yield it
    it.close()


@pytest.fixture
def sm_url(pg, pki, gcp):
    def make(name="db", version=None, **changes):
        path = f"gcp-sm:projects/test-project/secrets/{name}" + (f"/versions/{version}" if version else "")
        attributes = {"engine": "postgresql", "host": "localhost", "port": pg.port, "dbname": "app", "sslrootcert": pki.ca,
                      "endpoint": gcp.url, "insecure_reason": "test", **changes}
        return reference(path, **{k: v for k, v in attributes.items() if v is not None})
    return make


def pair(secret):
    return json.dumps({"username": "app", "password": secret}).encode()


def credentials(sallyport, info, mode=0o600):
    return {"GOOGLE_APPLICATION_CREDENTIALS": sallyport.secret_file(json.dumps(info), "credentials.json", mode)}


def given(url):
    return ["-e", "DATABASE_URL=" + url]


def test_a_stored_secret_logs_in(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair("old"), pair(secret))
    run = sallyport.exec(psql(WHO), flags=given(sm_url()), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == "app\n"
    assert gcp.count("token") == 1 and gcp.count("secret") == 1
    sallyport.assert_no_canary(secret)
