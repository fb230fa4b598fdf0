"""Writes aws_endpoints.json: what botocore's own resolver says of the services that Sallyport asks, for each region it knows.

Run with botocore 1.44.5:  python make_aws_endpoints.py > aws_endpoints.json
"""

import json

import botocore.session
from botocore.config import Config
from botocore.exceptions import EndpointVariantError

SERVICES = ("secretsmanager", "ssm", "sts", "sso")


def regions():
    """Two of each partition, the ones with exceptions of their own, and one that nobody knows yet."""
    session = botocore.session.get_session()
    data = session.get_component("data_loader").load_data("partitions")
    for partition in data["partitions"]:
        yield from [name for name in sorted(partition["regions"]) if not name.endswith("-global")][:3]
    yield from ("eu-west-1", "us-east-1", "us-west-2", "xx-future-9", "ap-southeast-9")


SESSIONS = {}


def session_for(legacy):
    if legacy not in SESSIONS:
        SESSIONS[legacy] = botocore.session.get_session()
        SESSIONS[legacy].set_config_variable("sts_regional_endpoints", "legacy" if legacy else "regional")
    return SESSIONS[legacy]


class Stop(Exception):
    pass


def row(service, region, fips, dual, legacy):
    try:
        client = session_for(legacy).create_client(
            service, region_name=region, aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x",
            config=Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual))
    except EndpointVariantError:    # some partitions have no dual-stack: botocore has no opinion then
        return None
    sent = []

    def look(request, **_):
        sent.append(request)
        raise Stop
    client.meta.events.register("before-send", look)
    try:
        if service == "secretsmanager":
            client.get_secret_value(SecretId="x")
        elif service == "ssm":
            client.get_parameter(Name="x")
        elif service == "sts":
            client.get_caller_identity()
        else:
            client.get_role_credentials(roleName="r", accountId="1", accessToken="t")
    except Stop:
        pass
    authorization = sent[0].headers.get("Authorization", b"")
    if isinstance(authorization, bytes):
        authorization = authorization.decode()
    signed = authorization.split("Credential=")[1].split("/")[2] if authorization else region   # SSO is not signed
    return {"service": service, "region": region, "fips": fips, "dual_stack": dual, "legacy": legacy,
            "host": sent[0].url.split("/")[2], "signing_region": signed}


def main():
    rows = []
    for service in SERVICES:
        for region in dict.fromkeys(regions()):
            for fips in (False, True):
                for dual in (False, True):
                    rows.append(row(service, region, fips, dual, False))
            if service == "sts":
                rows.append(row(service, region, False, False, True))
    rows.append(row("sts", "aws-global", False, False, False))
    print("[\n" + ",\n".join(json.dumps(one) for one in rows if one) + "\n]")


main()
