"""Local passwords: verifiers as PostgreSQL's own, asked for by SCRAM, and nothing told to who tries names (threat 18)."""

import base64
import hashlib
import hmac
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess

import psycopg
import pytest

from conftest import attempts_in
from harness import canary
from harness.processes import wait_for
from harness.sallyport import binary
from harness.service import Service


def passwd(sallyport, *arguments, password=None, code=0):
    """The finished `sallyport passwd`, its password on standard input."""
    done = subprocess.run([binary(), "passwd", *arguments, *(["--stdin"] if password is not None else [])],
                          input=(password or "") + "\n", env=sallyport.env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def accounts(sallyport):
    """A file with alice and bob; (path, their passwords)."""
    path = os.path.join(sallyport.folder, "home", "passwords")
    passwords = {name: canary.make() for name in ("alice", "bob")}
    for name, password in passwords.items():
        passwd(sallyport, name, "--file", path, password=password)
    return path, passwords


@pytest.fixture
def service(sallyport, pg, pki, secret, accounts):
    def make(allow=None, **more):
        return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}",
                       allow=allow or f"[{{verifier: {accounts[0]}}}]", **more)
    return make


def psql(it, user, password=None, statement="SELECT 'in'"):
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **({"PGPASSWORD": password} if password else {})}
    return subprocess.run(["psql", "-XAtqw", "-h", it.directory, "-U", user, "-d", "app", "-c", statement],
                          capture_output=True, text=True, timeout=60, cwd="/", env=env)


# -- sallyport passwd ---------------------------------------------------------------------------


def test_postgresql_takes_the_verifier_as_its_own(sallyport, pg):
    password = "pässword with ﬁ"     # SASLprep: ﬁ becomes fi
    verifier = passwd(sallyport, "--iterations", "5000", password=password).stdout.strip()
    assert re.fullmatch(r"SCRAM-SHA-256\$5000:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}", verifier)
    pg.sql(f"CREATE ROLE from_passwd LOGIN PASSWORD '{verifier}'")
    try:
        assert pg.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'from_passwd'") == [(verifier,)]
        for typed in (password, "pässword with fi"):
            psycopg.connect(host="127.0.0.1", port=pg.port, user="from_passwd", dbname="postgres", password=typed,
                            sslmode="require").close()
    finally:
        pg.sql("DROP ROLE from_passwd")


def test_the_password_is_asked_for_twice_and_never_shown(sallyport):
    def talk(*answers):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(binary(), [binary(), "passwd", "alice"], sallyport.env())
        shown, status = b"", None
        for answer in answers:
            while not shown.endswith((b"password: ", b"Again: ")):
                shown += os.read(terminal, 100)
            os.write(terminal, answer)
            shown += b"|"
        while True:
            if select.select([terminal], [], [], 20)[0]:
                try:
                    shown += os.read(terminal, 1000)
                    continue
                except OSError:
                    pass
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.close(terminal)
            return status, shown.decode()

    code, shown = talk(b"sesame-7\n", b"sesame-7\n")
    assert code == 0 and "alice:SCRAM-SHA-256$4096:" in shown and "sesame" not in shown
    code, shown = talk(b"sesame-7\n", b"sesame-8\n")
    assert code == 2 and "not the same" in shown and "sesame" not in shown
    code, shown = talk(b"\x03")
    assert code == 2 and "SCRAM" not in shown


def test_a_generated_password_goes_to_a_new_private_file_and_not_into_a_pipe(sallyport, tmp_path):
    refused = passwd(sallyport, "app", "--generate", code=2)
    assert "--password-file" in refused.stderr and refused.stdout == ""
    here = tmp_path / "password"
    line = passwd(sallyport, "app", "--generate", "--password-file", str(here)).stdout
    password = here.read_text()
    assert len(password) == 32 and password not in line and os.stat(here).st_mode & 0o777 == 0o600
    assert "is there already" in passwd(sallyport, "app", "--generate", "--password-file", str(here), code=2).stderr \
        or "cannot be made" in passwd(sallyport, "app", "--generate", "--password-file", str(here), code=2).stderr
    again = passwd(sallyport, password=password).stdout
    salt = re.search(r"\$4096:([^$]*)\$([^:]*)", line)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt.group(1)), 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    assert base64.b64encode(stored).decode() == salt.group(2) and again.startswith("SCRAM-SHA-256$4096:")


@pytest.mark.parametrize("arguments, said", [
    (["--iterations", "4095"], "--iterations"), (["a:b"], "NAME"), (["--file", "/tmp/x"], "NAME"),
    (["--password-file", "/tmp/x"], "--generate"), (["-o", "/tmp/x"], "-o"), (["a", "b"], "b is not expected")])
