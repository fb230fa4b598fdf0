"""The vendor's own clients against our Azure: what they accept and refuse there is what Sallyport meets in test_azure.py."""

import datetime
import os
import subprocess
import sys

import pytest

from conftest import require, require_module

identity = require_module("azure.identity")
keyvault = require_module("azure.keyvault.secrets")
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError  # noqa: E402

from harness.fake_azure import ARC_KEYS, CLIENT, DATABASES, TENANT, FakeAzure  # noqa: E402

SCOPE = DATABASES + "/.default"
VARIABLES = ("AZURE_AUTHORITY_HOST", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
             "IMDS_ENDPOINT", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE",
             "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_TOKEN_CREDENTIALS")


@pytest.fixture
def azure(pki, tmp_path, monkeypatch):
    leaf = pki.leaf("good")
    it = FakeAzure(leaf.certificate, leaf.key, str(tmp_path))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", pki.ca)
    yield it
    it.close()


def good(azure, token, client=CLIENT):
    claims = azure.claims(token.token, DATABASES)
    assert claims and claims["appid"] == client
    assert abs(token.expires_on - claims["exp"]) <= 3
    return True


def test_a_client_secret(azure):
    known = azure.clients[CLIENT]["secret"]
    make = lambda secret, tenant=TENANT: identity.ClientSecretCredential(    # noqa: E731
        tenant, CLIENT, secret, authority=azure.https, disable_instance_discovery=True)
    assert good(azure, make(known).get_token(SCOPE))
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        make("wrong").get_token(SCOPE)


def rsa_certificate(folder):
    path = os.path.join(folder, "sp.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path, "-out", path + ".crt", "-days", "30",
                    "-subj", "/CN=app"], check=True, capture_output=True)
    with open(path, "a", encoding="ascii") as file, open(path + ".crt", encoding="ascii") as certificate:
        file.write(certificate.read())
    with open(path + ".crt", "rb") as file:
        return path, file.read()


def test_a_client_certificate(azure, tmp_path):
    path, certificate = rsa_certificate(str(tmp_path))
    make = lambda: identity.CertificateCredential(TENANT, CLIENT, path, authority=azure.https,    # noqa: E731
                                                  disable_instance_discovery=True)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        make().get_token(SCOPE)
    azure.clients[CLIENT]["certificate"] = certificate
    assert good(azure, make().get_token(SCOPE))


def test_workload_identity(azure, tmp_path):
    path = tmp_path / "token"
    make = lambda: identity.WorkloadIdentityCredential(tenant_id=TENANT, client_id=CLIENT, token_file_path=str(path),    # noqa: E731
                                                       authority=azure.https, disable_instance_discovery=True)
    path.write_text(azure.federated_token())
    assert good(azure, make().get_token(SCOPE))
    for token, number in ((azure.federated_token(subject="system:serviceaccount:other:app"), "700213"),
                          (azure.federated_token(audience="api://other"), "700212"), (azure.federated_token(seconds=-5), "700024")):
        path.write_text(token)
        with pytest.raises(ClientAuthenticationError, match="AADSTS" + number):
            make().get_token(SCOPE)


@pytest.mark.parametrize("agent", ["imds", "app-service", "cloud-shell"])
def test_managed_identity(azure, monkeypatch, agent):
    for name, value in azure.environment(agent).items():
        monkeypatch.setenv(name, value)
    assert good(azure, identity.ManagedIdentityCredential().get_token(SCOPE), azure.system_assigned)


@pytest.mark.parametrize("agent", ["imds", "app-service"])
def test_a_chosen_managed_identity(azure, monkeypatch, agent):
    for name, value in azure.environment(agent).items():
        monkeypatch.setenv(name, value)
    [one] = azure.identities
    for how in ({"client_id": one["client_id"]}, {"identity_config": {"object_id": one["object_id"]}},
                {"identity_config": {"resource_id": one["msi_res_id"]}}):
        assert good(azure, identity.ManagedIdentityCredential(**how).get_token(SCOPE), one["client_id"])
    with pytest.raises(ClientAuthenticationError):
        identity.ManagedIdentityCredential(client_id="not-here").get_token(SCOPE)


ARC = f"""
import azure.identity, sys
token = azure.identity.ManagedIdentityCredential().get_token("{SCOPE}")
print(token.token)
"""


def arc_inside(folder):
    """The agent's directory as a mount of our own: words before a command."""
    require(os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0, "mount namespaces", ci_too=False)
    return ("unshare", "-m", "sh", "-c", f'mkdir -p /var/opt && mount -t tmpfs none /var/opt && mkdir -p {ARC_KEYS} && '
            f'mount --bind {folder} {ARC_KEYS} && exec "$@"', "sh")


def test_arc(azure, tmp_path):
    run = lambda: subprocess.run([*arc_inside(tmp_path), sys.executable, "-c", ARC], env={**os.environ, **azure.environment("arc")},    # noqa: E731
                                 capture_output=True, text=True, check=False)
    token = run()
    assert token.returncode == 0, token.stderr
    assert azure.claims(token.stdout.strip(), DATABASES)["appid"] == azure.system_assigned
    azure.arc_realm = "/etc/shadow"
    assert run().returncode != 0


def test_the_chain_takes_the_environment_first_and_then_the_agent(azure, monkeypatch):
    for name, value in azure.environment("secret", "app-service").items():
        monkeypatch.setenv(name, value)
    assert good(azure, identity.DefaultAzureCredential(disable_instance_discovery=True).get_token(SCOPE))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.delenv("AZURE_CLIENT_ID")
    assert good(azure, identity.DefaultAzureCredential(disable_instance_discovery=True).get_token(SCOPE), azure.system_assigned)


def test_key_vault(azure):
    credential = identity.ClientSecretCredential(TENANT, CLIENT, azure.clients[CLIENT]["secret"], authority=azure.https,
                                                 disable_instance_discovery=True)
    client = keyvault.SecretClient(azure.https, credential, verify_challenge_resource=False)
    first = azure.put("db", "one")
    azure.put("db", "two")
    assert client.get_secret("db").value == "two" and client.get_secret("db", first).value == "one"
    assert not azure.asked[0][2], "the first request carries no token"
    with pytest.raises(ResourceNotFoundError, match="SecretNotFound"):
        client.get_secret("absent")
    azure.secrets["db"][-1]["enabled"] = False
    with pytest.raises(HttpResponseError) as disabled:
        client.get_secret("db")
    assert disabled.value.status_code == 403 and disabled.value.error.innererror["code"] == "SecretDisabled"
    azure.delete("db")
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("db")
    deleted = client.get_deleted_secret("db")
    assert deleted.deleted_date - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(minutes=1)
    azure.secrets["db"][-1]["enabled"] = True
    azure.deleted.clear()
    azure.readers = set()
    with pytest.raises(HttpResponseError) as forbidden:
        client.get_secret("db")
    assert forbidden.value.status_code == 403


def test_key_vault_sends_no_token_to_a_host_that_is_not_below_the_resource(azure):
    credential = identity.ClientSecretCredential(TENANT, CLIENT, azure.clients[CLIENT]["secret"], authority=azure.https,
                                                 disable_instance_discovery=True)
    client = keyvault.SecretClient(azure.https, credential)
    with pytest.raises(ValueError, match="does not match the requested domain"):
        client.get_secret("db")
    assert azure.mints == 0
