"""Which AWS keys win: botocore's own chain and `sallyport whoami`, in the same environment with the same files, against the same
services. botocore is asked first, so that the services are shown to satisfy it."""

import hashlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from unittest import mock

import pytest

from conftest import require_module

botocore_session = require_module("botocore.session")

import botocore.config         # noqa: E402
import botocore.credentials    # noqa: E402
import botocore.tokens         # noqa: E402

from harness.fake_aws import ACCOUNT, FakeAws, iso    # noqa: E402
from harness.pki import Pki                            # noqa: E402
from harness.processes import die_with_parent, free_port, stop, wait_for    # noqa: E402
from harness.sallyport import Run                      # noqa: E402

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
BASE = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = secret-base\n"
FILE = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret-file\n"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "secret-env"}
SSO = ("[profile app]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Reader\n"
       "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n")
LEGACY_SSO = ("[profile app]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n"
              "sso_account_id = 111122223333\nsso_role_name = Reader\n")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(str(tmp_path_factory.mktemp("pki")))


@pytest.fixture
def aws(pki):
    leaf = pki.leaf("good")
    fake = FakeAws(leaf.certificate, leaf.key)
    yield fake
    fake.stop()


class Home:
    def __init__(self, folder, ca):
        self.folder = folder
        self.env = {"HOME": folder, "PATH": os.environ["PATH"], "AWS_CA_BUNDLE": ca, "AWS_REGION": "eu-west-1",
                    "AWS_DEFAULT_REGION": "eu-west-1"}

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def sso_token(self, name, expires_in=7200, token="sso-access-token"):
        cache = hashlib.sha1(name.encode()).hexdigest()
        self.write(f".aws/sso/cache/{cache}.json", json.dumps(
            {"accessToken": token, "expiresAt": iso(time.time() + expires_in), "region": "eu-west-1"}))

    def process(self, **extra):
        document = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "secret-process", **extra}
        return self.write("bin/keys", f"#!/bin/sh\necho '{json.dumps(document)}'\n", 0o700)


@pytest.fixture
def home(tmp_path, pki):
    return Home(str(tmp_path), os.path.join(pki.folder, "ca.crt"))


def botocore_keys(env):
    """The winner's (id, secret, token), or None, or the error."""
    cache = os.path.join(env["HOME"], ".aws", "sso", "cache")
    with mock.patch.dict(os.environ, env, clear=True), \
            mock.patch.object(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", cache), \
            mock.patch.object(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", cache):
        try:
            session = botocore_session.get_session()
            found = session.get_credentials()
            if found is None:
                return None
            frozen = found.get_frozen_credentials()
            # That these keys sign well is STS' to say.
            client = session.create_client("sts", config=botocore.config.Config(retries={"max_attempts": 0}))
            assert client.get_caller_identity()["Arn"].endswith("/" + frozen.access_key)
            return frozen.access_key
        except AssertionError:
            raise
        except Exception as error:    # noqa: BLE001: any of its errors is an answer
            return error


def whoami(home, env, **options):
    run = Run(home.folder, ["whoami", "aws", "--format", "json"], env, **options).wait(40)
    assert run.process.returncode in (0, 1), run.output
    return json.loads(run.stdout)[0]


def key_of(answer):
    return answer.get("identity", "").rpartition("/")[2] or None


# name: (config, credentials, environment, parts of the world, what is done to home and fake first)
def web_token(home, aws):
    home.env["AWS_WEB_IDENTITY_TOKEN_FILE"] = home.write("token", "web-identity-token", 0o644)
    home.env["AWS_ROLE_ARN"] = ROLE + "web"


def web_profile(home, aws):
    home.write("token", "web-identity-token")


