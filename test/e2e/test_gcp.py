"""Secrets of Google Cloud and logins without a password, against fakes that Google's own clients work with."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import secretmanager_v1

from conftest import require
from harness import fake_cloudsql, fake_gcp
from harness.children import environment, psql, read_environment
from harness.gcp_world import USER, checked_pg, credentials, gcp, user    # noqa: F401
from harness.processes import die_with_parent, free_port, stop, wait_for
from harness.sallyport import reference

WHO = "SELECT session_user"
TARGET = "target@test-project.iam.gserviceaccount.com"


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


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def given(url):
    return ["-e", "DATABASE_URL=" + url]


def test_a_stored_secret_logs_in(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair("old"), pair(secret))
    run = sallyport.exec(psql(WHO), flags=given(sm_url()), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == "app\n"
    assert gcp.count("token") == 1 and gcp.count("secret") == 1
    sallyport.assert_no_canary(secret)


def test_a_person_a_machine_and_a_federated_workload_read_it_too(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair(secret))
    subject = sallyport.secret_file("subject-token", "subject")
    identities = [
        credentials(sallyport, gcp.person()),
        {"GCE_METADATA_HOST": gcp.host},
        credentials(sallyport, gcp.federated({"file": subject}, impersonate=TARGET)),
        credentials(sallyport, gcp.federated({"url": gcp.url + "/subject", "headers": {"X-Ask": "please"},
                                              "format": {"type": "json", "subject_token_field_name": "access_token"}})),
    ]
    for env in identities:
        assert sallyport.exec(psql(WHO), flags=given(sm_url()), env=env).ok().stdout == "app\n"
    source = {k: v for k, v in gcp.person().items() if k != "account"}
    gcp.may_impersonate |= {("person@example.com", "way@x"), ("way@x", TARGET)}
    env = credentials(sallyport, {"type": "impersonated_service_account", "source_credentials": source,
                                  "service_account_impersonation_url": gcp.impersonation_url(TARGET),
                                  "delegates": ["projects/-/serviceAccounts/way@x"]})
    gcp.readers.add(TARGET)
    assert sallyport.exec(psql(WHO), flags=given(sm_url()), env=env).ok().stdout == "app\n"
    sallyport.assert_no_canary(secret)


def test_a_program_gives_the_subject_token_where_it_is_allowed(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair(secret))
    program = sallyport.secret_file(
        '#!/bin/sh\n[ "$GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL" = ' + TARGET + ' ] || exit 3\n'
        'echo "{\\"version\\":1,\\"success\\":true,\\"token_type\\":\\"urn:ietf:params:oauth:token-type:jwt\\",'
        '\\"id_token\\":\\"subject-token\\"}"\n', "program", 0o700)
    env = credentials(sallyport, gcp.federated({"executable": {"command": program}}, impersonate=TARGET))
    refused = sallyport.exec(psql(WHO), flags=given(sm_url()), env=env)
    assert "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES" in refused.stderr and refused.code != 0
    env["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1"
    assert sallyport.exec(psql(WHO), flags=given(sm_url()), env=env).ok().stdout == "app\n"


def test_a_certificate_is_shown_to_the_token_endpoint(sallyport, pki, sm_url, gcp, secret):
    server, client = pki.leaf("good"), pki.client("federated", "workload")
    mtls = fake_gcp.FakeGcp(tls=(server.certificate, server.key, pki.ca))
    try:
        mtls.secret("db", pair(secret))
        config = sallyport.secret_file(json.dumps({"cert_configs": {"workload": {"cert_path": client.certificate,
                                                                                "key_path": client.key}}}), "certificates.json")
        info = mtls.federated({"certificate": {"certificate_config_location": config}},
                              kind="urn:ietf:params:oauth:token-type:mtls")
        env = {**credentials(sallyport, info), "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": pki.ca}
        url = sm_url(endpoint=mtls.url, insecure_reason=None)
        assert sallyport.exec(psql(WHO), flags=given(url), env=env).ok().stdout == "app\n"
    finally:
        mtls.close()


def test_a_workload_in_aws_is_known_by_its_signature(sallyport, gcp, sm_url, secret):
    def check(request):
        assert request["url"] == "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        headers = {h["key"].lower(): h["value"] for h in request["headers"]}
        authorization = headers.pop("authorization")
        signed = re.search(r"SignedHeaders=([^,]+)", authorization)[1].split(";")
        assert {"host", "x-amz-date", "x-goog-cloud-target-resource"} <= set(signed)
        made = AWSRequest("POST", request["url"], data=b"", headers={n: headers[n] for n in signed if n != "x-amz-date"})
        made.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials("AKIDEXAMPLE", "aws-secret-key"), "sts", "eu-west-1")
        made.headers["X-Amz-Date"] = headers["x-amz-date"]
        wanted = signer.signature(signer.string_to_sign(made, signer.canonical_request(made)), made)
        return "arn:aws:sts::1:assumed-role/app" if f"Signature={wanted}" in authorization else None
    gcp.check_aws = check
    gcp.secret("db", pair(secret))
    info = gcp.federated({"environment_id": "aws1", "regional_cred_verification_url":
                          "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"},
                         kind="urn:ietf:params:aws:token-type:aws4_request")
    env = {**credentials(sallyport, info), "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "aws-secret-key"}
    assert sallyport.exec(psql(WHO), flags=given(sm_url()), env=env).ok().stdout == "app\n"
    env["AWS_SECRET_ACCESS_KEY"] = "another"
    assert "invalid_grant" in sallyport.exec(psql(WHO), flags=given(sm_url()), env=env).stderr


def test_drongo_is_read_like_google(sallyport, sm_url, secret, tmp_path):
    program = os.path.join(os.path.dirname(os.sys.executable), "drongo")
    require(os.access(program, os.X_OK), "drongo")
    port = free_port()
    server = subprocess.Popen([program, "server", "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGTERM), cwd=tmp_path)
    gcp = fake_gcp.FakeGcp()
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(url + "/drongo/health"), "drongo", 20)
        client = secretmanager_v1.SecretManagerServiceClient(
            credentials=AnonymousCredentials(), transport="rest", client_options=ClientOptions(api_endpoint=url))
        made = client.create_secret(parent="projects/test-project", secret_id="db",
                                    secret=secretmanager_v1.Secret(replication={"automatic": {}}))
        client.add_secret_version(parent=made.name, payload={"data": b"old"})
        version = client.add_secret_version(parent=made.name, payload={"data": pair(secret)})
        env = credentials(sallyport, gcp.service_account())
        assert sallyport.exec(psql(WHO), flags=given(sm_url(endpoint=url)), env=env).ok().stdout == "app\n"
        client.disable_secret_version(name=version.name)
        assert "is disabled" in sallyport.exec(psql(WHO), flags=given(sm_url(endpoint=url, version="2")), env=env).stderr
        assert "there is no secret other" in sallyport.exec(psql(WHO), flags=given(sm_url("other", endpoint=url)), env=env).stderr
    finally:
        gcp.close()
        stop(server)


def test_the_endpoint_may_not_come_from_the_environment_alone(sallyport, gcp, sm_url):
    run = sallyport.exec(["echo", "started"], sm_url(insecure_reason=None), env=credentials(sallyport, gcp.service_account()))
    assert "endpoint" in run.stderr and "started" not in run.stdout and gcp.calls == []


def test_a_key_that_everybody_may_read_is_refused(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair(secret))
    env = credentials(sallyport, gcp.service_account(), 0o644)
    refused = sallyport.exec(psql(WHO), flags=given(sm_url()), env=env)
    assert "chmod o-rwx" in refused.stderr and gcp.calls == []
    assert sallyport.exec(psql(WHO), flags=given(sm_url(allow_world_readable="true")), env=env).ok()


def test_the_child_is_not_told_where_the_key_is(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair(secret))
    info = gcp.service_account()
    env = credentials(sallyport, info)
    run = sallyport.exec(environment(), flags=given(sm_url()), env=env).ok()
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in read_environment(run)
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "of an external_account"}
    run = sallyport.exec(environment(), flags=given(sm_url()), env={**env, **keys}).ok()
    assert not keys.keys() & read_environment(run).keys()
    sallyport.assert_no_canary(secret)
    sallyport.assert_no_canary(info["private_key"].splitlines()[5], allowed_files=[env["GOOGLE_APPLICATION_CREDENTIALS"]])


def misbehaviours():
    def status(code):
        return lambda h: reply_raw(h, code, b"{}")

    def reply_raw(handler, code, body, more=()):
        handler.send_response(code)
        for name, value in more:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def truncated(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"access_token":"ya')
        handler.close_connection = True

    def slow(handler):
        time.sleep(13)
        handler.close_connection = True

    def absent(handler):
        handler.close_connection = True
        handler.connection.close()

    return {"500": (status(500), "the status 500"), "429": (status(429), "429|quota"), "403": (status(403), "403"),
            "garbage": (lambda h: reply_raw(h, 200, b"\x00\xff<html>"), "no JSON|payload"),
            "huge": (lambda h: reply_raw(h, 200, b"[" + b"1," * 700_000 + b"1]"), "larger"),
            "redirect": (lambda h: reply_raw(h, 302, b"", [("Location", "https://attacker.example/x")]), "attacker.example"),
            "truncated": (truncated, "whole|closed|broke"), "slow": (slow, "no whole reply|within"), "absent": (absent, "closed|reply")}


@pytest.mark.parametrize("route", ["token", "secret"])
@pytest.mark.parametrize("kind", list(misbehaviours()))
def test_what_misbehaves_is_told_and_leaks_nothing(sallyport, gcp, sm_url, secret, route, kind):
    gcp.secret("db", pair(secret))
    answer, words = misbehaviours()[kind]
    gcp.misbehave[route] = answer
    run = sallyport.run("resolve", sm_url(), env=credentials(sallyport, gcp.service_account()), seconds=90)
    assert run.code != 0 and re.search(words, run.stderr), run.output
    assert gcp.host in run.stderr or "Secret Manager" in run.stderr or "service account key" in run.stderr, run.stderr
    sallyport.assert_no_canary(secret)


@pytest.mark.parametrize("skew", [-600, 600])
def test_a_clock_that_is_ten_minutes_off_is_no_obstacle(sallyport, gcp, sm_url, secret, skew):
    gcp.secret("db", pair(secret))
    gcp.skew = skew
    sallyport.exec(psql(WHO), flags=given(sm_url()), env=credentials(sallyport, gcp.service_account())).ok()
    assert gcp.count("token") == (2 if skew < 0 else 1)      # one from the future is refused, one that is not yet over is not


def test_a_service_that_comes_back_is_waited_for(sallyport, gcp, sm_url, secret):
    gcp.secret("db", pair(secret))
    left = {"token": 2, "secret": 2}

    def failing(route):
        def answer(handler):
            left[route] -= 1
            if left[route] < 0:
                return False
            return misbehaviours()["500"][0](handler)
        return answer
    for route in left:
        gcp.misbehave[route] = failing(route)
    assert sallyport.exec(psql(WHO), flags=given(sm_url()), env=credentials(sallyport, gcp.service_account())).ok()


def test_whoami_names_the_account_and_the_file(sallyport, gcp):
    run = sallyport.run("whoami", "gcp", env=credentials(sallyport, gcp.service_account())).ok()
    assert "app@test-project.iam.gserviceaccount.com" in run.stdout
    assert "GOOGLE_APPLICATION_CREDENTIALS (service_account)" in run.stdout and gcp.calls == []
    nobody = sallyport.run("whoami", "gcp", env={"NO_GCE_CHECK": "true"})
    assert nobody.code == 1 and "gcloud auth application-default login" in nobody.stdout


def test_whoami_says_that_two_clouds_give_an_identity_and_what_chooses(sallyport, gcp):
    env = {**credentials(sallyport, gcp.service_account()), "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "x",
           "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "https://127.0.0.1:9"}
    both = sallyport.run("whoami", "aws", "gcp", env=env).ok().stdout
    assert "aws, gcp: each gives an identity. A reference's scheme chooses" in both
    assert "each gives" not in sallyport.run("whoami", "gcp", env=env).ok().stdout


def test_token_prints_a_login_token(sallyport, gcp):
    run = sallyport.run("token", "gcp", "--set", "insecure_reason=test", "--format", "json",
                        env=credentials(sallyport, gcp.service_account())).ok()
    told = json.loads(run.stdout)
    assert gcp.tokens[told["token"]]["scopes"] == {fake_gcp.SQL_LOGIN} and told["user"] == "app@test-project.iam"


# -- Cloud SQL and AlloyDB ------------------------------------------------------------------------------

@pytest.fixture
def cloud_sql(gcp, pg, user, tmp_path):
    it = fake_cloudsql.CloudSql(str(tmp_path), pg, fake_cloudsql.own_address())
    gcp.instances[("test-project", "db")] = it
    yield it
    it.close()


def connector_url(gcp, instance="test-project:europe-west1:db", **changes):
    return reference("gcp-cloudsql-iam:", engine="postgresql", dbname="app", instance=instance, endpoint=gcp.url,
                     insecure_reason="test", **changes)


def test_the_connector_logs_in_through_the_certificate(sallyport, gcp, cloud_sql):
    run = sallyport.exec(psql(WHO), flags=given(connector_url(gcp)), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == USER + "\n" and cloud_sql.logins and set(cloud_sql.logins) == {USER}
    assert gcp.count("settings") == 1 and gcp.count("certificate") == 1 and gcp.count("token") == 2


def test_one_certificate_serves_many_sessions(sallyport, gcp, cloud_sql):
    command = "for i in 1 2 3 4 5 6 7 8 9 10; do psql -XAtqc 'SELECT 1' \"$DATABASE_URL\" & done; wait"
    run = sallyport.exec(["sh", "-c", command], flags=given(connector_url(gcp)), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == "1\n" * 10
    assert gcp.count("certificate") == 1 and gcp.count("token") == 2


def test_another_server_than_the_instance_is_not_logged_in_to(sallyport, gcp, cloud_sql, tmp_path):
    cloud_sql.present(str(tmp_path), "test-project:other")
    run = sallyport.exec(psql(WHO), flags=given(connector_url(gcp)), env=credentials(sallyport, gcp.service_account()))
    assert run.code != 0 and not cloud_sql.logins, run.output


def test_the_metadata_exchange_comes_first_where_the_instance_speaks_it(sallyport, gcp, cloud_sql):
    cloud_sql.more["mdxProtocolSupport"] = ["CLIENT_PROTOCOL_TYPE"]
    run = sallyport.exec(psql(WHO), flags=given(connector_url(gcp)), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == USER + "\n" and cloud_sql.metadata[0] == b"\x0a\x09sallyport\x10\x02"


def test_a_cancel_takes_the_way_of_its_login(sallyport, gcp, cloud_sql, pg):
    command = 'echo process $$; exec psql -XAtqc "SELECT pg_sleep(60)" "$DATABASE_URL"'
    run = sallyport.start_exec(["sh", "-c", command], flags=given(connector_url(gcp)), env=credentials(sallyport, gcp.service_account()))
    psql_pid = int(run.until(r"process (\d+)")[1])
    sleeping = "SELECT pid FROM pg_stat_activity WHERE usename = %s AND query LIKE 'SELECT pg_sleep%%' AND state = 'active'"
    wait_for(lambda: pg.sql(sleeping, USER), "the query to run")
    os.kill(psql_pid, signal.SIGINT)
    assert "canceling statement due to user request" in run.wait(30).stderr, run.output
    assert cloud_sql.cancels == 1 and gcp.count("certificate") == 1


def test_alloydb_hears_the_token_first(sallyport, gcp, pg, user, tmp_path):
    it = fake_cloudsql.AlloyDb(str(tmp_path), pg, gcp, fake_cloudsql.own_address())
    gcp.alloydb[("test-project", "r1", "c1", "i1")] = it
    try:
        url = connector_url(gcp, "projects/test-project/locations/r1/clusters/c1/instances/i1", ip_type="private")
        run = sallyport.exec(psql(WHO), flags=given(url), env=credentials(sallyport, gcp.service_account())).ok()
        assert run.stdout == USER + "\n" and it.metadata
    finally:
        it.close()


# -- tokens as passwords --------------------------------------------------------------------------------


def direct_url(pg, pki, **changes):
    return reference("gcp-cloudsql-iam:", engine="postgresql", host="localhost", port=pg.port, dbname="app", sslrootcert=pki.ca,
                     insecure_reason="test", **changes)


def test_a_token_is_the_password(sallyport, gcp, checked_pg, pki):
    run = sallyport.exec(psql(WHO), flags=given(direct_url(checked_pg, pki)), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == USER + "\n" and gcp.count("token") == 1


def test_a_machines_token_is_of_its_own_account(sallyport, gcp, checked_pg, pki):
    gcp.machine = "app@test-project.iam.gserviceaccount.com"
    run = sallyport.exec(psql(WHO), flags=given(direct_url(checked_pg, pki)), env={"GCE_METADATA_HOST": gcp.host}).ok()
    assert run.stdout == USER + "\n"


def test_a_token_that_expires_during_the_login_is_replaced(sallyport, gcp, checked_pg, pki):
    """The first one comes too late: the database refuses it, and another one is asked for."""
    mint = gcp.mint

    def late(who, scopes):
        token = mint(who, scopes)
        if len(gcp.tokens) == 1:
            gcp.tokens[token]["expires"] = 0
        return token
    gcp.mint = late
    run = sallyport.exec(psql(WHO), flags=given(direct_url(checked_pg, pki)), env=credentials(sallyport, gcp.service_account())).ok()
    assert run.stdout == USER + "\n" and gcp.count("token") == 2


def test_hundred_sessions_at_once_ask_for_one_token(sallyport, gcp, checked_pg, pki):
    command = "for i in $(seq 100); do psql -XAtqc 'SELECT 1' \"$DATABASE_URL\" & done; wait"
    gcp.misbehave["token"] = lambda handler: time.sleep(1) or False
    run = sallyport.exec(["sh", "-c", command], flags=given(direct_url(checked_pg, pki)),
                         env=credentials(sallyport, gcp.service_account()), seconds=120).ok()
    assert run.stdout == "1\n" * 100 and gcp.count("token") == 1


def test_tokens_of_five_seconds_fail_no_transaction_and_are_asked_for_once_each(sallyport, gcp, checked_pg, pki, tables, figures):
    gcp.life = 5
    checked_pg.sql(f'GRANT app_owner TO "{USER}"')
    seconds = 20
    command = f"pgbench -n -S -C -c 8 -T {seconds} \"$DATABASE_URL\""
    run = sallyport.exec(["sh", "-c", command], flags=given(direct_url(checked_pg, pki)),
                         env=credentials(sallyport, gcp.service_account()), seconds=120).ok()
    assert "number of failed transactions: 0 (0.000%)" in run.stdout, run.output
    figures(f"{gcp.count('token')} tokens in {seconds} s")
    assert gcp.count("token") <= seconds // 3 + 2
