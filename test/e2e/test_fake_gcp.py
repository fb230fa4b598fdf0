"""The fakes of harness/fake_gcp.py are held to Google's own clients: what they cannot use is no proof for us."""

import json
import os
import subprocess

import google.auth
import google.auth.transport.requests
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core import exceptions
from google.auth import identity_pool, impersonated_credentials, pluggable
from google.cloud import secretmanager_v1
from google.cloud.sql.connector import Connector
from google.oauth2 import credentials as oauth2_credentials
from google.oauth2 import service_account

from harness import fake_cloudsql, fake_gcp

REQUEST = google.auth.transport.requests.Request()
TARGET = "target@test-project.iam.gserviceaccount.com"


@pytest.fixture
def gcp():
    it = fake_gcp.FakeGcp()
    yield it
    it.close()


def of_service_account(gcp):
    return service_account.Credentials.from_service_account_info(gcp.service_account(), scopes=[fake_gcp.CLOUD])


def test_crc32c_is_castagnolis():
    assert fake_gcp.crc32c(b"123456789") == 0xE3069283


def test_a_service_account_key(gcp):
    made = of_service_account(gcp)
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == made.service_account_email and gcp.count("token") == 1


def test_a_key_that_signs_wrongly_is_refused(gcp):
    info = gcp.service_account()
    info["private_key"] = fake_gcp.new_key()[1]
    made = service_account.Credentials.from_service_account_info(info, scopes=[fake_gcp.CLOUD])
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
        made.refresh(REQUEST)


def test_the_metadata_server(gcp, monkeypatch):
    for name in ("GCE_METADATA_HOST", "GCE_METADATA_IP"):
        monkeypatch.setenv(name, gcp.host)
    program = ("import google.auth, google.auth.transport.requests as r; c, p = google.auth.default(scopes=['" + fake_gcp.CLOUD +
               "']); c.refresh(r.Request()); print(p, c.service_account_email, c.token[:5], c.universe_domain)")
    env = {k: v for k, v in os.environ.items() if k != "GOOGLE_APPLICATION_CREDENTIALS"} | {"HOME": "/nonexistent"}
    done = subprocess.run([os.sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["test-project", fake_gcp.MACHINE, "ya29.", "googleapis.com"], done.stderr


def test_a_person(gcp):
    info = gcp.person()
    del info["type"], info["account"]
    made = oauth2_credentials.Credentials(None, scopes=[fake_gcp.CLOUD], **info)
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == "person@example.com"


@pytest.mark.parametrize("source", ["file", "url", "json file"])
def test_federation(gcp, tmp_path, source):
    path = tmp_path / "token"
    path.write_text(json.dumps({"t": "subject-token"}) if source == "json file" else "subject-token")
    described = {"file": {"file": str(path)},
                 "json file": {"file": str(path), "format": {"type": "json", "subject_token_field_name": "t"}},
                 "url": {"url": gcp.url + "/subject", "headers": {"X-Ask": "please"},
                         "format": {"type": "json", "subject_token_field_name": "access_token"}}}[source]
    made = identity_pool.Credentials.from_info(gcp.federated(described)).with_scopes([fake_gcp.CLOUD])
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == "principal://federated"


def test_federation_by_a_program(gcp, tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "{\\"version\\":1,\\"success\\":true,\\"token_type\\":'
                       '\\"urn:ietf:params:oauth:token-type:jwt\\",\\"id_token\\":\\"subject-token\\"}"\n')
    program.chmod(0o700)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    info = gcp.federated({"executable": {"command": str(program), "timeout_millis": 5000}}, impersonate=TARGET)
    made = pluggable.Credentials.from_info(info).with_scopes([fake_gcp.CLOUD])
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == TARGET


def test_federation_and_impersonation(gcp, tmp_path):
    (tmp_path / "token").write_text("subject-token")
    made = identity_pool.Credentials.from_info(gcp.federated({"file": str(tmp_path / "token")}, impersonate=TARGET))
    made = made.with_scopes([fake_gcp.CLOUD])
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == TARGET and gcp.count("impersonate") == 1


def test_impersonation_by_way_of_delegates(gcp):
    source, way = of_service_account(gcp), "way@test-project.iam.gserviceaccount.com"
    made = impersonated_credentials.Credentials(source, TARGET, [fake_gcp.CLOUD], delegates=[way],
                                                iam_endpoint_override=gcp.impersonation_url(TARGET))
    with pytest.raises(google.auth.exceptions.RefreshError, match="PERMISSION_DENIED"):
        made.refresh(REQUEST)
    gcp.may_impersonate |= {(source.service_account_email, way), (way, TARGET)}
    made.refresh(REQUEST)
    assert gcp.tokens[made.token]["who"] == TARGET


def client_of(gcp, token):
    return secretmanager_v1.SecretManagerServiceClient(
        credentials=oauth2_credentials.Credentials(token), transport="rest", client_options=ClientOptions(api_endpoint=gcp.url))


def test_secret_manager(gcp):
    gcp.secret("db", b"one", b"two", "DISABLED")
    client = client_of(gcp, gcp.mint("me", [fake_gcp.CLOUD]))
    one = client.access_secret_version(name="projects/test-project/secrets/db/versions/2")
    assert one.payload.data == b"two" and one.payload.data_crc32c == fake_gcp.crc32c(b"two") and one.name.endswith("/2")
    with pytest.raises(exceptions.BadRequest, match="DISABLED"):
        client.access_secret_version(name="projects/test-project/secrets/db/versions/latest")
    with pytest.raises(exceptions.NotFound):
        client.access_secret_version(name="projects/test-project/secrets/db/versions/9")
    with pytest.raises(google.auth.exceptions.RefreshError):    # 401: it wants a new token, and has nothing to get one with
        client_of(gcp, "nobody's").access_secret_version(name="projects/test-project/secrets/db/versions/1")
    with pytest.raises(exceptions.Forbidden):
        client_of(gcp, gcp.mint("me", ["x"])).access_secret_version(name="projects/test-project/secrets/db/versions/1")


USER = "app@test-project.iam"


@pytest.fixture
def cloud_sql(gcp, pg, tmp_path):
    pg.sql(f'DROP ROLE IF EXISTS "{USER}"; CREATE ROLE "{USER}" LOGIN')
    it = fake_cloudsql.CloudSql(str(tmp_path), pg, fake_cloudsql.own_address())
    gcp.instances[("test-project", "db")] = it
    yield it
    it.close()


def test_cloud_sql_by_googles_connector(gcp, cloud_sql):
    with Connector(credentials=of_service_account(gcp), sqladmin_api_endpoint=gcp.url) as connector:
        connection = connector.connect("test-project:europe-west1:db", "pg8000", user=USER, db="postgres", enable_iam_auth=True)
        cursor = connection.cursor()
        cursor.execute("SELECT session_user")
        assert cursor.fetchall()[0][0] == USER
        connection.close()
    assert cloud_sql.logins == [USER]


def test_another_user_than_the_tokens_is_refused(gcp, cloud_sql):
    with Connector(credentials=of_service_account(gcp), sqladmin_api_endpoint=gcp.url) as connector:
        with pytest.raises(Exception, match="28000"):
            connector.connect("test-project:europe-west1:db", "pg8000", user="postgres", db="postgres", enable_iam_auth=True)