CASES = {
    "environment": ("", "", KEYS, (), None),
    "environment_beats_files": ("", FILE, KEYS, ("container", "imds"), None),
    "environment_beats_AWS_PROFILE": ("", FILE + BASE, {**KEYS, "AWS_PROFILE": "base"}, (), None),
    "environment_without_secret": ("", FILE, {"AWS_ACCESS_KEY_ID": "AKIDENV"}, (), None),
    "environment_with_expired_keys": ("", FILE, {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}, (), None),
    "credentials_file": ("", FILE, {}, (), None),
    "credentials_file_beats_container": ("", FILE, {}, ("container", "imds"), None),
    "AWS_PROFILE": ("", FILE + BASE, {"AWS_PROFILE": "base"}, (), None),
    "AWS_DEFAULT_PROFILE_beats_AWS_PROFILE": ("", FILE + BASE, {"AWS_PROFILE": "default", "AWS_DEFAULT_PROFILE": "base"}, (), None),
    "profile_that_is_not_there": ("", FILE, {"AWS_PROFILE": "nobody"}, (), None),
    "config_file": ("[default]\naws_access_key_id = AKIDCONFIG\naws_secret_access_key = secret-config\n", "", {}, (), None),
    "credentials_beat_config": ("[default]\naws_access_key_id = AKIDCONFIG\naws_secret_access_key = secret-config\n", FILE, {}, (), None),
    "profile_default_spelled_out": ("[profile default]\naws_access_key_id=AKIDCONFIG\naws_secret_access_key=secret-config\n", "", {},
                                    (), None),
    "quoted_profile": ('[profile "my app"]\naws_access_key_id=AKIDCONFIG\naws_secret_access_key=secret-config\n', "",
                       {"AWS_PROFILE": "my app"}, (), None),
    "comments_colons_and_nests": ("# c\n[default]\n; c\ns3 =\n  max_queue_size = 5\n  # c\nAWS_ACCESS_KEY_ID : AKIDCONFIG\n"
                                  "aws_secret_access_key=secret-config\n", "", {}, (), None),
    "indented_keys": ("[default]\n  aws_access_key_id=AKIDCONFIG\n  aws_secret_access_key = secret-config\n", "", {}, (), None),
    "key_twice": ("[default]\naws_access_key_id=AKIDCONFIG\naws_access_key_id=AKIDFILE\n", FILE, {}, (), None),
    "section_twice": ("", FILE + FILE, {}, (), None),
    "no_section": ("region = eu-west-1\n", FILE, {}, (), None),
    "line_that_is_none": ("[default]\nregion\n", FILE, {}, (), None),
    "half_a_pair_in_the_file": ("", "[default]\naws_access_key_id = AKIDFILE\n", {}, (), None),
    "role_of_profile": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = base\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "role_with_external_id": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = base\nexternal_id = e-1\n"
                              "duration_seconds = 1800\nrole_session_name = tester\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "role_of_role": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = mid\n[profile mid]\nrole_arn = {ROLE}mid\n"
                     "source_profile = base\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "role_beats_its_own_keys": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = app\naws_access_key_id = AKIDCONFIG\n"
                                "aws_secret_access_key = secret-config\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "environment_beats_role": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = base\n", BASE, {**KEYS, "AWS_PROFILE": "app"},
                               (), None),
    "role_of_environment": (f"[profile app]\nrole_arn = {ROLE}app\ncredential_source = Environment\n", "", {"AWS_PROFILE": "app"}, (),
                            None),
    "role_of_container": (f"[profile app]\nrole_arn = {ROLE}app\ncredential_source = EcsContainer\n", "", {"AWS_PROFILE": "app"},
                          ("container",), None),
    "role_of_instance": (f"[profile app]\nrole_arn = {ROLE}app\ncredential_source = Ec2InstanceMetadata\n", "",
                         {"AWS_PROFILE": "app"}, ("imds",), None),
    "role_of_unknown_source": (f"[profile app]\nrole_arn = {ROLE}app\ncredential_source = Moon\n", "", {"AWS_PROFILE": "app"}, (),
                               None),
    "role_with_both_sources": (f"[profile app]\nrole_arn = {ROLE}app\ncredential_source = Environment\nsource_profile = base\n", BASE,
                               {"AWS_PROFILE": "app"}, (), None),
    "role_with_no_source": (f"[profile app]\nrole_arn = {ROLE}app\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "role_in_a_circle": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = mid\n[profile mid]\nrole_arn = {ROLE}mid\n"
                         "source_profile = app\n", BASE, {"AWS_PROFILE": "app"}, (), None),
    "role_of_itself_without_keys": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = app\n", BASE, {"AWS_PROFILE": "app"}, (),
                                    None),
    "role_of_a_missing_profile": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = gone\n", BASE, {"AWS_PROFILE": "app"}, (),
                                  None),
    "role_denied": (f"[profile app]\nrole_arn = {ROLE}denied\nsource_profile = base\n", BASE, {"AWS_PROFILE": "app"}, (),
                    lambda home, aws: aws.roles_denied.add(ROLE + "denied")),
    "role_of_process": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = tool\n[profile tool]\n"
                        "credential_process = {home}/bin/keys\n", "", {"AWS_PROFILE": "app"}, (), lambda home, aws: home.process()),
    "role_of_web_identity": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = web\n[profile web]\nrole_arn = {ROLE}web\n"
                             "web_identity_token_file = {home}/token\n", "", {"AWS_PROFILE": "app"}, (), web_profile),
    "role_of_sso": (f"[profile top]\nrole_arn = {ROLE}app\nsource_profile = app\n" + LEGACY_SSO, "", {"AWS_PROFILE": "top"}, (),
                    lambda home, aws: home.sso_token("https://corp.awsapps.com/start")),
    "web_identity": ("", "", {}, (), web_token),
    "web_identity_beats_credentials_file": ("", FILE, {}, ("container",), web_token),
    "role_beats_web_identity": (f"[profile app]\nrole_arn = {ROLE}app\nsource_profile = base\n", BASE, {"AWS_PROFILE": "app"}, (),
                                web_token),
    "web_identity_of_profile": (f"[profile app]\nrole_arn = {ROLE}app\nweb_identity_token_file = {{home}}/token\n", "",
                                {"AWS_PROFILE": "app"}, (), web_profile),
    "web_identity_without_role": ("", FILE, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, (), None),
    "web_identity_without_file": ("", FILE, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": ROLE + "web"}, (), None),
    "web_identity_refused": ("", FILE, {}, (), lambda home, aws: (web_token(home, aws), home.write("token", "another"))),
    "sso": (SSO, "", {"AWS_PROFILE": "app"}, (), lambda home, aws: home.sso_token("corp")),
    "legacy_sso": (LEGACY_SSO, "", {"AWS_PROFILE": "app"}, (), lambda home, aws: home.sso_token("https://corp.awsapps.com/start")),
    "sso_beats_keys": (SSO, "[app]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret-file\n", {"AWS_PROFILE": "app"}, (),
                       lambda home, aws: home.sso_token("corp")),
    "sso_expired": (LEGACY_SSO, FILE, {"AWS_PROFILE": "app"}, (),
                    lambda home, aws: home.sso_token("https://corp.awsapps.com/start", -5)),
    "sso_never_signed_in": (SSO, FILE, {"AWS_PROFILE": "app"}, (), None),
    "sso_refused": (SSO, FILE, {"AWS_PROFILE": "app"}, (), lambda home, aws: home.sso_token("corp", token="old")),
    "sso_role_not_ours": (SSO.replace("Reader", "denied"), FILE, {"AWS_PROFILE": "app"}, (),
                          lambda home, aws: home.sso_token("corp")),
    "sso_incomplete": ("[profile app]\nsso_account_id = 1\n", FILE, {"AWS_PROFILE": "app"}, (), None),
    "sso_session_missing": ("[profile app]\nsso_session = gone\nsso_account_id = 1\nsso_role_name = r\n", FILE,
                            {"AWS_PROFILE": "app"}, (), None),
    "sso_contradiction": (SSO.replace("sso_session = corp", "sso_session = corp\nsso_region = us-east-1"), FILE,
                          {"AWS_PROFILE": "app"}, (), lambda home, aws: home.sso_token("corp")),
    "process": ("[default]\ncredential_process = {home}/bin/keys --account 'a b' \"c d\" e\\ f\n", "", {}, ("container",),
                lambda home, aws: home.process()),
    "process_after_credentials": ("[default]\ncredential_process = {home}/bin/keys\n", FILE, {}, (),
                                  lambda home, aws: home.process()),
    "process_before_config": ("[default]\ncredential_process = {home}/bin/keys\naws_access_key_id = AKIDCONFIG\n"
                              "aws_secret_access_key = secret-config\n", "", {}, (), lambda home, aws: home.process()),
    "process_that_fails": ("[default]\ncredential_process = /bin/false\n", "", {}, ("container",), None),
    "process_of_version_2": ("[default]\ncredential_process = {home}/bin/keys\n", "", {}, ("container",),
                             lambda home, aws: home.process(Version=2)),
    "process_with_old_keys": ("[default]\ncredential_process = {home}/bin/keys\n", "", {}, ("container",),
                              lambda home, aws: home.process(Expiration="2020-01-01T00:00:00Z")),
    "container": ("", "", {}, ("container", "imds"), None),
    "container_with_token": ("", "", {}, ("container",), lambda home, aws: container_token(home, aws)),
    "container_with_wrong_token": ("", "", {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "no"}, ("container", "imds"),
                                   lambda home, aws: setattr(aws, "container_token", "yes")),
    "container_token_with_line_break": ("", "", {}, ("container", "imds"), lambda home, aws: container_token(home, aws, "\n")),
    "container_elsewhere": ("", "", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.1.2.3/"}, ("imds",), None),
    "instance": ("", "", {}, ("imds",), None),
    "instance_of_version_1": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "v1")),
    "instance_of_version_1_forbidden": ("", "", {"AWS_EC2_METADATA_V1_DISABLED": "true"}, ("imds",),
                                        lambda home, aws: setattr(aws, "imds", "v1")),
    "instance_without_role": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "none")),
    "instance_slow": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "slow")),
    "instance_failing": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "error")),
    "instance_garbage": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "garbage")),
    "instance_refuses": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "imds", "refuses")),
    "instance_disabled": ("", "", {"AWS_EC2_METADATA_DISABLED": "true"}, ("imds",), None),
    "instance_with_old_keys": ("", "", {}, ("imds",), lambda home, aws: setattr(aws, "life", -60)),
    "nobody": ("", "", {}, (), None),
}


