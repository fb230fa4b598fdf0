"""Secrets Manager and Parameter Store of moto, which checks signatures and policies, in front of a real PostgreSQL."""

import json
import os
import tempfile
import urllib.parse
import uuid

import pytest

from conftest import require, require_module

require_module("botocore.session")

from harness import moto as motos    # noqa: E402
from harness.children import environment, psql, read_environment    # noqa: E402
from harness.moto import Moto, allow    # noqa: E402
from harness.processes import wait_for    # noqa: E402
from harness.sallyport import reference    # noqa: E402
from harness.service import Service    # noqa: E402

WHO = "SELECT session_user"


@pytest.fixture(scope="module")
def moto(base, pki):
    require(motos.program(), "moto")
    it = Moto(base, pki, {
        "admin": allow("*"), "app": allow("secretsmanager:GetSecretValue", "ssm:GetParameter"), "nobody": allow("s3:GetObject")})
    yield it
    it.close()


@pytest.fixture(scope="module")
def manager(moto):
    return moto.client("secretsmanager", "admin")


@pytest.fixture
def stored(manager, pg, secret):
    """Makes a secret with a name of its own; its name."""
    made = []

    def make(text=None, **more):
        name = f"prod/{uuid.uuid4().hex[:8]}/connection"
        pair = {"engine": "postgres", "host": "localhost", "port": pg.port, "dbname": "app", "username": "app", "password": secret}
        value = {} if "SecretBinary" in more else {"SecretString": text if text is not None else json.dumps(pair)}
        made.append(manager.create_secret(Name=name, **value, **more))
        return name
    yield make
    for one in made:
        manager.delete_secret(SecretId=one["ARN"], ForceDeleteWithoutRecovery=True)


def url(name, pki, scheme="aws-sm", **changes):
    return reference(f"{scheme}:{name}", sslrootcert=pki.ca, **changes)


def test_a_secret_in_the_usual_shape_is_all_that_exec_needs(sallyport, moto, stored, pki, secret):
    run = sallyport.exec(psql(WHO), url(stored(), pki), env=moto.environment("app")).ok()
    assert run.stdout == "app\n"
    sallyport.assert_no_canary(secret)
    sallyport.assert_no_canary(moto.keys("app")[1])


def test_the_keys_are_not_handed_to_the_child(sallyport, moto, stored, pki):
    run = sallyport.exec(environment(), url(stored(), pki), env=moto.environment("app")).ok()
    seen = read_environment(run)
    assert "AWS_SECRET_ACCESS_KEY" not in seen and "AWS_ACCESS_KEY_ID" not in seen


def test_an_arn_a_version_and_a_stage(sallyport, moto, manager, stored, pki):
    name = stored()
    told = manager.describe_secret(SecretId=name)
    [version] = told["VersionIdsToStages"]
    for locator, more in ((told["ARN"], {}), (name, {"version": version}), (name, {"stage": "AWSCURRENT"}),
                          (told["ARN"], {"region": "eu-west-1"})):
        env = moto.environment("app")
        if "arn:" in locator:
            env["AWS_REGION"] = "us-east-1"
        assert sallyport.exec(psql(WHO), url(locator, pki, **more), env=env).ok().stdout == "app\n"
    refused = sallyport.exec(psql(WHO), url(told["ARN"], pki, region="us-east-1"), env=moto.environment("app"))
    assert refused.code == 125 and "wrong region in ARN" in refused.stderr


@pytest.mark.parametrize("user, key, said", [
    ("nobody", None, ["AccessDenied", "secretsmanager:GetSecretValue", "whoami"]),
    ("app", "canary-of-somebody-else", ["SignatureDoesNotMatch", "does not belong to the access key"])])
def test_denied_by_policy_and_a_wrong_signature(sallyport, moto, stored, pki, user, key, said):
    env = moto.environment(user, **({"AWS_SECRET_ACCESS_KEY": key} if key else {}))
    run = sallyport.exec(psql(WHO), url(stored(), pki), env=env)
    assert run.code != 0
    for part in said:
        assert part in run.output, run.output
    sallyport.assert_no_canary(env["AWS_SECRET_ACCESS_KEY"])


