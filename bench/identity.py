"""Start-up of what prints a token or resolves a reference, beside the vendors' own programs and clients.

Each side does the same job as a process of its own: local credentials in, one token or secret out. Medians of one run on
one machine; what is compared is their ratio. Without the `aws` command its library (botocore) stands in, which is what
that command starts as well. Run by `python bench/identity.py [--runs N]` with the tests' Python.
"""

import argparse
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))

from harness import openbao  # noqa: E402
from harness.sallyport import binary  # noqa: E402

HOST, USER, REGION = "db.abc.eu-west-1.rds.amazonaws.com", "app", "eu-west-1"
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": REGION}
BOTOCORE = f"""
import botocore.session
print(botocore.session.get_session().create_client('rds', region_name='{REGION}').generate_db_auth_token('{HOST}', 5432, '{USER}'))
"""


def milliseconds(command, env, runs):
    """Medians of `runs` runs, each a process that must succeed; the first, which warms caches, does not count."""
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[1:])


def table(rows):
    print(f"{'job':<34} {'program':<34} {'ms':>8} {'ratio':>7}  goal")
    for job, sides in rows:
        ours = sides[0][1]
        for name, taken, *goal in sides:
            print(f"{job:<34} {name:<34} {taken:>8.1f} {taken / ours:>6.1f}x  {goal[0] if goal else ''}".rstrip())


def answer_of(server, runs):
    """What the server takes for the secret, TCP and TLS included, without any program's start."""
    context = ssl.create_default_context(cafile=server.ca)
    taken = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        request = urllib.request.Request(server.address + "/v1/secret/data/bench", headers={"X-Vault-Token": openbao.ROOT_TOKEN})
        with urllib.request.urlopen(request, context=context, timeout=10) as reply:
            reply.read()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[1:])


def token_sides(env, runs):
    aws = {**env, **AWS}
    sides = [("sallyport token aws-rds", milliseconds([binary(), "token", "aws-rds", "--host", HOST, "--user", USER], aws, runs), "20 ms"),
             ("sallyport --version (its start)", milliseconds([binary(), "--version"], aws, runs)),
             ("botocore", milliseconds([sys.executable, "-c", BOTOCORE], aws, max(runs // 4, 3)))]
    command = next((os.path.join(folder, "aws") for folder in env["PATH"].split(":") if os.path.exists(os.path.join(folder, "aws"))), None)
    if command:
        arguments = [command, "rds", "generate-db-auth-token", "--hostname", HOST, "--port", "5432", "--username", USER, "--region", REGION]
        try:
            sides.append(("aws", milliseconds(arguments, aws, max(runs // 4, 3))))
        except subprocess.CalledProcessError as error:
            print(f"aws cannot be run here: {error.stderr.decode(errors='replace').strip()[-200:]}")
    return sides


def secret_sides(env, runs, folder):
    server = openbao.OpenBao(os.path.join(folder, "bao"))
    try:
        server.call("POST", "secret/data/bench", {"data": {"username": "app", "password": "a password"}})
        vault = {**env, **server.environment(openbao.ROOT_TOKEN)}
        bao = {**vault, "BAO_ADDR": vault["VAULT_ADDR"], "BAO_TOKEN": vault["VAULT_TOKEN"]}
        resolve = [binary(), "resolve", "vault:secret/bench", "--allow-root-token"]
        taken, answer = milliseconds(resolve, vault, runs), answer_of(server, runs)
        return [("sallyport resolve", taken),
                ("the server's answer alone", answer),
                ("added by resolve", taken - answer, "5 ms"),
                ("bao kv get", milliseconds([openbao.program(), "kv", "get", "-format=json", "secret/bench"], bao, runs))]
    finally:
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs

    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:
        env = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8"}
        rows = [("RDS token, keys in the environment", token_sides(env, runs))]
        if openbao.program():
            rows.append(("a secret of KV 2", secret_sides(env, runs, folder)))
        table(rows)


if __name__ == "__main__":
    main()
