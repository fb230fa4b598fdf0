"""300 clients of pgbench behind a service whose upstream connections live 2 s, so that logins go on while tokens end."""

import os
import re
import subprocess

POOL = "    pool: {mode: transaction, max: 40, lifetime_max: 2s, wait_max: 60s}"
CLIENTS = 300


def figures_of(text):
    """Transactions done and failed."""
    return (int(re.search(r"actually processed: (\d+)", text).group(1)),
            int(re.search(r"failed transactions: (\d+)", text).group(1)))


def run(service, env, seconds, database="app"):
    """Starts and stops the service; what `figures_of` says."""
    service.start(env=env)
    try:
        done = subprocess.run(["pgbench", "-n", "-S", "-c", str(CLIENTS), "-j", "4", "-T", str(seconds), "-h", service.directory,
                               "-p", str(service.port), "-U", "root", database], capture_output=True, text=True, timeout=180, check=False,
                              env={"PATH": os.environ["PATH"]})
    finally:
        service.stop()
    assert done.returncode == 0, done.stdout + done.stderr + service.run.output[-3000:]
    return figures_of(done.stdout)