def container_token(home, aws, end=""):
    aws.container_token = "pod-token"
    home.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home.write("pod-token", "pod-token" + end, 0o644)


@pytest.mark.parametrize("name", CASES)
def test_the_same_keys_win_as_with_botocore(name, aws, home):
    config, credentials, env, parts, prepare = CASES[name]
    if prepare:
        prepare(home, aws)
    if config:
        home.write(".aws/config", config.replace("{home}", home.folder), 0o600 if "secret" in config else 0o644)
    if credentials:
        home.write(".aws/credentials", credentials)
    if name == "role_of_environment":
        env = {**env, **KEYS}
        env.pop("AWS_PROFILE")
        home.write(".aws/config", config.replace("[profile app]", "[default]"))
    env = {**home.env, **aws.environment(*parts), **env}
    theirs = botocore_keys(env)
    ours = whoami(home, env)
    if isinstance(theirs, str):
        assert key_of(ours) == theirs, ours
    else:
        assert not ours.get("provider"), f"botocore: {theirs!r}; ours: {ours}"
        assert ours["tried"], ours
    for text in ("secret-", "session-token", "web-identity-token", "sso-access", "pod-token" + "\n"):
        assert text not in json.dumps(ours).replace("imds-session-token", ""), ours


def test_a_signature_at_a_wrong_time_is_made_again_at_sts_time(aws, home):
    home.write(".aws/credentials", FILE)
    for skew in (600, -600):
        aws.skew = skew
        env = {**home.env, **aws.environment()}
        assert key_of(whoami(home, env)) == "AKIDFILE"