def test_what_passwd_does_not_understand_it_says(sallyport, arguments, said):
    assert said in passwd(sallyport, *arguments, password="x", code=2).stderr


@pytest.mark.parametrize("given", ["", "\0x", "x" * 1025])
def test_passwords_that_no_client_could_send_are_refused(sallyport, given):
    done = passwd(sallyport, password=given, code=2)
    assert done.stdout == "" and "xxx" not in done.stderr


def test_the_file_keeps_its_other_lines(sallyport, accounts):
    path, _ = accounts
    before = open(path, encoding="utf-8").read().splitlines()
    passwd(sallyport, "alice", "--file", path, password="another")
    after = open(path, encoding="utf-8").read().splitlines()
    assert len(after) == 2 and after[1] == before[1] and after[0] != before[0] and after[0].startswith("alice:")
    assert os.stat(path).st_mode & 0o777 == 0o600


# -- serve --------------------------------------------------------------------------------------


def test_psql_logs_in_with_the_password_and_the_trail_names_it(service, sallyport, accounts, secret):
    path, passwords = accounts
    it = service().start()
    assert psql(it, "alice", passwords["alice"], "SELECT current_user").stdout == "app\n"
    assert psql(it, "bob", passwords["bob"]).stdout == "in\n"
    it.stop()
    starts = sallyport.audit("-c", it.config, "--kind", "session_start")
    assert [row["verified"]["identity"] for row in starts] == ["password:alice", "password:bob"]
    for password in passwords.values():
        sallyport.assert_no_canary(password)


def test_wrong_missing_and_foreign_passwords_reach_no_server(service, sallyport, pg, accounts):
    passwords = accounts[1]
    it = service(extra_target="    pool: {min_ready: 0}").start()
    with pg.log_since() as read:
        for user, password in (("alice", "wrong"), ("alice", passwords["bob"]), ("mallory", passwords["alice"]), ("alice", None)):
            refused = psql(it, user, password)
            assert refused.returncode == 2, (user, refused.stdout)
            assert "alice" not in refused.stderr.replace('user "alice"', "") and "rule" not in refused.stderr
        assert attempts_in(read()) == 0
    it.stop()
    assert len(sallyport.audit("-c", it.config, "--kind", "session_denied")) >= 3


def test_whom_a_rule_knows_by_its_account_is_asked_for_nothing(service, accounts):
    it = service(allow=f"[{{user: root}}, {{verifier: {accounts[0]}}}]").start()
    assert psql(it, "whoever").stdout == "in\n"
    it.stop()


def test_of_several_roles_the_first_rule_that_matches_gives_its_own(sallyport, pg, pki, secret, accounts):
    path, passwords = accounts
    reference = f"file:{sallyport.secret_file(secret)}"
    it = Service(sallyport, pg, pki, reference, user=None,
                 allow=f"[{{verifier: {path}, login: alice, role: writes}}, {{verifier: {path}, role: reads}}]")
    it.rewrite(f'    auth: "{reference}"\n', f'    roles: {{writes: {{auth: "{reference}", user: app}}, '
               f'reads: {{auth: "{reference}", user: other_user}}}}\n')
    it.start()
    assert psql(it, "alice", passwords["alice"], "SELECT current_user").stdout == "app\n"
    assert psql(it, "bob", passwords["bob"], "SELECT current_user").stdout == "other_user\n"
    it.stop()


def test_a_rule_with_a_user_and_a_password_needs_both(service, accounts):
    path, passwords = accounts
    it = service(allow=f"[{{user: postgres, verifier: {path}, login: alice}}]").start()
    env = {"PATH": os.environ["PATH"], "PGPASSWORD": passwords["alice"]}
    command = ["psql", "-XAtqw", "-h", it.directory, "-U", "alice", "-d", "app", "-c", "SELECT 'in'"]
    assert subprocess.run(command, capture_output=True, text=True, env=env, cwd="/").returncode == 2
    assert subprocess.run(command, capture_output=True, text=True, env=env, cwd="/", user="postgres").stdout == "in\n"
    it.stop()


