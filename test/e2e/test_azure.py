"""azure-kv: and azure-entra: against our Azure, which the vendor's clients have accepted (test_azure_identity.py), and a real PostgreSQL
that checks tokens by LDAP."""

import contextlib
import json
import os
import re
import subprocess
import threading
import time

import pytest

from conftest import require_module

require_module("jwt")
require_module("cryptography")

from harness.azure_world import PERSON, azure, entra_pg, env_of, ldap, own_names  # noqa: E402, F401
from harness.children import environment, psql, read_environment  # noqa: E402
from harness.fake_azure import CLIENT, ENTRA_USER, TENANT, VAULTS  # noqa: E402
from harness.sallyport import reference  # noqa: E402
from harness.service import Service  # noqa: E402
from test_azure_identity import arc_inside, rsa_certificate  # noqa: E402

WHO = "SELECT current_user"


def given(url):
    """On the command line: the environment alone sends a token to Azure's own database hosts and nowhere else."""
    return ["-e", "DATABASE_URL=" + url]


@pytest.fixture
def url(pg, pki):
    def make(source="azure-entra:", **changes):
        attributes = {"engine": "postgresql", "host": "localhost", "port": pg.port, "dbname": "app", "sslrootcert": pki.ca, **changes}
        return reference(source, **{k: v for k, v in attributes.items() if v is not None})
    return make


@pytest.fixture
def entra_url(url):
    return lambda **changes: url(**{"user": ENTRA_USER, **changes})


# ---- tokens as passwords -------------------------------------------------------------------------


def test_a_token_logs_in(sallyport, azure, pki, entra_pg, ldap, entra_url):
    run = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, "secret")).ok()
    assert run.stdout == ENTRA_USER + "\n"
    assert azure.mints == 1 and [good for _, _, good in ldap.binds] == [True] * len(ldap.binds) and ldap.binds
    sallyport.assert_no_canary(azure.clients[CLIENT]["secret"])


def test_the_environment_alone_sends_no_token_to_another_host(sallyport, azure, pki, entra_pg, entra_url):
    for url in (entra_url(), "azure-entra:?engine=postgresql&host=shop.postgres.database.azure.com&user=x&dbname=app"
                             "&scope=https://vault.azure.net/.default"):
        refused = sallyport.exec(psql(WHO), url, env=env_of(azure, pki, "secret"))
        assert refused.code == 125 and "environment alone" in refused.stderr and azure.mints == 0, refused.output


@pytest.mark.parametrize("agent", ["app-service", "cloud-shell"])
def test_the_token_of_an_agent_logs_in(sallyport, azure, pki, entra_pg, entra_url, agent):
    run = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, agent)).ok()
    assert run.stdout == ENTRA_USER + "\n" and azure.mints == 1


def test_imds_logs_in(sallyport, azure, pki, entra_pg, entra_url):
    """Its address is link-local elsewhere: a test's on this machine has to be allowed, which the environment alone may not do."""
    url = entra_url(insecure_reason="a test", client_id=azure.identities[0]["client_id"])
    run = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={url}"], env=env_of(azure, pki, "imds")).ok()
    assert run.stdout == ENTRA_USER + "\n"
    first, second = [path for _, path, _ in azure.asked]
    assert "resource" not in first and f"&client_id={azure.identities[0]['client_id']}" in second
    refused = sallyport.exec(psql(WHO), url, env=env_of(azure, pki, "imds"))
    assert refused.code == 125 and "insecure_reason" in refused.stderr


def test_arc_logs_in_with_the_key_that_its_agent_names(sallyport, azure, pki, entra_pg, entra_url, tmp_path):
    run = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, "arc"), inside=arc_inside(tmp_path)).ok()
    assert run.stdout == ENTRA_USER + "\n"
    azure.arc_realm = "/etc/passwd"
    refused = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, "arc"), inside=arc_inside(tmp_path))
    assert refused.code == 125 and "no .key file in /var/opt/azcmagent/tokens/" in refused.stderr