def test_a_busy_sts_is_asked_again(aws, home):
    home.write(".aws/credentials", FILE)
    aws.failures = [503, 429]
    env = {**home.env, **aws.environment()}
    assert key_of(whoami(home, env)) == "AKIDFILE"


def test_a_provider_is_told_although_sts_cannot_be_reached(aws, home):
    home.write(".aws/credentials", FILE)
    env = {**home.env, **aws.environment(), "AWS_ENDPOINT_URL_STS": "https://127.0.0.1:1"}
    answer = whoami(home, env)
    assert answer["provider"] == "profile default (credentials file)" and "identity" not in answer
    assert "127.0.0.1:1" in answer["tried"][-1]["reason"]


def test_keys_in_a_file_that_others_may_read_are_refused_with_the_fix(aws, home):
    home.write(".aws/credentials", FILE, 0o644)
    answer = whoami(home, {**home.env, **aws.environment()})
    assert not answer.get("provider") and "chmod" in json.dumps(answer), answer


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_a_profile_that_somebody_else_could_have_written_runs_nothing(aws, home):
    ran = os.path.join(home.folder, "ran")
    path = home.write(".aws/config", f"[default]\ncredential_process = /usr/bin/touch {ran}\n", 0o644)
    for spoil, mend, fix in ((lambda: os.chmod(path, 0o666), lambda: os.chmod(path, 0o644), "chmod go-w"),
                             (lambda: os.chown(path, 65534, -1), lambda: os.chown(path, 0, -1), "give it to root")):
        spoil()
        answer = whoami(home, {**home.env, **aws.environment()})
        assert not answer.get("provider") and path in json.dumps(answer) and fix in json.dumps(answer), answer
        assert not os.path.exists(ran)
        mend()
    whoami(home, {**home.env, **aws.environment()})
    assert os.path.exists(ran)


