"""The trail: every session's start, denial and end; nobody gets in when it cannot be written."""

import os
import subprocess

import psycopg
import pytest

from conftest import attempts_in, skip_here
from harness.children import psql, python
from harness.processes import wait_for
from harness.service import Service


def by_kind(rows, kind):
    return [row for row in rows if row.get("kind", row.get("event")) == kind]


def test_a_session_leaves_its_start_and_its_end(sallyport, file_url, pg):
    run = sallyport.exec(psql("SELECT 1", "SELECT pg_backend_pid()"), file_url()).ok()
    backend = int(run.stdout.split()[1])
    rows = sallyport.audit()
    start, end = by_kind(rows, "session_start")[-1], by_kind(rows, "session_end")[-1]
    assert start["session"] == end["session"]
    assert start["upstream_user"] == "app" and start["database"] == "app" and start["upstream_pid"] == backend
    assert start["upstream_address"].endswith(f":{pg.port}") and start["tls_protocol"].startswith("TLSv1.")
    assert len(start["server_certificate_sha256"]) == 64 and start["tls_cipher"]
    assert start["verified"]["uid"] == str(os.getuid()) or start["verified"]["uid"] == os.getuid()
    assert "psql" in start["verified"]["executable"]
    assert start["claimed"]["application_name"] == "psql"
    assert end["bytes_to_client"] > 0 and end["bytes_to_server"] > 0 and end["transactions"] == 2
    assert end["duration_s"] >= 0 and end["result"] == "ok"


def test_a_dynamic_session_names_its_lease_and_generation(sallyport, bao, vault_url):
    sallyport.exec(psql("SELECT 1"), vault_url(), env=bao.environment(bao.token())).ok()
    start = by_kind(sallyport.audit(), "session_start")[-1]
    assert start["upstream_user"].startswith("v-") and start["generation"] >= 1 and start["lease_accessor"]


def test_old_records_are_put_away_as_whole_directories_of_processes_that_have_ended(sallyport, pg, pki, secret):
    """docs/audit.md: afterwards the trail is whole, here and there."""
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")
    away = os.path.join(sallyport.folder, "audit-old")
    os.makedirs(away, 0o700)
    sizes = []
    for _ in range(2):
        it.start()
        for _ in range(10):
            assert it.psql("SELECT 1").stdout == "1\n"
        rows = sallyport.audit("-c", it.config)
        assert len(by_kind(rows, "session_start")) == 10, "this run's alone"
        assert subprocess.run(["flock", "-n", *writers(it.audit_directory), "true"], check=False).returncode == 1, "in use"
        it.stop()
        assert subprocess.run(["flock", "-n", *writers(it.audit_directory), "true"], check=False).returncode == 0
        for writer in writers(it.audit_directory):
            sizes += [os.path.getsize(os.path.join(writer, name)) for name in os.listdir(writer) if name.endswith(".seg")]
            os.rename(writer, os.path.join(away, f"{os.path.basename(writer)}"))
        for name in os.listdir(it.audit_directory):
            os.unlink(os.path.join(it.audit_directory, name))
    assert len(by_kind(sallyport.audit("--dir", away), "session_start")) == 20
    for size in sizes:
        assert 10 * 1000 < size < 10 * 2500, "what docs/audit.md says of a session"


def writers(directory):
    return [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith("w-")]


def test_in_transaction_pooling_the_trail_names_the_user_and_a_process_only_at_the_end(pooled, sallyport):
    """As docs/audit.md says; a pinned session's end names the process that it was pinned to."""
    it = pooled("transaction", "max: 2")
    with it.psycopg(autocommit=True) as pinned, it.psycopg(autocommit=True) as other:
        pinned.execute("LISTEN something")
        pid = pinned.execute("SELECT pg_backend_pid()").fetchone()[0]
        assert other.execute("SELECT pg_backend_pid()").fetchone()[0] != pid
        assert pinned.info.backend_pid != pid
    it.stop()
    rows = sallyport.audit("--dir", it.audit_directory)
    starts = [row for row in rows if row["kind"] == "session_start"]
    assert len(starts) == 2
    for row in starts:
        assert row["upstream_user"] == "app" and row["generation"] == 1 and row["tls_protocol"].startswith("TLS")
        assert "upstream_pid" not in row and "local_address" not in row
    assert pid in [row.get("upstream_pid") for row in rows if row["kind"] == "session_end"]


