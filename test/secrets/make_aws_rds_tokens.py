"""Writes aws_rds_tokens.json: tokens of botocore's generate_db_auth_token at frozen times, for the awkward of everything.

Run with botocore 1.44.5:  python make_aws_rds_tokens.py > aws_rds_tokens.json
"""

import datetime
import itertools
import json
from unittest import mock

import botocore.auth
import botocore.session

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKENS = ["", "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22w==", "a+b/c=" * 300]
HOSTS = [
    ("db.c1a2b3.eu-west-1.rds.amazonaws.com", "eu-west-1"), ("app.cluster-ro-c1a2b3.us-east-1.rds.amazonaws.com", "us-east-1"),
    ("db.c1a2b3.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"), ("db.c1a2b3.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
    ("db.c1a2b3.us-iso-east-1.rds.c2s.ic.gov", "us-iso-east-1"), ("db.internal.example", "ap-southeast-2"), ("localhost", "eu-west-1"),
]
PORTS = [5432, 3306, 443, 65535]
USERS = ["app_user", "o'brien", "jane doe", "a+b", "x@example.com", "grüße", "データ", "%41", "a/b?c=d&e", "~-._", "\U0001F512"]
TIMES = [datetime.datetime(2026, 1, 2, 3, 4, 5), datetime.datetime(2016, 11, 7, 17, 39, 33), datetime.datetime(2028, 2, 29, 23, 59, 59)]


def token(host, port, user, region, session_token, at):
    session = botocore.session.get_session()
    session.set_credentials("AKIDEXAMPLE", SECRET, session_token or None)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: at):
        return client(session, region).generate_db_auth_token(host, port, user)


def client(session, region):
    return session.create_client("rds", region_name=region)


def main():
    rows = []
    # Every host with every port, and every user with every session token, each at some time.
    cases = [(host, port, USERS[0], TOKENS[0]) for host, port in itertools.product(HOSTS, PORTS)]
    cases += [(HOSTS[0], PORTS[0], user, session) for user, session in itertools.product(USERS, TOKENS)]
    for number, ((host, region), port, user, session) in enumerate(cases):
        at = TIMES[number % len(TIMES)]
        rows.append({"host": host, "region": region, "port": port, "user": user, "session_token": session,
                     "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": token(host, port, user, region, session, at)})
    print("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]")


main()