def test_mfa_is_refused_with_the_way_out(aws, home):
    home.write(".aws/config", f"[default]\nrole_arn = {ROLE}app\nsource_profile = base\nmfa_serial = arn:aws:iam::1:mfa/me\n")
    home.write(".aws/credentials", BASE)
    answer = whoami(home, {**home.env, **aws.environment()})
    assert "mfa_serial" in answer["tried"][-1]["reason"] and "export-credentials" in answer["fix"], answer


def test_a_program_without_its_path_is_refused_with_the_fix(aws, home):
    home.write(".aws/config", "[default]\ncredential_process = keys\n")
    answer = whoami(home, {**home.env, **aws.environment()})
    assert "command -v" in answer["fix"], answer


@pytest.fixture(scope="module")
def moto(pki):
    """moto's STS and IAM over TLS; after five calls it checks every signature and policy."""
    leaf = pki.leaf("good")
    port = free_port()
    program = os.path.join(os.path.dirname(sys.executable), "moto_server")
    if not os.access(program, os.X_OK):
        pytest.skip("moto is not installed")
    process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port), "-s", "-c", leaf.certificate, "-k", leaf.key],
                               env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "5"}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGTERM))
    context = ssl.create_default_context(cafile=os.path.join(pki.folder, "ca.crt"))
    url = f"https://127.0.0.1:{port}"

    def answers():
        try:
            return urllib.request.urlopen(url + "/moto-api/", context=context, timeout=2).status == 200
        except OSError:
            return False
    try:
        wait_for(answers, 30)
        yield url
    finally:
        stop(process)


def test_moto_checks_the_signatures_of_a_role_and_of_whoami(moto, home, pki):
    ca = os.path.join(pki.folder, "ca.crt")
    client = botocore_session.get_session().create_client("iam", region_name="eu-west-1", endpoint_url=moto, verify=ca,
                                                          aws_access_key_id="x", aws_secret_access_key="x")
    allow = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]})
    trust = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                                                                "Action": "sts:AssumeRole"}]})
    client.create_user(UserName="me")
    key = client.create_access_key(UserName="me")["AccessKey"]
    client.put_user_policy(UserName="me", PolicyName="sts", PolicyDocument=allow)
    role = client.create_role(RoleName="app", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    client.put_role_policy(RoleName="app", PolicyName="sts", PolicyDocument=allow)

    base = f"[base]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = "
    home.write(".aws/config", f"[profile app]\nrole_arn = {role}\nsource_profile = base\nrole_session_name = tester\n")
    home.write(".aws/credentials", base + key["SecretAccessKey"] + "\n")
    env = {**home.env, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": moto}
    answer = whoami(home, {**env, "AWS_PROFILE": "base"})
    assert answer["identity"].endswith(":user/me"), answer
    answer = whoami(home, {**env, "AWS_PROFILE": "app"})
    assert answer["identity"].endswith(":assumed-role/app/tester") and answer["expires"], answer
    home.write(".aws/credentials", base + "wrong\n")
    answer = whoami(home, {**env, "AWS_PROFILE": "app"})
    assert "SignatureDoesNotMatch" in answer["tried"][-1]["reason"] and "secret access key" in answer["fix"], answer
    run = Run(home.folder, ["whoami", "aws"], {**env, "AWS_PROFILE": "base"}).wait(40)
    assert run.code == 1 and re.search("^aws +refused +profile base", run.stdout, re.M), run.output
    assert whoami(home, {**env, "AWS_PROFILE": "base"})["refused"]
