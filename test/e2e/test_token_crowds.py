"""Tokens that live 5 s, 300 clients: no transaction fails, and tokens are as many as the time needs, whatever the number of
clients. (RDS has its own in test_aws_rds.py.)"""

import pytest

from conftest import require_module

require_module("cryptography")

from harness import crowd    # noqa: E402
from harness.azure_world import azure, entra_pg, env_of, ldap    # noqa: E402, F401
from harness.fake_azure import ENTRA_USER    # noqa: E402
from harness.gcp_world import USER, checked_pg, credentials, gcp, user    # noqa: E402, F401
from harness.service import Service    # noqa: E402

SECONDS = 20
pytestmark = pytest.mark.alone


def test_of_entra(sallyport, azure, entra_pg, ldap, pki, tables, figures):    # noqa: F811
    azure.life, azure.padding = 5, 7000
    entra_pg.sql(f'GRANT app_owner TO "{ENTRA_USER}"')
    service = Service(sallyport, entra_pg, pki, "azure-entra:", user=ENTRA_USER, extra_target=crowd.POOL)
    done, failed = crowd.run(service, env_of(azure, pki, "secret"), SECONDS)
    logins, refused = len(ldap.binds), sum(not good for _, _, good in ldap.binds)
    figures(f"{done} transactions, {failed} failed; {logins} logins with {azure.mints} tokens, {refused} refused")
    assert failed == 0 and done > 1000 and logins > 40 and refused <= 2
    assert azure.mints <= SECONDS // 3 + 3


def test_of_cloud_sql_by_its_host(sallyport, gcp, checked_pg, pki, tables, figures):    # noqa: F811
    gcp.life = 5
    checked_pg.sql(f'GRANT app_owner TO "{USER}"')
    service = Service(sallyport, checked_pg, pki, "gcp-cloudsql-iam:?insecure_reason=test", user=None, extra_target=crowd.POOL)
    done, failed = crowd.run(service, credentials(sallyport, gcp.service_account()), SECONDS)
    figures(f"{done} transactions, {failed} failed; {gcp.count('token')} tokens")
    assert failed == 0 and done > 1000
    assert gcp.count("token") <= SECONDS // 3 + 3
