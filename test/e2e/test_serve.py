"""`serve`: one Unix socket for several users, reload, drain, and files that must not be somebody else's."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import psycopg
import pytest

from conftest import attempts_in, connections_in, skip_here
from harness.processes import wait_for
from harness.raw_client import RawClient, fields, query
from harness.service import Service


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(**more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", **more)
    return make


def test_psql_connects_and_the_trail_names_the_user(service, sallyport):
    it = service().start()
    assert it.psql("SELECT current_user").stdout == "app\n"
    assert it.stop().code == 0
    assert not os.path.exists(it.socket)


def test_an_account_that_policy_does_not_name_causes_no_upstream_connection(service, pg):
    it = service(extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        refused = it.psql("SELECT 1", account="nobody")
        assert refused.returncode == 2 and "28000" not in refused.stdout
        assert attempts_in(read()) == 0
    it.stop()


def test_an_account_that_policy_names_gets_in(service):
    it = service(allow='[{user: postgres}]').start()
    assert it.psql("SELECT 'hello'", account="postgres").stdout == "hello\n"
    assert it.psql("SELECT 'hello'").returncode == 2
    it.stop()


def test_a_member_of_a_group_that_policy_names_gets_in(service):
    it = service(allow="[{group: 54321}]").start()
    assert it.psql("SELECT 'hello'", account="postgres", groups=[54322, 54321]).stdout == "hello\n"
    assert it.psql("SELECT 'hello'", account="postgres", groups=[54322]).returncode == 2
    it.stop()


def test_the_same_backend_serves_later_clients_reset(service):
    it = service(extra_target="    pool: {max: 3}").start()
    pids = []
    for _ in range(6):
        pid, memory = it.psql("SELECT pg_backend_pid()", "SHOW work_mem", "SET work_mem = '99MB'").stdout.split()
        assert memory == "4MB"
        pids.append(pid)
    assert len(set(pids)) < 6
    it.stop()


def test_clients_above_max_wait_their_turn(service):
    it = service(extra_target="    pool: {max: 2, wait_max: 20 s}").start()
    holders = [it.psycopg(), it.psycopg()]
    waiting = subprocess.Popen(["psql", "-XAtqc", "SELECT 'waited'", "-h", it.directory, "-U", "app", "-d", "app"],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    assert waiting.poll() is None
    holders[0].close()
    assert waiting.communicate(timeout=20)[0] == "waited\n"
    holders[1].close()
    it.stop()


def test_a_client_that_waits_too_long_is_told_the_limit(service):
    it = service(extra_target="    pool: {max: 1, wait_max: 1 s}").start()
    holder = it.psycopg()
    refused = it.psql("SELECT 1")
    assert refused.returncode == 2 and "1 s" in refused.stderr
    holder.close()
    it.stop()


def test_sigterm_lets_live_sessions_end_and_admits_no_new_ones(service):
    it = service().start()
    live = it.psycopg(autocommit=True)
    live.execute("SELECT 1")
    it.run.process.send_signal(signal.SIGTERM)
    wait_for(lambda: it.psql("SELECT 1").returncode != 0, "new sessions to be refused")
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    assert it.run.process.poll() is None
    live.close()
    assert it.run.wait(20).code == 0


def test_the_log_ends_with_its_end_and_waits_for_nobody_where_nobody_is(service):
    it = service().start()
    run = it.stop()
    assert "waiting for" not in run.output
    assert "draining: no new sessions, and none lives" in run.output.splitlines()[-2], run.output
    assert '"message":"ended"' in run.output.splitlines()[-1], run.output


def test_a_directory_of_state_that_cannot_be_made_is_named_by_its_key(service, sallyport):
    it = service()
    it.rewrite(f"sqlite:{sallyport.folder}/state/state.db", "sqlite:/proc/none/state.db")
    run = sallyport.run("serve", "-c", it.config)
    assert run.code == 2 and "/proc/none/leases: the directory cannot be made" in run.stderr, run.output
    assert "point `state` at a place of its own" in run.stderr, run.output


def test_a_second_sigterm_stops_at_once(service):
    it = service().start()
    live = it.psycopg(autocommit=True)
    live.execute("SELECT 1")
    it.run.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    it.run.process.send_signal(signal.SIGTERM)
    it.run.wait(10)
    with pytest.raises(psycopg.OperationalError):
        live.execute("SELECT 1")


def test_sighup_applies_a_valid_file_to_new_sessions(service):
    it = service().start()
    live = it.psycopg(autocommit=True)
    live.execute("SELECT 1")
    it.rewrite("[{user: root}]", "[{user: root}, {user: postgres}]")
    it.run.process.send_signal(signal.SIGHUP)
    wait_for(lambda: it.psql("SELECT 'now'", account="postgres").stdout == "now\n", "postgres to be admitted")
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    live.close()
    it.stop()


def test_sighup_rejects_an_invalid_file_whole(service):
    it = service().start()
    it.rewrite("[{user: root}]", "[{user: root}, {user: postgres}]")
    it.rewrite("audit:", "audti:")
    it.run.process.send_signal(signal.SIGHUP)
    it.run.until("audti")
    assert it.psql("SELECT 'as before'").stdout == "as before\n"
    assert it.psql("SELECT 1", account="postgres").returncode == 2
    it.stop()


def test_a_route_that_a_reload_removes_takes_its_socket_along_and_can_come_back(service):
    it = service()
    route = it.add_route(5433)
    it.start()
    assert it.psql("SELECT 'second'", port=5433).stdout == "second\n"
    it.rewrite(route, "")
    assert it.reload()
    assert sorted(os.listdir(it.directory)) == [".s.PGSQL.5432", ".s.PGSQL.5432.lock"]
    assert it.psql("SELECT 1", port=5433).returncode == 2
    it.add_route(5433)
    assert it.reload(), it.run.output
    assert it.psql("SELECT 'back'", port=5433).stdout == "back\n"
    assert it.psql("SELECT 'all the time'").stdout == "all the time\n"
    it.stop()
    assert os.listdir(it.directory) == []


def test_a_reload_that_fails_at_its_second_route_does_not_stand_in_the_way_of_the_next(service, sallyport):
    it = service().start()
    # Below a directory of sockets: the sandbox lets a reload have no other (test_sandbox.py).
    open_to_all = os.path.join(it.directory, "open")
    os.mkdir(open_to_all)
    os.chmod(open_to_all, 0o777)
    it.add_route(5433)
    it.add_route(5432, directory=open_to_all)
    for _ in range(2):
        assert not it.reload()
        assert f"{it.directory}/.s.PGSQL.5433: is in use" not in it.run.output
        assert not os.path.exists(it.socket_of(5433))
        assert it.psql("SELECT 'as before'").stdout == "as before\n"
    os.chmod(open_to_all, 0o755)
    assert it.reload(), it.run.output
    assert it.psql("SELECT 'now'", port=5433).stdout == "now\n"
    it.stop()


def test_a_route_whose_port_is_written_out_later_is_the_same(service):
    it = service()
    it.rewrite(f"unix:{it.directory}:5432", f"unix:{it.directory}")
    it.start()
    live = it.psycopg(autocommit=True)
    it.rewrite(f"unix:{it.directory}", f"unix:{it.directory}:5432")
    assert it.reload(), it.run.output
    assert live.execute("SELECT 'still'").fetchone() == ("still",)
    live.close()
    it.stop()


def test_while_it_drains_the_socket_is_free_for_a_successor(service, sallyport):
    it = service().start()
    live = it.psycopg(autocommit=True)
    it.run.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not os.path.exists(it.socket), "the socket to be given up")
    first = it.run
    it.start()
    assert it.psql("SELECT 'new'").stdout == "new\n"
    assert live.execute("SELECT 'old'").fetchone() == ("old",)
    live.close()
    assert first.wait(20).code == 0
    assert it.psql("SELECT 'still there'").stdout == "still there\n"
    it.stop()


def test_check_config_accepts_what_serve_accepts(service, sallyport):
    it = service()
    assert sallyport.run("check-config", "-c", it.config).code == 0


@pytest.mark.parametrize("old, new, says", [
    ("database: app", "databse: app", "database"), ("port: ", "port: x", "port"), ("version: 1", "version: 9", "version"),
    ("engine: postgresql", "engine: mysql", "not in this version"), ("target: main", "target: mian", "main"),
    ("audit: {", "alerts: {}\naudit: {", "not in this version")])
def test_check_config_names_line_column_and_remedy(service, sallyport, old, new, says):
    it = service()
    it.rewrite(old, new)
    run = sallyport.run("check-config", "-c", it.config)
    assert run.code == 2 and says in run.output
    assert f"{it.config}:" in run.output
    assert sallyport.run("serve", "-c", it.config).code == 2


def test_a_literal_password_is_refused_without_being_repeated(service, sallyport):
    it = service()
    it.rewrite("    user: app", "    user: app\n    password: hunter2-in-clear")
    run = sallyport.run("check-config", "-c", it.config)
    assert run.code == 2 and "hunter2" not in run.output and "file:" in run.output


def test_a_configuration_that_others_can_write_is_refused(service, sallyport):
    it = service()
    os.chmod(it.config, 0o666)
    run = sallyport.run("serve", "-c", it.config)
    assert run.code == 2 and "chmod" in run.output


@pytest.fixture
def own_ca(sallyport, pki):
    path = os.path.join(sallyport.folder, "ca.pem")
    shutil.copyfile(pki.ca, path)
    os.chmod(path, 0o644)
    return path


def test_a_ca_file_that_others_can_write_is_refused_at_start(service, sallyport, pki, own_ca):
    it = service()
    it.rewrite(pki.ca, own_ca)
    os.chmod(own_ca, 0o666)
    run = sallyport.run("serve", "-c", it.config)
    assert run.code == 2 and own_ca in run.output and "chmod" in run.output


def test_a_ca_file_that_others_can_write_stops_a_reload(service, pki, own_ca):
    it = service()
    it.rewrite(pki.ca, own_ca)
    it.start()
    os.chmod(own_ca, 0o666)
    it.run.process.send_signal(signal.SIGHUP)
    it.run.until("the configuration was not reloaded")
    assert own_ca in it.run.output
    assert it.psql("SELECT 'as before'").stdout == "as before\n"
    it.stop()


def test_a_second_instance_is_refused_and_the_first_goes_on(service, sallyport):
    it = service().start()
    second = sallyport.run("serve", "-c", it.config)
    assert second.code == 2 and second.stderr.strip()
    assert it.psql("SELECT 'first'").stdout == "first\n"
    it.stop()


def test_a_stale_socket_is_replaced(service):
    it = service().start()
    it.run.process.kill()
    it.run.wait()
    assert os.path.exists(it.socket)
    it.start()
    wait_for(lambda: it.psql("SELECT 'again'").stdout == "again\n", "the new instance to serve")
    it.stop()


@pytest.mark.parametrize("spoil, says", [
    (lambda d: os.chmod(d, 0o777), "chmod"),
    (lambda d: os.chown(d, 65534, 65534), "own"),
    (lambda d: (os.rmdir(d), os.symlink("/tmp", d)), "link"),
])
def test_a_socket_directory_that_is_not_ours_is_refused(service, sallyport, spoil, says):
    if os.getuid() != 0:
        skip_here("needs root to give the directory away")
    it = service()
    spoil(it.directory)
    run = sallyport.run("serve", "-c", it.config)
    assert run.code == 2 and says in run.output.lower(), run.output


def query_until_told(it, started):
    """What a client that never stops asking is told when its server goes: the SQLSTATEs of notices and of the error. It reads to the
    end, also when a query can no longer be sent; libpq gives up there, and hears nothing of what has come (nor does it directly)."""
    with RawClient.of(it) as client:
        while True:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.send(query("SELECT pg_sleep(0.01)"))
            answers = client.until_ready(or_end=True)
            if not answers or answers[-1][0] != "Z":
                return [fields(body)["C"] for kind, body in answers if kind in "EN"]
            started.release()


def test_the_server_restarted_under_load_is_told_to_its_clients_and_survived(own_pg, pki, sallyport, secret):
    it = Service(sallyport, own_pg, pki, f"file:{sallyport.secret_file(secret)}").start()
    own_pg.sql("CHECKPOINT")        # the test's server loses what it has not written yet, the roles among it
    started = threading.Semaphore(0)
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(query_until_told, it, started) for _ in range(4)]
        for _ in range(40):
            assert started.acquire(timeout=20)
        own_pg.stop(immediate=True)
        for client in as_completed(clients, 20):
            heard = client.result()
            assert any(state == "57P01" or state.startswith("08") for state in heard), heard
    own_pg.start()
    wait_for(lambda: it.psql("SELECT 'back'").stdout == "back\n", "new sessions after the restart", 30)
    load = subprocess.run(["pgbench", "-n", "-C", "-c", "4", "-t", "10", "-f", "/dev/stdin", "-h", it.directory, "-U", "app", "app"],
                          input="SELECT 1;\n", capture_output=True, text=True, timeout=60)
    assert load.returncode == 0 and "number of failed transactions: 0 " in load.stdout, load.stdout + load.stderr
    assert it.run.process.poll() is None, "the same process"
    assert it.stop().code == 0


def test_a_server_that_is_away_is_said_to_the_client_and_found_again(service, own_pg, pki, sallyport, secret):
    it = Service(sallyport, own_pg, pki, f"file:{sallyport.secret_file(secret)}").start()
    own_pg.stop()
    refused = it.psql("SELECT 1")
    assert refused.returncode == 2 and "refused" in refused.stderr and str(own_pg.port) in refused.stderr
    own_pg.start()
    wait_for(lambda: it.psql("SELECT 'back'").stdout == "back\n", "the server to be found again", 30)
    it.stop()


@pytest.mark.parametrize("tls, certificate, admitted", [
    ("mode: require, reason: test, until: \"{soon}\"", "wrong-ca", True),
    ("mode: verify-ca, reason: test, until: \"{soon}\"", "other-host", True),
    ("mode: verify-ca, reason: test, until: \"{soon}\"", "wrong-ca", False),
    ("crl: \"{crl}\"", "good", True),
    ("crl: \"{crl}\"", "revoked", False),
    ("min_version: \"1.3\"", "good", True),
])
def test_modes_and_revocation_lists(service, pg, pki, tls, certificate, admitted):
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86400))
    with pg.certificate(certificate), pg.log_since() as read:
        it = service(tls=tls.format(soon=soon, crl=pki.crl)).start()
        done = it.psql("SELECT 'in'")
        assert (done.stdout == "in\n") == admitted, done.stderr
        assert bool(connections_in(read())) == admitted
        if "reason" in tls:
            assert "tls.until" in it.run.output or soon in it.run.output
        if certificate == "revoked":
            assert "revoked" in done.stderr
        it.stop()


def test_a_weaker_mode_needs_a_reason_and_an_end(service, sallyport):
    it = service(tls="mode: require")
    run = sallyport.run("check-config", "-c", it.config)
    assert run.code == 2 and "reason" in run.output and "until" in run.output


def test_a_client_certificate_logs_in(service, sallyport, pg, pki, secret):
    keys = f'certificate: "{pki.leaf("client").certificate}", key: "{pki.leaf("client").key}"'
    it = service(user="cert_user", tls=keys).start()
    done = it.psql("SELECT current_user")
    assert done.stdout == "cert_user\n", done.stderr + it.run.output
    it.stop()


@pytest.mark.parametrize("user, method", [("md5_user", "md5"), ("plain_user", "password")])
def test_weaker_login_methods_work_where_a_reason_is_given(service, user, method):
    it = service(user=user, extra_target=f"    login_methods: [{method}]\n    login_reason: the test's server is old").start()
    assert it.psql("SELECT current_user").stdout == f"{user}\n"
    assert "login_reason" in it.run.output or "old" in it.run.output
    it.stop()


def test_a_database_that_refuses_us_costs_nobody_else_the_credential(sallyport, own_pg, pki, secret):
    hba = os.path.join(own_pg.data, "pg_hba.conf")
    with open(hba, encoding="ascii") as file:
        rules = file.read()
    with open(hba, "w", encoding="ascii") as file:
        file.write("hostssl postgres app all reject\n" + rules)
    own_pg.reload()
    it = Service(sallyport, own_pg, pki, f"file:{sallyport.secret_file(secret)}")
    it.rewrite("    database: app\n", "    database: [app, postgres]\n")
    it.start()
    assert it.psql("SELECT 1").stdout == "1\n"
    with own_pg.log_since() as read:
        for _ in range(3):
            refused = it.psql("SELECT 1", database="postgres")
            assert refused.returncode == 2 and "pg_hba.conf" in refused.stderr, refused.stderr
            assert it.psql("SELECT 1").stdout == "1\n"
        assert read().count("pg_hba.conf rejects connection") == 3, "one login each: no fetch and no second try"
    it.stop()


def test_in_a_full_pool_another_identity_is_next(service):
    it = service(extra_target="    pool: {max: 2, min_ready: 0}",
                 allow='[{user: root}, {user: postgres}]').start()
    held = [it.psycopg() for _ in range(2)]
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(it.psycopg, options=f"-c work_mem={64 + i}MB") for i in range(4)]
        time.sleep(0.5)
        other = pool.submit(it.psql, "SELECT 'hello'", account="postgres", seconds=10)
        time.sleep(0.5)
        assert not other.done() and not any(one.done() for one in waiting)
        held.pop().close()
        assert other.result(10).stdout == "hello\n", "ahead of four that have waited longer and would hold on"
        held.pop().close()
        for one in as_completed(waiting, 20):
            one.result().close()
    it.stop()
