"""Instances of Cloud SQL that DNS names: a real name server, the control plane's fake, and Google's own connector beside us."""

import time

import pytest
from google.cloud.sql.connector import Connector
from google.cloud.sql.connector.resolver import DnsResolver
from google.oauth2 import service_account

from conftest import require, require_mount_namespaces
from harness import dnsmasq, fake_cloudsql, fake_gcp
from harness.children import psql
from harness.gcp_world import USER, credentials, gcp, user    # noqa: F401
from harness.service import Service
from test_gcp import WHO, connector_url, given

DB, GREEN = "test-project:europe-west1:db", "test-project:europe-west1:green"
LONG_NOTES = [f"note-{n}-" + "x" * 200 for n in range(15)]


@pytest.fixture
def zone(sallyport):
    require_mount_namespaces()
    require(dnsmasq.program(), "dnsmasq")
    it = dnsmasq.Dnsmasq(sallyport.folder)
    yield it
    it.stop()


@pytest.fixture
def instances(gcp, pg, tmp_path):
    """Two in front of the test server: what arrives at which shows in their `logins`."""
    pg.sql(f'DROP ROLE IF EXISTS "{USER}"; CREATE ROLE "{USER}" LOGIN')
    made = {}
    for name in ("db", "green"):
        made[name] = fake_cloudsql.CloudSql(str(tmp_path), pg, fake_cloudsql.own_address(), instance=name)
        gcp.instances[("test-project", name)] = made[name]
    yield made
    for it in made.values():
        it.close()


@pytest.fixture
def log_in(sallyport, gcp, zone):
    def run(instance="db.test", **changes):
        return sallyport.exec(psql(WHO), flags=given(connector_url(gcp, instance, **changes)),
                              env=credentials(sallyport, gcp.service_account()), inside=zone.inside)
    return run


def test_the_lexically_first_record_that_is_an_instance_is_logged_in_to(gcp, instances, zone, log_in):
    zone.says(db=[GREEN, "a-note", DB, "v=spf1 -all"])
    assert log_in().ok().stdout == USER + "\n"
    assert set(instances["db"].logins) == {USER} and not instances["green"].logins
    assert gcp.count("settings") == 1 and gcp.count("certificate") == 1


def test_googles_connector_goes_to_the_same(gcp, instances, zone):
    zone.says(db=[GREEN, "a-note", DB])

    class OfOurs(DnsResolver):
        def __init__(self, *words, **more):
            super().__init__(*words, configure=False, **more)
            self.nameservers = [zone.address]

    made = service_account.Credentials.from_service_account_info(gcp.service_account(), scopes=[fake_gcp.CLOUD])
    with Connector(credentials=made, sqladmin_api_endpoint=gcp.url, resolver=OfOurs) as connector:
        connector.connect("db.test", "pg8000", user=USER, db="postgres", enable_iam_auth=True).close()
    assert instances["db"].logins == [USER] and not instances["green"].logins


def test_the_domain_in_the_certificate_is_as_good_as_the_instances_name(instances, zone, log_in, tmp_path):
    zone.says(db=[DB])
    instances["db"].present(str(tmp_path), "a certificate authority service", "db.test")
    assert log_in().ok().stdout == USER + "\n"
    instances["db"].present(str(tmp_path), "test-project:other", "other.test")
    before = len(instances["db"].logins)
    assert log_in().code != 0 and len(instances["db"].logins) == before


def test_records_beyond_one_packet_come_over_tcp_and_too_many_are_refused(instances, zone, log_in):
    zone.says(db=[*LONG_NOTES, DB])
    assert log_in().ok().stdout == USER + "\n"
    zone.says(db=[f"note-{n}" for n in range(16)] + [DB])
    refused = log_in()
    assert refused.code != 0 and "db.test has more than 16 TXT records" in refused.stderr.replace(":", ""), refused.output


ADD = 'Add to its zone: db.test. TXT "PROJECT:REGION:INSTANCE"'


@pytest.mark.parametrize("records, words", [
    ({}, ["there is no such name", ADD]),
    ({"db": []}, ["has no TXT record", ADD]),
    ({"db": ["junk", "junk:\x1b[31mjunk", "junk:r:"]}, ["has 3 TXT records, none of which is the name of an instance", ADD]),
    ({"db": ["projects/p/locations/r/clusters/c/instances/i"]}, ["DNS names instances of Cloud SQL alone", "Write the name itself"]),
], ids=["no-name", "no-record", "none-valid", "alloydb"])
def test_what_dns_lacks_is_told_with_what_to_add(gcp, zone, log_in, records, words):
    zone.says(**records)
    run = log_in()
    assert run.code != 0 and "dns" in run.stderr and "db.test" in run.stderr, run.output
    assert all(word in run.stderr for word in words) and "junk" not in run.stderr, run.output
    assert not gcp.calls


def test_a_name_server_that_is_silent_is_given_up(sallyport, gcp, names):
    names.mood = "silent"
    began = time.monotonic()
    run = sallyport.exec(psql(WHO), flags=given(connector_url(gcp, "db.test")), env=credentials(sallyport, gcp.service_account()),
                         inside=names.inside)
    assert run.code != 0 and "dns" in run.stderr and "/etc/resolv.conf" in run.stderr, run.output
    assert time.monotonic() - began < 45 and not gcp.calls


def test_serve_follows_the_record_and_keeps_its_instance_while_dns_fails(sallyport, gcp, pg, pki, instances, zone):
    """Confined, also where the answer takes TCP. About 80 s: the name is looked up each half minute."""
    zone.says(db=[DB, *LONG_NOTES])
    service = Service(sallyport, pg, pki, connector_url(gcp, "db.test").replace("engine=postgresql&dbname=app&", ""), user=None)
    service.start(env=credentials(sallyport, gcp.service_account()), inside=zone.inside)
    try:
        assert service.psql(WHO).stdout == USER + "\n" and instances["db"].logins and not instances["green"].logins
        zone.says(db=[GREEN])
        service.run.until("db.test names another instance now: " + GREEN, seconds=50)
        before = len(instances["db"].logins)
        assert service.psql(WHO).stdout == USER + "\n" and instances["green"].logins and len(instances["db"].logins) == before
        assert gcp.count("certificate") == 2
        zone.stop()
        service.run.until("db.test: .*; the instance that it named last stays in use", seconds=60)
        assert service.psql(WHO).stdout == USER + "\n" and gcp.count("certificate") == 2
    finally:
        service.stop()
