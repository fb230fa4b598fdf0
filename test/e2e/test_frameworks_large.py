"""As test_frameworks.py: Spring (JdbcTemplate, HikariCP, pgjdbc), Prisma and pgx's pool. Their libraries are fetched and built once; that
is why they run in ./dev soak only."""

import os
import shutil
from urllib.parse import quote

import pytest

from conftest import require, skip_here
from harness import canary
from test_client_tls import TlsService
from test_driver_matrix import SOAK
from test_drivers import built, run_in, version
from test_frameworks import ORDINARY, POOLS, admin_of, framework, made, pins, run_steps, unix_environment    # noqa: F401
from test_passwords import passwd

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(autouse=True)
def in_soak():
    if not SOAK:
        skip_here("./dev soak runs it")


def pgx():
    found = version("go", "version")
    require(found >= (1, 26), f"Go 1.26 (found {found[0]}.{found[1]})", ci_too=False)
    folder = built("framework_pgx", lambda f: (run_in(f, "go", "mod", "tidy"), run_in(f, "go", "build", "-o", "framework", ".")))
    return [os.path.join(folder, "framework")]


def spring():
    require(shutil.which("javac") and shutil.which("mvn"), "a JDK with Maven")

    def make(folder):
        run_in(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
        run_in(folder, "sh", "-c", "javac -cp 'lib/*' Framework.java")
    folder = built("framework_spring", make)
    return ["java", "-cp", f"{folder}:{folder}/lib/*", "Framework"]


def prisma():
    require(shutil.which("node") and shutil.which("npm"), "Node.js with npm")

    def make(folder):
        run_in(folder, "npm", "install", "--no-audit", "--no-fund", "--silent", "--ignore-scripts")
        # `generate` needs no engine, but looks for one.
        run_in(folder, "npx", "prisma", "generate", PRISMA_SCHEMA_ENGINE_BINARY="/bin/true")
    return ["node", os.path.join(built("framework_prisma", make), "program.js")]


@pytest.mark.parametrize("mode", POOLS)
def test_pgx_shares_and_only_listen_pins(framework, mode):      # noqa: F811
    it = framework(mode)
    run_steps(pgx(), ORDINARY, unix_environment(it))
    assert pins(it) == {}
    run_steps(pgx(), ["listen"], unix_environment(it))
    assert pins(it) == ({"listen": 1} if mode == "transaction" else {})


@pytest.mark.parametrize("mode", POOLS)
def test_prisma_shares(framework, mode):      # noqa: F811
    it = framework(mode)
    run_steps(prisma(), [*ORDINARY, "isolation", "schema"], unix_environment(it))
    assert pins(it) == {}


@pytest.fixture
def over_tcp(sallyport, pg, pki, secret, made):      # noqa: F811
    """A TCP route with TLS and a local password, as pgjdbc speaks no Unix sockets."""
    started = []

    def make(mode):
        path, password = os.path.join(sallyport.folder, "home", "passwords"), canary.make()
        passwd(sallyport, "app", "--file", path, password=password)
        it = TlsService(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", allow=f"[{{verifier: {path}}}]",
                        extra_target=f"    pool: {{mode: {mode}, {POOLS[mode]}}}", extra=admin_of(sallyport))
        started.append(it.start())
        url = f"jdbc:postgresql://localhost:{it.tcp}/app?user=app&sslmode=verify-full&sslrootcert={pki.ca}"
        return it, {"PATH": os.environ["PATH"], "DATABASE_URL": f"{url}&password={quote(password, safe='')}"}
    yield make
    for it in started:
        it.stop()


@pytest.mark.parametrize("mode", POOLS)
def test_spring_shares_but_for_settings_that_hikari_makes_for_a_session(over_tcp, mode):
    it, env = over_tcp(mode)
    run_steps(spring(), [*ORDINARY, "read_only", "current_schema", "isolation_at_start"], env)
    assert pins(it) == {}
    run_steps(spring(), ["isolation_of_a_transaction", "isolation_of_the_pool", "init_sql", "schema"], env)
    seen = pins(it)     # one connection of each, or more: HikariCP opens them ahead
    assert list(seen) == (["setting"] if mode == "transaction" else []) and sum(seen.values()) >= 4 * len(seen)