def hear(path, user, password):
    """Every byte that the server says to this login, up to its close. SCRAM by hand, so that nothing is left out."""
    def message(connection):
        head = connection.recv(5, socket.MSG_WAITALL)
        if len(head) < 5:
            return b""
        return head + connection.recv(struct.unpack("!I", head[1:])[0] - 4, socket.MSG_WAITALL)

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        body = struct.pack("!I", 196608) + b"user\0" + user.encode() + b"\0database\0app\0\0"
        connection.sendall(struct.pack("!I", len(body) + 4) + body)
        heard = [message(connection)]
        first = b"n=,r=clientnonce"
        data = b"SCRAM-SHA-256\0" + struct.pack("!I", len(first) + 3) + b"n,," + first
        connection.sendall(b"p" + struct.pack("!I", len(data) + 4) + data)
        heard.append(message(connection))
        server_first = heard[-1][9:]
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without = b"c=biws,r=" + fields["r"].encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), b",".join((first, server_first, without)), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))
        data = without + b",p=" + proof
        connection.sendall(b"p" + struct.pack("!I", len(data) + 4) + data)
        while heard[-1]:
            heard.append(message(connection))
    return heard, fields


def masked(heard):
    whole = b"\n".join(heard)
    for pattern, instead in ((rb"r=clientnonce[^,]*", b"r=NONCE"), (rb"s=[A-Za-z0-9+/]{22}==", b"s=SALT"),
                             (rb"Event [0-9a-f]{16}", b"Event ID")):
        whole = re.sub(pattern, instead, whole)
    return whole


def test_not_a_byte_tells_a_name_that_exists_from_one_that_does_not(service):
    it = service().start()
    known = masked(hear(it.socket, "alice", "wrong")[0])
    assert b"s=SALT,i=4096" in known and b"28P01" in known
    for name in ("mallory", "alicf", "x" * 60, "postgres"):
        assert masked(hear(it.socket, name, "wrong")[0]) == known
    it.stop()


def test_unknown_names_have_a_stable_salt_also_over_a_restart(service):
    it = service().start()
    salts = [hear(it.socket, name, "wrong")[1]["s"] for name in ("mallory", "mallory", "mallorz", "alice")]
    assert salts[0] == salts[1] != salts[2] and salts[3] not in salts[:3]
    it.stop()
    it.start()
    assert hear(it.socket, "mallory", "wrong")[1]["s"] == salts[0]
    assert hear(it.socket, "alice", "wrong")[1]["s"] == salts[3]
    it.stop()


def test_a_reload_takes_new_passwords_and_ends_the_sessions_of_names_that_are_gone(service, sallyport, accounts):
    path, passwords = accounts
    it = service(extra="reload: {grace: 1 s}").start()
    connect = {"host": it.directory, "port": it.port, "dbname": "app", "autocommit": True}
    alice = psycopg.connect(user="alice", password=passwords["alice"], **connect)
    bob = psycopg.connect(user="bob", password=passwords["bob"], **connect)
    lines = open(path, encoding="utf-8").read().splitlines()
    with open(path, "w", encoding="utf-8") as file:
        file.write(next(line for line in lines if line.startswith("bob:")) + "\n")
    passwd(sallyport, "bob", "--file", path, password="new-one")
    assert it.reload(), it.run.output
    with pytest.raises(psycopg.errors.AdminShutdown):
        alice.execute("SELECT 1")
    assert bob.execute("SELECT 'still'").fetchone() == ("still",)
    assert psql(it, "alice", passwords["alice"]).returncode == 2
    assert psql(it, "bob", passwords["bob"]).returncode == 2
    assert psql(it, "bob", "new-one").stdout == "in\n"
    it.stop()
    assert "another password for bob" in sallyport.audit("-c", it.config, "--kind", "policy_changed")[0]["reason"]


def test_a_file_that_others_may_write_is_refused_and_a_reload_keeps_the_old_one(service, accounts):
    path, passwords = accounts
    it = service().start()
    os.chmod(path, 0o666)
    assert not it.reload()
    assert "chmod" in it.run.output
    assert psql(it, "alice", passwords["alice"]).stdout == "in\n"
    os.chmod(path, 0o600)
    it.stop()


def test_a_flood_of_wrong_passwords_leaves_others_their_place(service, accounts):
    passwords = accounts[1]
    it = service().start()
    guesses = [subprocess.Popen(["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do PGPASSWORD=$i psql -XAtqw -h {it.directory} -U "
                                 "alice -d app -c 'SELECT 1'; done"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                cwd="/") for _ in range(4)]
    assert psql(it, "bob", passwords["bob"]).stdout == "in\n"
    for guess in guesses:
        guess.wait(60)
    it.stop()


def test_jdbc_style_clients_that_send_the_password_at_once_and_psycopg_get_in(service, accounts):
    passwords = accounts[1]
    it = service().start()
    with psycopg.connect(host=it.directory, port=it.port, user="alice", password=passwords["alice"], dbname="app") as one:
        assert one.execute("SELECT 1").fetchone() == (1,)
    it.run.process.send_signal(signal.SIGTERM)
    wait_for(lambda: it.run.process.poll() is not None, "serve to end")