def test_an_unknown_key(sallyport, moto, stored, pki):
    run = sallyport.exec(psql(WHO), url(stored(), pki), env=moto.environment("app", AWS_ACCESS_KEY_ID="AKIDUNKNOWN"))
    assert run.code != 0 and "InvalidClientTokenId" in run.output and "environment" in run.output, run.output


def wrong_secrets(secret):
    return {"binary": ({"SecretBinary": b"\x00\x01\xff"}, "", ["is binary: 3 bytes", "SecretString"]),
            "not JSON": ({"text": secret}, "#password", ["no JSON object"]),
            "no such field": ({"text": json.dumps({"user": "app", "pwd": secret})}, "#password", ["It has user, pwd"])}


@pytest.mark.parametrize("case", ["binary", "not JSON", "no such field"])
def test_what_is_no_credential_is_told_without_a_value(sallyport, moto, stored, pki, secret, case):
    value, field, said = wrong_secrets(secret)[case]
    run = sallyport.run("resolve", f"aws-sm:{stored(**value)}{field}", env=moto.environment("app"))
    assert run.code != 0
    for part in said:
        assert part in run.output, run.output
    sallyport.assert_no_canary(secret)


def test_a_secret_that_is_not_there_deleted_or_without_that_version(sallyport, moto, manager, pki):
    name = f"prod/{uuid.uuid4().hex[:8]}"
    manager.create_secret(Name=name, SecretString="x")
    look = lambda reference: sallyport.run("resolve", reference, env=moto.environment("app"))     # noqa: E731
    absent = look("aws-sm:prod/nowhere")
    assert absent.code != 0 and "no such secret in eu-west-1" in absent.output, absent.output
    version = look(f"aws-sm:{name}?version={uuid.uuid4()}")
    assert version.code != 0 and "no version" in version.output and "list-secret-version-ids" in version.output, version.output
    manager.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    deleted = look(f"aws-sm:{name}")
    assert "scheduled for deletion" in deleted.output and f"restore-secret --secret-id {name}" in deleted.output, deleted.output


def test_parameters_by_name_hierarchy_version_and_label(sallyport, moto, pg, pki, secret):
    client = moto.client("ssm", "admin")
    name = f"/prod/{uuid.uuid4().hex[:8]}/url"
    text = f"postgresql://app:{urllib.parse.quote(secret, safe='')}@localhost:{pg.port}/app"
    client.put_parameter(Name=name, Value="postgresql://app:old@localhost/app", Type="SecureString")
    client.put_parameter(Name=name, Value=text, Type="SecureString", Overwrite=True)
    client.label_parameter_version(Name=name, ParameterVersion=2, Labels=["live"])
    for suffix in ("", ":2", ":live"):
        run = sallyport.exec(psql(WHO), url(name + suffix, pki, "aws-ssm"), env=moto.environment("app")).ok()
        assert run.stdout == "app\n"
    absent = sallyport.run("resolve", f"aws-ssm:{name}:7", env=moto.environment("app"))
    assert absent.code != 0 and "no such version or label" in absent.output, absent.output
    absent = sallyport.run("resolve", "aws-ssm:/prod/nowhere", env=moto.environment("app"))
    assert "no such parameter in eu-west-1" in absent.output, absent.output
    sallyport.assert_no_canary(secret)