def test_a_certificate_logs_in(sallyport, azure, pki, entra_pg, entra_url, tmp_path):
    path, azure.clients[CLIENT]["certificate"] = rsa_certificate(str(tmp_path))
    os.chmod(path, 0o600)
    env = env_of(azure, pki, AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT, AZURE_CLIENT_CERTIFICATE_PATH=path)
    assert sallyport.exec(psql(WHO), flags=given(entra_url()), env=env).ok().stdout == ENTRA_USER + "\n"
    assert len(azure.assertions) == 1
    os.chmod(path, 0o644)
    refused = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env)
    assert refused.code == 125 and path in refused.stderr


@pytest.mark.parametrize("skew", [600, -600])
def test_an_assertion_of_a_wrong_clock_is_made_again_with_azures_time(sallyport, azure, pki, tmp_path, skew):
    path, azure.clients[CLIENT]["certificate"] = rsa_certificate(str(tmp_path))
    os.chmod(path, 0o600)
    azure.skew = skew
    env = env_of(azure, pki, AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT, AZURE_CLIENT_CERTIFICATE_PATH=path)
    token = json.loads(sallyport.run("token", "azure", "--format", "json", env=env).ok().stdout)
    left = time.mktime(time.strptime(token["expires"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.gmtime())
    assert 3580 < left <= 3601, "its life is not shorter or longer for the clock"


def test_a_federated_token_logs_in(sallyport, azure, pki, entra_pg, entra_url, tmp_path):
    path = tmp_path / "federated"
    path.write_text(azure.federated_token() + "\n")
    path.chmod(0o600)
    env = env_of(azure, pki, AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT, AZURE_FEDERATED_TOKEN_FILE=str(path))
    assert sallyport.exec(psql(WHO), flags=given(entra_url()), env=env).ok().stdout == ENTRA_USER + "\n"
    path.write_text(azure.federated_token(subject="system:serviceaccount:other:app"))
    refused = sallyport.exec(psql(WHO), flags=given(entra_url()), env=env)
    assert refused.code == 125 and "AADSTS700213" in refused.stderr and "az identity federated-credential list" in refused.stderr


def az(folder, azure, body):
    path = os.path.join(folder, "az")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\necho \"$@\" > {folder}/az.asked\n{body}\n")
    os.chmod(path, 0o755)
    return path


def test_the_azure_cli_logs_in_as_a_person(sallyport, azure, pki, entra_pg, url):
    azure.person = PERSON
    token = azure.mint(CLIENT, "https://ossrdbms-aad.database.windows.net")
    reply = json.dumps({"accessToken": token, "expiresOn": "2026-11-30 10:00:00.000000", "expires_on": int(time.time()) + 3000,
                        "tokenType": "Bearer"})
    path = az(sallyport.folder, azure, f"echo '{reply}'")
    source = url(user=None, credential="dev", az_path=path)
    run = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={source}"], env=env_of(azure, pki)).ok()
    assert run.stdout == PERSON + "\n", "the user is the token's own"
    with open(os.path.join(sallyport.folder, "az.asked"), encoding="ascii") as file:
        assert file.read() == "account get-access-token --output json --scope https://ossrdbms-aad.database.windows.net/.default\n"
    refused = sallyport.exec(psql(WHO), source, env=env_of(azure, pki))
    assert refused.code == 125 and "az_path" in refused.stderr, "the environment alone starts no program"
    az(sallyport.folder, azure, "exit 1")
    refused = sallyport.exec(psql(WHO), flags=["-e", f"DATABASE_URL={source}"], env=env_of(azure, pki))
    assert refused.code == 125 and "az login" in refused.stderr


def test_an_application_has_to_be_told_its_name(sallyport, azure, pki, entra_pg, entra_url):
    refused = sallyport.exec(psql(WHO), flags=given(entra_url(user=None)), env=env_of(azure, pki, "secret"))
    assert refused.code == 125 and "user=NAME" in refused.stderr and CLIENT in refused.stderr


def test_tokens_of_seven_kilobytes(sallyport, azure, pki, entra_pg, ldap, entra_url):
    azure.padding = 7000
    assert sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, "secret")).ok().stdout == ENTRA_USER + "\n"
    assert ldap.binds and all(good and size > 7000 for _, size, good in ldap.binds)


