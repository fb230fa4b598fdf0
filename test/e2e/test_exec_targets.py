"""`exec -e VAR=TARGET` and `connect`: which variables get what, and in the form that the application reads."""

import os
import stat
import urllib.parse

import pytest

from harness import canary
from harness.children import environment, psql, python, read_environment
from harness.service import Service

LIBPQ = ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE")


@pytest.fixture
def config(sallyport, pg, pki, secret):
    """A file with the targets `main` (database app) and `admin` (database postgres)."""
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")
    start, end = it.text.index("  main:"), it.text.index("routes:")
    it.rewrite("routes:", it.text[start:end].rstrip().replace("main:", "admin:").replace("database: app", "database: postgres")
               + "\nroutes:")
    return it.config


TWO = """
import os, psycopg
for name in ("DATABASE_URL", "REPORTS_URL"):
    with psycopg.connect(os.environ[name]) as c: print(name, *c.execute("SELECT current_database(), current_user").fetchone())
"""


def test_two_references_give_two_variables(sallyport, file_url, secret):
    flags = ["-e", f"DATABASE_URL={file_url()}", "-e", f"REPORTS_URL={file_url(dbname='postgres', user='other_user')}"]
    run = sallyport.exec(python(TWO), flags=flags).ok()
    assert run.stdout == "DATABASE_URL app app\nREPORTS_URL postgres other_user\n"
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def test_two_targets_of_the_configuration_give_two_variables(sallyport, config):
    run = sallyport.exec(python(TWO), flags=["-c", config, "-e", "DATABASE_URL=main", "-e", "REPORTS_URL=admin"]).ok()
    assert run.stdout == "DATABASE_URL app app\nREPORTS_URL postgres app\n"


def test_another_variable_than_database_url_is_the_only_one_that_is_set(sallyport, file_url):
    run = sallyport.exec(environment(), flags=["-e", f"REPORTS_URL={file_url()}"]).ok()
    child = read_environment(run)
    assert "DATABASE_URL" not in child
    url = urllib.parse.urlsplit(child["REPORTS_URL"])
    assert url.scheme == "postgresql" and url.password is None and url.path == "/app"
    assert child["PGDATABASE"] == "app" and set(LIBPQ) <= set(child), "one target: libpq's variables are set"
    run = sallyport.exec(psql("SELECT 'in'", url="$REPORTS_URL"), flags=["-e", f"REPORTS_URL={file_url()}"]).ok()
    assert run.stdout == "in\n"


def test_what_database_url_held_is_left_alone_when_another_variable_is_asked_for(sallyport, file_url):
    held = "postgresql://somebody@elsewhere.example/other"
    run = sallyport.exec(environment(), flags=["-e", f"REPORTS_URL={file_url()}"], env={"DATABASE_URL": held}).ok()
    assert read_environment(run)["DATABASE_URL"] == held


def test_with_two_targets_libpqs_variables_are_not_set_and_no_password_is_inherited(sallyport, file_url):
    flags = ["-e", f"DATABASE_URL={file_url()}", "-e", f"REPORTS_URL={file_url(dbname='postgres')}"]
    assert not {name for name in read_environment(sallyport.exec(environment(), flags=flags).ok()) if name.startswith("PG")}
    inherited = {name: "inherited" for name in (*LIBPQ, "PGPASSWORD", "PGPASSFILE", "PGSERVICE")}
    child = read_environment(sallyport.exec(environment(), flags=flags, env=inherited).ok())
    assert {name: child.get(name) for name in LIBPQ} == dict.fromkeys(LIBPQ, "inherited"), "neither target's: untouched"
    assert not {"PGPASSWORD", "PGPASSFILE", "PGSERVICE"} & set(child)


HELD = "somebody:secret-of-before@elsewhere.example:5432/other"


@pytest.mark.parametrize("dialect, tcp", [
    ("postgres", False), ("postgresql+asyncpg", False), ("postgresql+psycopg", False), ("ecto", True),
    ("jdbc:postgresql", True)])
def test_the_dialect_of_what_the_variable_held_is_kept(sallyport, file_url, dialect, tcp):
    held = f"{dialect}://{HELD}"
    if dialect.startswith("jdbc:"):
        held = "jdbc:postgresql://elsewhere.example:5432/other?user=somebody&password=secret-of-before"
    run = sallyport.exec(environment(), flags=["-e", f"APP_URL={file_url()}"], env={"APP_URL": held}).ok()
    child = read_environment(run)
    assert child["APP_URL"].startswith(f"{dialect}://"), child["APP_URL"]
    assert "elsewhere" not in child["APP_URL"] and "secret-of-before" not in run.output
    assert ("127.0.0.1" in child["APP_URL"]) == tcp


ASYNCPG = """
import asyncio, asyncpg, os
from urllib.parse import parse_qsl, urlsplit
async def main():
    url = urlsplit(os.environ["APP_URL"])
    given = dict(parse_qsl(url.query))      # as SQLAlchemy does: what stands behind ? are the driver's own arguments
    given |= {"port": int(given["port"])} if "port" in given else {}
    connection = await asyncpg.connect(user=url.username, database=url.path[1:], **given)
    print(await connection.fetchval("SELECT current_user"))
    await connection.close()
asyncio.run(main())
"""


def test_the_kept_dialect_connects(sallyport, file_url):
    run = sallyport.exec(python(ASYNCPG), flags=["-e", f"APP_URL={file_url()}"],
                         env={"APP_URL": "postgresql+asyncpg://somebody@elsewhere.example/other"})
    assert run.ok().stdout == "app\n"


HELPER = """#!/bin/sh
# What a secret manager's own client does; it is told nothing but its arguments.
[ "$1" = "two words" ] && [ -z "$DB_HINT" ] || exit 3
exec cat "$2"
"""


@pytest.fixture
def helper(sallyport):
    path = os.path.join(sallyport.folder, "home", "helper")
    with open(path, "w", encoding="ascii") as file:
        file.write(HELPER)
    os.chmod(path, stat.S_IRWXU)
    return path


def test_a_program_gives_the_secret(sallyport, file_url, helper, secret):
    attributes = file_url().partition("?")[2]
    reference = f'exec:{helper} "two words" {sallyport.folder}/home/password?{attributes}'
    run = sallyport.start_exec(["sh", "-c", 'psql -XAtqc "SELECT current_user" "$APP_URL"; sleep 1'],
                               flags=["-e", f"APP_URL={reference}"], env={"DB_HINT": "of ours alone"})
    run.until("^app")
    assert canary.search_processes(secret, run.pid) == []
    run.wait().ok()
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def test_connect_takes_a_target_of_the_configuration(sallyport, config, secret):
    run = sallyport.run("connect", "-c", config, "main", "--", "-XAtqc", "SELECT current_database()").ok()
    assert run.stdout == "app\n"
    assert sallyport.run("connect", "-c", config, "admin", "--", "-XAtqc", "SELECT current_database()").ok().stdout == "postgres\n"
    assert sallyport.run("connect", "-c", config, "main", "--", "-XAtqc", "SELECT 1/0").code == 1, "psql's own code"
    sallyport.assert_no_canary(secret, allowed_files=[f"{sallyport.folder}/home/password"])


def test_connect_names_the_targets_that_there_are(sallyport, config):
    run = sallyport.run("connect", "-c", config, "mian")
    assert run.code == 125 and '"mian"' in run.stderr and "admin, main" in run.stderr
