"""What the programs of the matrix have in common: each step prints "STEP ok", or "STEP: what the driver was told"."""
import os
import ssl
import sys

TABLE = "made_for_drivers"      # (a int, t text), there before and after
LARGE = 10_000_000


def settings():
    return os.environ["PGHOST"], int(os.environ["PGPORT"]), os.environ["PGUSER"], os.environ["PGDATABASE"]


def ssl_context():
    """For a driver that does not read libpq's variables."""
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    if "PGSSLCERT" in os.environ:
        context.load_cert_chain(os.environ["PGSSLCERT"], os.environ["PGSSLKEY"])
    return context


def report(step, error=None):
    print(f"{step} ok" if error is None else f"{step}: {type(error).__name__} {error}".replace("\n", " "), flush=True)


def run(steps):
    for name, step in steps:
        try:
            step()
            report(name)
        except Exception as error:      # noqa: BLE001
            report(name, error)
    sys.exit(0)