def test_a_token_of_another_user_is_refused_by_the_database(sallyport, azure, pki, entra_pg, ldap, url):
    run = sallyport.exec(psql(WHO), flags=given(url(user=PERSON)), env=env_of(azure, pki, "secret"))
    assert run.code != 0 and ldap.binds and not any(good for _, _, good in ldap.binds)
    assert azure.mints <= 3, "a refusal is no reason for a storm"


def test_what_says_who_we_are_is_not_handed_on(sallyport, azure, pki, entra_pg, entra_url):
    env = env_of(azure, pki, "secret", IDENTITY_HEADER="left")
    run = sallyport.exec(environment(), flags=given(entra_url()), env=env).ok()
    inside = read_environment(run)
    assert not {"AZURE_CLIENT_SECRET", "IDENTITY_HEADER"} & set(inside) and inside["AZURE_TENANT_ID"] == TENANT
    sallyport.assert_no_canary(azure.clients[CLIENT]["secret"])


def figures(text):
    return (int(re.search(r"actually processed: (\d+)", text).group(1)),
            int(re.search(r"failed transactions: (\d+)", text).group(1)))


@pytest.mark.alone
def test_no_transaction_fails_while_tokens_live_for_five_seconds(sallyport, azure, pki, entra_pg, entra_url, ldap):
    azure.life, azure.padding = 5, 7000
    seconds = 20
    run = sallyport.exec(["pgbench", "-n", "-C", "-c", "8", "-T", str(seconds), "-f", one_query(sallyport)], flags=given(entra_url()),
                         env=env_of(azure, pki, "secret"), seconds=90).ok()
    done, failed = figures(run.stdout)
    assert failed == 0 and done > 100
    # On a busy machine a token can end on its way to the database: that login is made again with the next one.
    assert sum(not good for _, _, good in ldap.binds) <= 2
    # Refreshed at 85 % of the four seconds that are certain: one each 3.4 s, and one at the start.
    assert seconds / 5 <= azure.mints <= seconds / 3 + 3, (azure.mints, azure.asked, run.stderr)


def one_query(sallyport):
    path = os.path.join(sallyport.folder, "one.sql")
    with open(path, "w", encoding="ascii") as file:
        file.write("SELECT 1;\n")
    return path


