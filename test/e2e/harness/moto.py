"""moto's Secrets Manager, Parameter Store and IAM over TLS, with signatures and policies enforced once `enforce` was called."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request

import botocore.session

from .processes import die_with_parent, free_port, stop, wait_for

REGION = "eu-west-1"


def program():
    path = os.path.join(os.path.dirname(sys.executable), "moto_server")
    return path if os.access(path, os.X_OK) else None


def allow(*actions, resource="*"):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]}


class Moto:
    """The first calls are free (see test-servers' recipe): users are made with them, then every signature and policy counts."""

    def __init__(self, folder, pki, users):
        """`users`: name -> policy document. Their keys: keys(name)."""
        leaf = pki.leaf("good")
        self.ca = pki.ca
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self._log = open(os.path.join(folder, "moto.log"), "ab")
        self._process = subprocess.Popen(
            [program(), "-H", "127.0.0.1", "-p", str(self.port), "-s", "-c", leaf.certificate, "-k", leaf.key],
            env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(3 * len(users))}, stdout=self._log, stderr=self._log,
            preexec_fn=die_with_parent(signal.SIGTERM))
        wait_for(self._answers, "moto to answer", 60)
        self._keys = {}
        iam = self.client("iam", {"AccessKeyId": "x", "SecretAccessKey": "x"})
        for name, policy in users.items():
            iam.create_user(UserName=name)
            self._keys[name] = iam.create_access_key(UserName=name)["AccessKey"]
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))

    def client(self, service, keys):
        """botocore's, with these keys or those of a user."""
        keys = self._keys[keys] if isinstance(keys, str) else keys
        return botocore.session.get_session().create_client(
            service, region_name=REGION, endpoint_url=self.url, verify=self.ca, aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"])

    def keys(self, user):
        return self._keys[user]["AccessKeyId"], self._keys[user]["SecretAccessKey"]

    def environment(self, user, **more):
        """Variables with which an AWS client acts as this user here."""
        key, secret = self.keys(user)
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": self.url,
                "AWS_CA_BUNDLE": self.ca, "AWS_EC2_METADATA_DISABLED": "true", **more}

    def close(self):
        stop(self._process)
        self._log.close()

    def _answers(self):
        if self._process.poll() is not None:
            raise RuntimeError("moto did not start")
        context = ssl.create_default_context(cafile=self.ca)
        try:
            return urllib.request.urlopen(self.url + "/moto-api/", context=context, timeout=2).status == 200
        except OSError:
            return False
