"""Transactions that fail while the credential is replaced under load: each database user lives 6 s, and dropping it ends its
sessions. A real OpenBao makes and drops them."""

import os
import re
import shutil
import signal
import subprocess
import sys

from sides import base_environment

from harness import openbao
from harness.openbao import OpenBao
from harness.postgres import ADMIN_PASSWORD
from harness.sallyport import Sallyport
from harness.service import Service

CLIENTS = 64


def table(ground, seconds):
    if not openbao.program():
        return "no OpenBao here: rotation under load was not measured"
    bao = OpenBao(os.path.join(ground.folder, "bao"))
    try:
        ground.pg.sql(f"ALTER ROLE postgres PASSWORD '{ADMIN_PASSWORD}'")
        ground.pg.sql("CREATE ROLE app_owner; GRANT pg_read_all_data TO app_owner; GRANT ALL ON DATABASE app TO app_owner")
        bao.use_database(ground.pg, admin_password=ADMIN_PASSWORD)
        bao.role("six", ttl="3s", max_ttl="6s")
        lines = [f"| `-c{CLIENTS}`, {seconds} s, users live 6 s | transactions | failed | users | tps |", "|---|---|---|---|---|"]
        for mode in ("transaction", "session"):
            for query in ("simple", "prepared"):
                print(f"  {mode} {query}", file=sys.stderr)
                lines.append(_row(ground, bao, mode, query, seconds))
        return "\n".join(lines)
    finally:
        bao.close()


def _row(ground, bao, mode, query, seconds):
    folder = os.path.join(ground.folder, "rotation")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    pool = 8 if mode == "transaction" else CLIENTS + 8
    service = Service(Sallyport(folder), ground.pg, ground.pki, "vault:database/creds/six", user=None,
                      extra_target=f"    run_as: app_owner\n    pool: {{mode: {mode}, min_ready: 8, max: {pool}}}")
    with ground.pg.log_since() as read, ground.pg.setting("log_connections", "on"):
        service.start(env=bao.environment(bao.token()))
        try:
            done = subprocess.run(["pgbench", "-n", "-S", "-M", query, "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)],
                                  env={**base_environment(), "PGHOST": service.directory, "PGPORT": "5432", "PGUSER": "app",
                                       "PGDATABASE": "app"}, capture_output=True, text=True)
        finally:
            service.stop(signal.SIGTERM)
        users = len(set(re.findall(r"connection authorized: user=(v-\S+)", read())))
    count = re.search(r"actually processed: (\d+)", done.stdout)
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    aborted = len(re.findall(r"aborted", done.stderr))
    for line in sorted(set(re.findall(r"(?:FATAL|ERROR): .*|server closed.*", done.stderr)))[:5]:
        print(f"    told: {line}", file=sys.stderr)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    if not (count and failed and tps):
        return f"| {mode}, {query} | none: {done.stderr.strip().splitlines()[-1] if done.stderr else '?'} | – | {users} | – |"
    lost = f"{failed.group(1)}" + (f", {aborted} clients aborted" if aborted else "")
    return f"| {mode}, {query} | {int(count.group(1)):,} | {lost} | {users} | {float(tps.group(1)):,.0f} |"
