"""DROP DATABASE and its like: connections that stand ready in a pool are in nobody's way."""

import time

import psycopg
import pytest

NAMES = ("made", "copied", "renamed")


@pytest.fixture(params=["session", "transaction"])
def it(request, pooled, pg):
    for name in NAMES:
        pg.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    pg.sql("ALTER ROLE app CREATEDB")
    service = pooled(request.param, "max: 20, min_ready: 2", allow="[{user: root}, {user: postgres}]")
    service.rewrite("database: app", 'database: "*"')
    assert service.reload()
    yield service
    pg.sql("ALTER ROLE app NOCREATEDB")
    for name in NAMES:
        pg.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def connect(it, database="app"):
    return psycopg.connect(host=it.directory, port=it.port, user="app", dbname=database, autocommit=True)


def visit(it, database):
    """Clients of two identities are there, and go."""
    for _ in range(2):
        with connect(it, database) as one:
            assert one.execute("SELECT current_database()").fetchone() == (database,)
        assert it.psql("SELECT current_database()", account="postgres", database=database).stdout == f"{database}\n"
    time.sleep(0.5)


def ready_in(pg, database):
    return pg.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", database)[0][0]


def test_a_database_that_nobody_uses_is_dropped(it, pg):
    with connect(it) as admin:
        admin.execute("CREATE DATABASE made")
        visit(it, "made")
        assert ready_in(pg, "made") >= 2
        admin.execute("DROP DATABASE made")
        assert pg.sql("SELECT 1 FROM pg_database WHERE datname = 'made'") == []
        with pg.log_since() as read:
            time.sleep(5)
            assert "made" not in read(), "nobody asks for it"
        admin.execute("CREATE DATABASE made")
        visit(it, "made")


def test_by_psql_as_well(it, pg):
    assert it.psql("CREATE DATABASE made").returncode == 0
    visit(it, "made")
    done = it.psql("DROP DATABASE made")
    assert done.returncode == 0, done.stderr


def test_by_the_extended_protocol_as_well(it, pg):
    with connect(it) as admin:
        admin.execute("CREATE DATABASE made", prepare=True)
        visit(it, "made")
        admin.execute("DROP DATABASE IF EXISTS \"made\"", prepare=True)


def test_one_that_stands_ready_is_copied_and_renamed(it, pg):
    with connect(it) as admin:
        admin.execute("CREATE DATABASE made")
        visit(it, "made")
        admin.execute("CREATE DATABASE copied WITH TEMPLATE made")
        visit(it, "copied")
        admin.execute("ALTER DATABASE copied RENAME TO renamed")
        visit(it, "renamed")
        admin.execute("DROP DATABASE renamed")


def test_template1_is_copied_without_being_named(it, pg):
    visit(it, "template1")
    with connect(it) as admin:
        admin.execute("CREATE DATABASE made")


def test_whoever_uses_it_is_in_the_way_as_directly(it, pg):
    with connect(it) as admin:
        admin.execute("CREATE DATABASE made")
        with connect(it, "made") as user:
            user.execute("BEGIN")
            user.execute("SELECT 1")
            with pytest.raises(psycopg.errors.ObjectInUse):
                admin.execute("DROP DATABASE made")
            assert user.execute("SELECT 2").fetchone() == (2,)
            user.execute("COMMIT")
        admin.execute("DROP DATABASE made")