def test_inside_a_rotation_the_pending_version_logs_in(sallyport, moto, manager, pg, pki, secret):
    """AWS' single-user rotation: the password is changed in the database before AWSCURRENT moves. Sessions that come in between
    notice nothing, and when the rotation has ended the secret is the current one again."""
    user = "rotated_" + uuid.uuid4().hex[:6]
    name, second = f"prod/{user}", "canary-second-" + uuid.uuid4().hex
    pair = {"username": user, "password": secret}
    pg.sql(f"CREATE ROLE {user} LOGIN PASSWORD '{secret}' IN ROLE app_owner")
    manager.create_secret(Name=name, SecretString=json.dumps(pair))
    service = Service(sallyport, pg, pki, f"aws-sm:{name}", user=None, extra_target="    pool: {mode: session, max: 4, lifetime_max: 1s}")
    service.start(env=moto.environment("app"))

    def ask():
        run = service.psql("SELECT session_user")
        assert run.returncode == 0, run.stderr + service.run.output[-3000:]
        return run.stdout.strip()
    try:
        assert ask() == user
        new = manager.put_secret_value(SecretId=name, SecretString=json.dumps({**pair, "password": second}),
                                       VersionStages=["AWSPENDING"])
        pg.sql(f"ALTER ROLE {user} PASSWORD '{second}'")
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", user)
        for _ in range(5):
            assert ask() == user
        assert "its pending one is tried" in service.run.output
        [old] = [version for version, stages in manager.describe_secret(SecretId=name)["VersionIdsToStages"].items()
                 if "AWSCURRENT" in stages]
        manager.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=new["VersionId"],
                                            RemoveFromVersionId=old)
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", user)
        assert ask() == user
        assert "credential_changed_outside" not in service.run.output
    finally:
        service.stop()
        pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", user)
        pg.sql(f"DROP ROLE {user}")
    for one in (secret, second):
        sallyport.assert_no_canary(one)


# ---- in the sandbox of `serve` ----

@pytest.fixture
def elsewhere(pg):
    """A directory that no configuration has named."""
    with tempfile.TemporaryDirectory(prefix="sp-else-", dir=os.path.dirname(pg.folder)) as folder:
        yield folder


def without_keys(moto, **more):
    env = moto.environment("app", **more)
    return env.pop("AWS_ACCESS_KEY_ID"), env.pop("AWS_SECRET_ACCESS_KEY"), env


def put(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def test_files_that_variables_name_are_read_in_the_sandbox(sallyport, moto, stored, pg, pki, elsewhere):
    key, secret_key, env = without_keys(moto)
    env["AWS_SHARED_CREDENTIALS_FILE"] = put(elsewhere, "credentials", f"[default]\naws_access_key_id = {key}\n"
                                                                       f"aws_secret_access_key = {secret_key}\n")
    service = Service(sallyport, pg, pki, f"aws-sm:{stored()}", user=None)
    service.start(env=env)
    try:
        run = service.psql(WHO)
        assert run.stdout == "app\n", run.stderr + service.run.output[-3000:]
    finally:
        service.stop()
    sallyport.assert_no_canary(secret_key)


def test_a_program_for_keys_runs_in_serve_where_the_configuration_names_it(sallyport, moto, stored, pg, pki, elsewhere):
    key, secret_key, env = without_keys(moto, AWS_PROFILE="app")
    told = json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret_key})
    program = put(elsewhere, "keys", f"#!/bin/sh\n[ \"$2\" = app ] && echo '{told}'\n", 0o700)
    env["AWS_CONFIG_FILE"] = put(elsewhere, "config", f"[profile app]\ncredential_process = {program} --profile app\n")
    service = Service(sallyport, pg, pki, f"aws-sm:{stored()}", user=None, extra="identity: {programs: /nothing}")
    service.start(env=env)
    try:
        refused = service.psql(WHO)
        assert refused.returncode != 0 and "identity.programs" in service.run.output, refused.stderr + service.run.output[-3000:]
        service.rewrite("programs: /nothing", f"programs: '{program} --profile'")
        assert service.reload() and "identity.programs allows more" in service.run.output, service.run.output[-3000:]
        wait_for(lambda: service.psql(WHO).stdout == "app\n", "the next attempt to fetch")
    finally:
        service.stop()
    sallyport.assert_no_canary(secret_key)
