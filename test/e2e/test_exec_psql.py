"""The main job with a `file:` password: psql through `exec`, over verify-full, with no secret in its reach."""

import json
import os
import re
import stat
import subprocess
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import connections_in
from harness import canary
from harness.children import environment, psql, psql_by_environment, python, read_environment
from harness.processes import descendants, wait_for

from test_openbao_faults import Dialogue

WHO = "SELECT current_user, current_database()"


def test_psql_connects_with_the_url_it_finds(sallyport, file_url):
    run = sallyport.exec(psql(WHO), file_url()).ok()
    assert run.stdout == "app|app\n"


def test_psql_connects_with_libpqs_variables_alone(sallyport, file_url):
    assert sallyport.exec(psql_by_environment(WHO), file_url()).ok().stdout == "app|app\n"


def test_the_server_sees_verified_tls_and_a_scram_login(sallyport, file_url, pg):
    with pg.log_since() as read:
        run = sallyport.exec(psql("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), file_url()).ok()
        assert run.stdout.startswith("t|TLSv1.")
        assert set(connections_in(read())) == {"app"}


def test_the_child_finds_a_url_to_a_private_socket_and_no_password(sallyport, file_url, secret):
    script = "import os, json, stat; u = os.environ['DATABASE_URL'];" \
             "d = os.environ['PGHOST']; s = os.stat(d);" \
             "print(json.dumps([u, d, os.environ['PGPORT'], stat.S_IMODE(s.st_mode), s.st_uid, sorted(os.listdir(d))]))"
    run = sallyport.exec(python(script), file_url()).ok()
    url, folder, port, mode, owner, names = json.loads(run.stdout)
    parts = urllib.parse.urlsplit(url)
    assert parts.scheme in ("postgresql", "postgres") and parts.password is None
    assert folder.startswith("/") and mode == 0o700 and owner == os.getuid()
    assert f".s.PGSQL.{port}" in names
    assert not os.path.exists(folder), "the socket's directory must be gone after the run"
    sallyport.assert_no_canary(secret, allowed_files=[os.path.join(sallyport.folder, "home", "password")])


def test_only_the_connection_variables_change(sallyport, file_url):
    given = {"LOOKS_LIKE_A_REFERENCE": "vault:database/creds/x", "ORDINARY": "a=b", "EMPTY": ""}
    run = sallyport.exec(environment(), file_url(), env=given).ok()
    child, ours = read_environment(run), sallyport.env(**given)
    changed = {name for name in set(child) | set(ours) if child.get(name) != ours.get(name)} - {"LC_CTYPE"}
    assert changed <= {"DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE"}
    assert child["PGDATABASE"] == "app" and child["PGUSER"]


def test_variables_that_would_override_the_connection_are_removed(sallyport, file_url):
    for name in ("PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGREQUIREAUTH", "PGCHANNELBINDING"):
        run = sallyport.exec(environment(), file_url(), env={name: "something"}).ok()
        assert name not in read_environment(run)


def test_no_secret_in_any_process_while_it_runs(sallyport, file_url, secret):
    run = sallyport.start_exec(psql("SELECT 'there'", "SELECT pg_sleep(3)"), file_url())
    run.until("there")
    assert len(descendants(run.pid)) >= 2
    assert canary.search_processes(secret, run.pid) == []
    run.wait().ok()


def test_the_initial_environment_is_overwritten(sallyport, file_url):
    run = sallyport.start_exec(psql("SELECT 'there'", "SELECT pg_sleep(3)"), file_url(), env={"VAULT_TOKEN": "s.telltale"})
    run.until("there")
    with open(f"/proc/{run.pid}/environ", "rb") as file:
        assert b"telltale" not in file.read()
    run.wait().ok()


@pytest.mark.parametrize("command, code", [(["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137),
                                           (["sh", "-c", "kill -TERM $$"], 143), (["/nonexistent/program"], 127),
                                           (["no-such-program-anywhere"], 127), (["/etc/passwd"], 126), (["true"], 0)])
def test_the_exit_code_is_the_childs(sallyport, file_url, command, code):
    assert sallyport.exec(command, file_url()).code == code


def test_standard_input_reaches_the_child(sallyport, file_url):
    with subprocess.Popen(["printf", "SELECT 40 + 2;\n"], stdout=subprocess.PIPE) as feeder:
        run = sallyport.exec(psql_by_environment(), file_url(), stdin=feeder.stdout).ok()
    assert run.stdout == "42\n"


def test_a_successful_run_says_nothing_on_standard_output_but_the_childs_words(sallyport, file_url):
    assert sallyport.exec(["echo", "mine"], file_url()).ok().stdout == "mine\n"


def test_notices_errors_and_large_rows_arrive_as_from_the_server(sallyport, file_url):
    run = sallyport.exec(psql("DO $$ BEGIN RAISE NOTICE 'heard %', 5; END $$", "SELECT length(repeat('x', 20000000))"),
                         file_url()).ok()
    assert "NOTICE:  heard 5" in run.stderr and run.stdout == "20000000\n"
    failed = sallyport.exec(psql("SELECT 1/0"), file_url())
    assert failed.code != 0 and "division by zero" in failed.stderr


def test_a_row_of_sixty_megabytes_passes(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", 'psql -XAtqc "SELECT repeat(chr(120), 60000000)" | wc -c'], file_url()).ok()
    assert run.stdout.strip() == "60000001"


def test_listen_and_notify_between_two_sessions(sallyport, file_url):
    script = """
import os, psycopg
a = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True); b = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
a.execute("LISTEN news"); b.execute("NOTIFY news, 'hello'")
print([n.payload for n in a.notifies(timeout=5, stop_after=1)], a.info.backend_pid == a.execute("SELECT pg_backend_pid()").fetchone()[0])
"""
    assert sallyport.exec(python(script), file_url()).ok().stdout == "['hello'] True\n"


def test_the_pooled_connection_is_reset_between_sessions(sallyport, file_url):
    script = """
import os, psycopg
for turn in range(3):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as c:
        print(c.execute("SHOW work_mem").fetchone()[0], c.execute("SELECT to_regclass('pg_temp.mine') IS NULL").fetchone()[0])
        c.execute("SET work_mem = '77MB'"); c.execute("CREATE TEMP TABLE mine (a int)"); c.execute("PREPARE p AS SELECT 1")
"""
    assert sallyport.exec(python(script), file_url()).ok().stdout == "4MB True\n" * 3


def test_startup_options_and_application_name_reach_the_server(sallyport, file_url):
    code = 'PGAPPNAME=payroll PGOPTIONS="-c search_path=pg_catalog -c statement_timeout=4321" psql -XAtqc ' \
           '"SHOW application_name" -c "SHOW search_path" -c "SHOW statement_timeout" -c "RESET ALL" -c "SHOW statement_timeout"'
    run = sallyport.exec(["sh", "-c", code], file_url()).ok()
    assert run.stdout.split() == ["payroll", "pg_catalog", "4321ms", "4321ms"]


def test_a_changed_secret_file_is_read_again(sallyport, file_url, pg, secret):
    pg.sql("CREATE ROLE changing LOGIN PASSWORD 'first-of-two'")
    try:
        url = file_url(password="first-of-two", name="changing", user="changing", dbname="postgres")
        path = os.path.join(sallyport.folder, "home", "changing")
        script = f"""
import os, psycopg
def who(): return psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT current_user").fetchone()[0]
print(who(), flush=True); input(); print(who())
"""
        with open(os.devnull) as _, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
            run = sallyport.start_exec(python(script), url, stdin=pipe.stdout)
            run.until("changing")
            pg.sql("ALTER ROLE changing PASSWORD 'second-of-two'")
            with open(path, "w", encoding="ascii") as file:
                file.write("second-of-two")
            pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'changing'")
            pg.wait_until_gone("changing")
            pipe.stdin.write(b"\n")
            pipe.stdin.close()
            assert run.wait().ok().stdout == "changing\nchanging\n"
    finally:
        pg.wait_until_gone("changing")
        pg.sql("DROP ROLE changing")


def test_a_changed_secret_file_is_read_again_though_nothing_was_refused(sallyport, file_url, pg, secret):
    """Both users are valid all the time: only that the file was read again can explain the second."""
    def text(user):
        return json.dumps({"username": user, "password": secret})
    talk = Dialogue(sallyport, file_url(password=text("app"), name="pair", user=None), {})
    assert talk.user == "app"
    with pg.log_since() as read:
        sallyport.secret_file(text("other_user"), "pair")
        wait_for(lambda: talk.ask("new") == "other_user", "the file's new user", 30)
        assert "password authentication failed" not in read() and "other_user" in connections_in(read())
    assert talk.ask("old") == "alive"
    talk.end().ok()


def test_twenty_runs_at_once_do_not_disturb_one_another(sallyport, file_url):
    url = file_url()

    def one(number):
        return sallyport.exec(psql(f"SELECT {number}, pg_sleep(0.5)"), url, seconds=120)
    with ThreadPoolExecutor(20) as pool:
        for number, run in enumerate(pool.map(one, range(20))):
            assert run.ok().stdout.startswith(f"{number}|")


def test_descendants_that_outlive_the_child_are_named(sallyport, file_url):
    run = sallyport.exec(["sh", "-c", "sleep 4 >/dev/null 2>&1 & sleep 0.5; exit 3"], file_url())
    assert run.code == 3
    assert re.search(r"sleep", run.stderr), run.stderr


def test_wait_all_serves_descendants_to_their_end(sallyport, file_url):
    script = "(sleep 1; psql -XAtqc 'SELECT 11' ) & exit 0"
    run = sallyport.exec(["sh", "-c", script], file_url(), flags=["--wait-all"]).ok()
    assert "11" in run.stdout


def test_no_session_is_left_on_the_server(sallyport, file_url, pg):
    sallyport.exec(psql(WHO), file_url()).ok()
    wait_for(lambda: not pg.sql("SELECT 1 FROM pg_stat_activity WHERE usename = 'app'"), "sessions of app to end", 5)


def test_nothing_is_left_in_the_runtime_directory(sallyport, file_url):
    sallyport.exec(["true"], file_url()).ok()
    left = [os.path.join(b, n) for b, _, names in os.walk(os.path.join(sallyport.folder, "run")) for n in names]
    assert [p for p in left if stat.S_ISSOCK(os.lstat(p).st_mode)] == []