def test_the_text_form_is_for_people(sallyport, file_url):
    sallyport.exec(psql("SELECT 1"), file_url()).ok()
    text = sallyport.run("audit", "query").ok().stdout
    assert "session_start" in text or "session start" in text
    assert sallyport.run("audit", "tail").ok().stdout.strip()


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(**more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", **more)
    return make


def test_a_denial_is_a_row(service, sallyport):
    it = service().start()
    assert it.psql("SELECT 1", account="nobody").returncode == 2
    it.stop()
    rows = by_kind(sallyport.audit("-c", it.config), "session_denied")
    assert rows and rows[-1]["result"] == "denied" and rows[-1]["reason"]


def fill(path):
    """Writes until the file system is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while os.write(descriptor, b"x" * 4096):
            pass
    except OSError:
        pass
    finally:
        os.close(descriptor)


@pytest.fixture
def small_disk(sallyport):
    """A file system of 1 MB for the trail."""
    path = os.path.join(sallyport.folder, "audit")
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", path],
                                          capture_output=True).returncode != 0:
        skip_here("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path])


def test_a_full_disk_refuses_new_sessions_and_lets_live_ones_go_on(small_disk, service, pg):
    it = service(extra_target="    pool: {min_ready: 0}").start()
    live = it.psycopg(autocommit=True)
    live.execute("SELECT 1")
    filler = os.path.join(small_disk, "filler")
    fill(filler)
    with pg.log_since() as read:
        def refused():
            done = it.psql("SELECT 1")
            return done if done.returncode == 2 else None
        answer = wait_for(refused, "new sessions to be refused", 20)
        assert "audit" in answer.stderr
        assert "space" in answer.stderr or "audit" in it.run.output
        read()
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    os.unlink(filler)
    wait_for(lambda: it.psql("SELECT 'again'").stdout == "again\n", "sessions after room was made", 20)
    live.close()
    it.stop()


def test_best_effort_is_a_choice(small_disk, service):
    it = service()
    it.rewrite('audit: {', 'audit: {mode: best-effort, ')
    it.start()
    fill(os.path.join(small_disk, "filler"))
    assert it.psql("SELECT 'in'").stdout == "in\n"
    it.stop()


def test_a_trail_that_cannot_be_opened_refuses_to_start(service, sallyport):
    it = service()
    with open(it.audit_directory, "w", encoding="ascii") as file:
        file.write("a file in the directory's place")
    run = sallyport.run("serve", "-c", it.config)
    assert run.code == 2 and it.audit_directory in run.output


def test_hostile_strings_are_escaped(service, sallyport):
    it = service().start()
    name = "evil\x1b[31m\nsession_start fake=1\u202e"
    with psycopg.connect(host=it.directory, user="app", dbname="app", application_name=name) as connection:
        connection.execute("SELECT 1")
    it.stop()
    run = sallyport.run("audit", "query", "-c", it.config).ok()
    assert "\x1b[31m" not in run.stdout and "\nsession_start fake" not in run.stdout
    start = by_kind(sallyport.audit("-c", it.config), "session_start")[-1]
    assert "evil" in start["claimed"]["application_name"]


def test_no_upstream_connection_is_made_for_a_denied_peer(service, pg):
    it = service(extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        for _ in range(20):
            it.psql("SELECT 1", account="nobody")
        assert attempts_in(read()) == 0
    it.stop()


TAMPER = """
import glob, os, sys
for path in glob.glob(sys.argv[1] + "/**/*.seg", recursive=True):
    if sys.argv[2] == "unlink": os.unlink(path)
    if sys.argv[2] == "shorten": os.truncate(path, os.path.getsize(path) // 2)
    if sys.argv[2] == "rewrite": open(path, "r+b").write(b"X" * 8)
    print("touched", path, flush=True)
"""


@pytest.mark.parametrize("how", ["unlink", "shorten", "rewrite"])
def test_a_child_that_changes_the_trail_is_told_at_the_end(sallyport, file_url, how):
    """threat 9: the child has our uid and can do it, but not unseen."""
    run = sallyport.exec(python(TAMPER, os.path.join(sallyport.state, "sallyport", "audit"), how), file_url())
    assert run.code == 0 and "touched" in run.stdout, run.output
    assert "the audit trail was changed by somebody else" in run.stderr, run.stderr
    assert "segment_" in run.stderr


def test_an_untouched_trail_is_not_mentioned(sallyport, file_url):
    run = sallyport.exec(psql("SELECT 1"), file_url()).ok()
    assert "audit trail" not in run.stderr