@pytest.mark.alone
def test_three_hundred_clients_do_not_cause_three_hundred_tokens(sallyport, azure, pki, entra_pg, ldap):
    azure.padding = 7000
    service = Service(sallyport, entra_pg, pki, "azure-entra:", user=ENTRA_USER, extra_target="    pool: {mode: session, max: 350}")
    service.start(env=env_of(azure, pki, "secret"))
    try:
        clients = []
        errors = []
        ready = threading.Barrier(300)

        def connect():
            import psycopg
            ready.wait(30)
            try:
                clients.append(psycopg.connect(host=service.directory, port=service.port, user=ENTRA_USER, dbname="app", connect_timeout=60))
            except psycopg.Error as error:
                errors.append(error)
        threads = [threading.Thread(target=connect) for _ in range(300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        assert not errors, errors[0]
        assert len(clients) == 300 and azure.mints == 1, azure.mints
        for client in clients:
            with contextlib.suppress(Exception):
                client.close()
    finally:
        service.stop()


# ---- what goes wrong at the service --------------------------------------------------------------


@pytest.mark.parametrize("trouble, words, code", [
    (("token", 401), "status 401", 2), (("token", 429), None, 0), (("token", 503), None, 0), (("token", "closed"), None, 0),
    (("token", "garbage"), "is no JSON object", 2), (("token", "cut"), None, 0), (("token", "huge"), "1048576 bytes", 2),
    (("token", "redirect https://evil.example/steal"), "redirects (status 302) to evil.example", 2), (("token", "slow 2"), None, 0)],
    ids=["401", "429", "503", "closed", "garbage", "cut", "huge", "redirect", "slow"])
def test_trouble_at_the_token_endpoint(sallyport, azure, pki, trouble, words, code):
    azure.trouble = [trouble]
    run = sallyport.run("token", "azure", env=env_of(azure, pki, "secret"))
    assert run.code == code, run.output
    assert words is None or words in run.stderr, run.stderr
    assert azure.clients[CLIENT]["secret"] not in run.output
    assert code or azure.claims(run.stdout.strip(), "https://ossrdbms-aad.database.windows.net")


def test_a_token_that_expires_during_the_login_is_replaced(sallyport, azure, pki, entra_pg, ldap, entra_url):
    """The first bind comes too late: the database refuses, and a new token is asked for."""
    check, late = ldap.check, []

    def slow(dn, password):
        if not late:
            late.append(password)
            azure.revoked.add(password)
        return check(dn, password)
    ldap.check = slow
    assert sallyport.exec(psql(WHO), flags=given(entra_url()), env=env_of(azure, pki, "secret")).ok().stdout == ENTRA_USER + "\n"
    assert azure.mints == 2


# ---- secrets of a vault --------------------------------------------------------------------------


@pytest.fixture
def vault(azure, pki):
    """(address of DATABASE_URL's source, variables): a vault at an address that is written into the reference."""
    return f"azure-kv:my-vault/db?vault_url={azure.https}&ca_file={pki.ca}", azure.environment("secret")


def exec_with(sallyport, source, pg, pki, env, command=None):
    target = f"{source}{'&' if '?' in source else '?'}engine=postgresql&host=localhost&port={pg.port}&dbname=app&sslrootcert={pki.ca}"
    return sallyport.exec(command or psql(WHO), flags=["-e", f"DATABASE_URL={target}"], env={**env, "REQUESTS_CA_BUNDLE": pki.ca})


@pytest.mark.parametrize("value", ['{{"username":"app","password":"{}"}}', "postgresql://app:{}@elsewhere:1/x?sslmode=disable"])
def test_a_secret_of_a_vault_logs_in(sallyport, azure, pki, pg, secret, vault, value):
    quoted = secret if value[0] == "{" else "".join(f"%{byte:02X}" for byte in secret.encode())
    azure.put("db", value.format(quoted))
    run = exec_with(sallyport, vault[0], pg, pki, vault[1]).ok()
    assert run.stdout == "app\n"
    assert [authorised for _, path, authorised in azure.asked if path.startswith("/secrets/")] == [False, True]
    assert azure.mints == 1
    sallyport.assert_no_canary(secret)


def test_resolve_says_which_version_of_which_vault(sallyport, azure, pki, secret, vault):
    first = azure.put("db", "old")
    second = azure.put("db", json.dumps({"username": "app", "password": secret}))
    env = {**vault[1], "REQUESTS_CA_BUNDLE": pki.ca}
    told = json.loads(sallyport.run("resolve", vault[0], "--format", "json", env=env).ok().stdout)
    assert told["user"] == "app" and told["version"] == second
    old = json.loads(sallyport.run("resolve", vault[0].replace("/db", "/db/" + first), "--format", "json", env=env).ok().stdout)
    assert old["version"] == first
    sallyport.assert_no_canary(secret)


@pytest.mark.parametrize("what, words", [
    ("absent", "az keyvault secret list --vault-name my-vault"), ("deleted", "az keyvault secret recover --vault-name my-vault --name db"),
    ("disabled", "az keyvault secret set-attributes --vault-name my-vault --name db --enabled true"),
    ("forbidden", "Key Vault Secrets User"), ("firewall", "az keyvault network-rule add"),
    ("elsewhere", "management.azure.com"), ("redirect", "evil.example"), ("version", "az keyvault secret list-versions")])
def test_a_vaults_refusals_say_how_to_mend_them(sallyport, azure, pki, secret, vault, what, words):
    source = vault[0]
    if what != "absent":
        azure.put("db", secret)
    if what == "deleted":
        azure.delete("db")
    elif what == "disabled":
        azure.secrets["db"][-1]["enabled"] = False
    elif what == "forbidden":
        azure.readers = set()
    elif what == "firewall":
        azure.vault_refuses = "ForbiddenByFirewall"
    elif what == "elsewhere":
        azure.challenge = f'Bearer authorization="{azure.https}/{TENANT}", resource="https://management.azure.com"'
    elif what == "redirect":
        azure.trouble = [("/secrets/db", "redirect https://evil.example/")]
    elif what == "version":
        source = source.replace("/db", "/db/" + "0" * 32)
    run = sallyport.run("resolve", source, env={**vault[1], "REQUESTS_CA_BUNDLE": pki.ca})
    assert run.code != 0 and words in run.stderr, run.stderr
    assert azure.mints == (0 if what in ("elsewhere", "redirect") else 1)
    sallyport.assert_no_canary(secret)


def test_a_token_that_the_vault_no_longer_takes_is_replaced_once(sallyport, azure, pki, vault):
    azure.put("db", "x")
    challenge = ("WWW-Authenticate", f'Bearer authorization="{azure.https}/{TENANT}", resource="{VAULTS}"')
    azure.trouble = [("/secrets/db", (401, [challenge])), ("/secrets/db", (401, [challenge]))]
    sallyport.run("resolve", vault[0], env={**vault[1], "REQUESTS_CA_BUNDLE": pki.ca}).ok()
    assert azure.mints == 2


def test_the_environment_alone_chooses_no_vaults_address(sallyport, azure, pki, vault):
    for attribute in ("vault_url=" + azure.https, "ca_file=" + pki.ca, "authority=" + azure.https):
        run = sallyport.exec(psql(WHO), f"azure-kv:my-vault/db?{attribute}&host=localhost", env=vault[1])
        assert run.code == 125 and attribute.split("=")[0] in run.stderr
    assert not azure.asked


def test_azures_own_names(sallyport, azure, pki, pg, secret, names, own_names):
    """No address of ours anywhere, and a bare reference."""
    azure.put("db-connection", json.dumps({"username": "app", "password": secret}))
    url = reference("azure-kv:my-vault/db-connection", engine="postgresql", host="127.0.0.1", port=pg.port, dbname="app", sslrootcert=pki.ca)
    assert sallyport.exec(psql(WHO), url, env=own_names, inside=names.inside).ok().stdout == "app\n"
    azure.challenge = 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://evil.vault.azure.net"'
    mints = azure.mints
    refused = sallyport.exec(psql(WHO), url, env=own_names, inside=names.inside)
    assert refused.code == 125 and "no token is sent" in refused.stderr and azure.mints == mints


# ---- commands ------------------------------------------------------------------------------------


def test_token_prints_one_for_other_tools(sallyport, azure, pki, entra_pg):
    token = sallyport.run("token", "azure", env=env_of(azure, pki, "secret")).ok().stdout.strip()
    done = subprocess.run(["psql", "-XAtqc", WHO, f"host=localhost port={entra_pg.port} user={ENTRA_USER} dbname=app sslmode=verify-full "
                           f"sslrootcert={pki.ca}"], env={**os.environ, "PGPASSWORD": token}, capture_output=True, text=True, check=False)
    assert done.stdout == ENTRA_USER + "\n", done.stderr
    other = sallyport.run("token", "azure", "--scope", "https://database.windows.net", env=env_of(azure, pki, "secret")).ok().stdout.strip()
    assert azure.claims(other, "https://database.windows.net")


def test_whoami_says_who_won_and_why_the_others_did_not(sallyport, azure, pki):
    run = sallyport.run("whoami", "azure", "--format", "json", env=env_of(azure, pki, "app-service")).ok()
    [who] = json.loads(run.stdout)
    assert who["provider"] == "managed identity (App Service)" and azure.system_assigned in who["identity"]
    assert [one["provider"] for one in who["tried"]] == ["environment", "workload identity"]
    azure.trouble = [("token", 401)]
    wrong = sallyport.run("whoami", "azure", env=env_of(azure, pki, "secret"))
    assert wrong.code == 1 and "nobody" in wrong.stdout and "environment (client secret)" in wrong.stdout


def test_nobody_is_told_with_all_that_was_tried(sallyport, azure, pki, entra_url):
    run = sallyport.exec(psql(WHO), flags=given(entra_url()), env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": "https://127.0.0.1:1"})
    assert run.code == 125
    for words in ("environment:", "workload identity:", "managed identity (IMDS):", "Azure CLI:", "az login"):
        assert words in run.stderr, run.stderr
