"""Mistakes of people and bytes of strangers: one line that says what, where and how to fix it; never a crash or a hang."""

import json
import os
import random
import re
import socket
import struct
import time

import pytest

from harness.children import psql
from harness.processes import resident_kb
from harness.service import Service


def one_line(run, *says):
    """One line and its fix; between them, where a reference is misspelt, the reference and a caret below the character."""
    assert run.code == 125, run.output
    what, *pointer, fix = run.stderr.splitlines()
    assert re.match(r"sallyport: \S", what) and re.match(r"  fix: \S", fix), run.stderr
    assert not pointer or re.fullmatch(r"    \S.*\n {4,}\^", "\n".join(pointer)), run.stderr
    for pattern in says:
        assert re.search(pattern, run.stderr, re.I), run.stderr
    assert "terminate called" not in run.stderr


@pytest.mark.parametrize("url, says", [
    ("file:/x?engine=postgresql&hots=localhost&dbname=app", "host"),
    ("vault:database/creds/x?engine=postgresql&dbname=app", "host is missing"),
    ("file:/x?engine=oracle&host=localhost&dbname=app", "engine|oracle"),
    ("file:/x?engine=mysql&host=localhost&dbname=app", "not in this version|mysql"),
    ("file:/x?engine=postgresql&host=localhost&port=99999&dbname=app", "port"),
    ("file:/x?engine=postgresql&host=localhost&port=abc&dbname=app", "port"),
    ("file:/nonexistent/pw?engine=postgresql&host=localhost&dbname=app&user=app", "/nonexistent/pw"),
    ("file:relative?engine=postgresql&host=localhost&dbname=app&user=app", "absolute|relative"),
    ("file:/a/../etc/shadow?engine=postgresql&host=localhost&dbname=app&user=app", r"\.\."),
    ("fiel:/x?engine=postgresql&host=localhost&dbname=app", "file"),
    ("vautl:database/creds/x?engine=postgresql&host=localhost&dbname=app", "vault|not a reference"),
    ("vault:?engine=postgresql&host=localhost&dbname=app", "vault|locator|path"),
    ("vault:database/creds/%zz?engine=postgresql&host=localhost&dbname=app", "%"),
    ("aws-sm:prod/db?engine=mongodb&host=localhost&dbname=app", "not in this version|mongodb"),
    ("file:/x?engine=postgresql&host=localhost&dbname=app&sslmode=disable", "sslmode|TLS"),
    ("env:NO_SUCH_VARIABLE?engine=postgresql&host=localhost&dbname=app&user=app", "NO_SUCH_VARIABLE"),
    ("systemd:db?engine=postgresql&host=localhost&dbname=app&user=app", "CREDENTIALS_DIRECTORY"),
])
def test_references_with_mistakes(sallyport, url, says):
    one_line(sallyport.exec(["echo", "started"], url), says)


@pytest.mark.parametrize("attributes", ["dbname=app&user=app", "user=app"])
def test_a_host_that_neither_reference_nor_secret_names(sallyport, secret, attributes):
    run = sallyport.exec(["echo", "started"], f"file:{sallyport.secret_file(secret)}?{attributes}")
    one_line(run, "host is missing: neither", "fix: Add host=")
    assert "started" not in run.stdout


@pytest.mark.parametrize("url, says", [
    ("", "DATABASE_URL is empty"),
    ("flie:/x?host=localhost", r"Did you mean file:\?"),
    ("postgresql://app@localhost/app", "is a connection string, not a reference"),
    ("correct horse", "is not a reference \\(value not shown"),
])
def test_what_stands_in_database_url_instead_of_a_reference(sallyport, url, says):
    run = sallyport.exec(["echo", "started"], url)
    one_line(run, says, "fix: ")
    assert "horse" not in run.output


def test_no_database_url_at_all(sallyport):
    one_line(sallyport.exec(["true"]), "DATABASE_URL")


def test_a_plain_url_with_a_password_is_no_reference(sallyport, secret):
    import urllib.parse
    run = sallyport.exec(["echo", "started"], f"postgresql://app:{urllib.parse.quote(secret, safe='')}@localhost/app")
    assert run.code == 125
    sallyport.assert_no_canary(secret)


def test_no_command(sallyport, file_url):
    run = sallyport.run("exec", env={"DATABASE_URL": file_url()})
    assert run.code == 125 and "--" in run.stderr


@pytest.mark.parametrize("arguments", [["exce"], ["exec", "--lisen", "tcp", "--", "true"], ["serve", "-c", "/nonexistent.yaml"],
                                       ["exec", "--listen", "carrier-pigeon", "--", "true"], ["check-config", "-c", "/etc"]])
def test_arguments_with_mistakes(sallyport, arguments):
    run = sallyport.run(*arguments)
    assert run.code in (2, 125) and run.output.strip() and "terminate called" not in run.stderr


def test_an_unknown_option_is_named(sallyport):
    run = sallyport.run("exec", "--nope", "--", "true")
    one_line(run, r"sallyport: --nope is not expected$|sallyport: --nope is not expected\n")


def test_an_option_before_the_command_is_told_by_the_commands_exit_code(sallyport):
    assert sallyport.run("--frob", "exec", "--", "true").code == 125
    assert sallyport.run("--frob", "audit", "tail").code == 2
    assert "-vx is no option" in sallyport.run("-vx", "exec", "--", "true").stderr
    assert "DATABASE_URL is not set" in sallyport.run("-vv", "exec", "--", "true").stderr


def test_format_is_the_logs_and_output_is_refused_where_there_is_none(sallyport, file_url):
    for place in (["--format", "json", "exec"], ["exec", "--format=json"]):
        run = sallyport.run(*place, "-e", f"DATABASE_URL={file_url()}", "--", "true").ok()
        assert run.stderr and all(json.loads(line) for line in run.stderr.splitlines()), run.stderr
    refused = sallyport.run("exec", "-o", "/tmp/nobody", "--", "true", env={"DATABASE_URL": file_url()})
    assert refused.code == 125 and "-o: this command writes nothing but its log" in refused.stderr


def test_help_lists_the_commands(sallyport):
    run = sallyport.run("--help").ok()
    for command in ("exec", "serve", "connect", "check-config", "audit"):
        assert command in run.stdout
    assert "exec" in sallyport.run("exec", "--help").ok().stdout
    assert re.search(r"\d+\.\d+\.\d+", sallyport.run("--version").ok().stdout)


@pytest.fixture
def service(sallyport, pg, pki, secret):
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}").start()
    yield it
    it.stop()


def dial(service):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(25)
    connection.connect(service.socket)
    return connection


def read_until_closed(connection):
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


START = struct.pack("!I", 196608)


@pytest.mark.parametrize("name, data", [
    ("random", random.Random(1).randbytes(2000)), ("zeroes", b"\0" * 2000), ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("length of 4 GB", b"\xff\xff\xff\xff" + START), ("length of 3", b"\0\0\0\3" + START),
    ("oversized start-up", struct.pack("!I", 200_000) + START + b"a" * 200_000),
    ("no terminator", struct.pack("!I", 20) + START + b"user=app1234"),
    ("old protocol", struct.pack("!II", 8, 131072)), ("no user", struct.pack("!I", 9) + START + b"\0"),
    ("query first", b"Q\0\0\0\x0dSELECT 1\0"),
    ("ssl twice", struct.pack("!II", 8, 80877103) * 40),
    ("tls hello", bytes.fromhex("16030100050100000100")),
])
def test_garbage_is_closed_and_the_next_client_is_served(service, name, data):
    with dial(service) as connection:
        try:
            connection.sendall(data)
            if name != "ssl twice":
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        read_until_closed(connection) if name != "ssl twice" else connection.recv(4096)
    assert service.psql("SELECT 'next'").stdout == "next\n"


@pytest.mark.parametrize("data", [b"X\0\0\0", b"X\0\0\0\4", b"\0\0\0\7", b"\xff\xff\xff\xff" + START, b"GET / HTTP/1.1\r\n\r\n"])
def test_an_impossible_first_length_is_closed_at_once_and_without_a_word(service, pg, data):
    """As by PostgreSQL, which is asked, too. node-postgres ends so when it is told to before it began."""
    with socket.socket(socket.AF_UNIX) as direct:
        direct.settimeout(10)
        direct.connect(f"{pg.folder}/.s.PGSQL.{pg.port}")
        direct.sendall(data)
        assert read_until_closed(direct) == b""
    with dial(service) as connection:
        connection.settimeout(3)
        connection.sendall(data)
        assert read_until_closed(connection) == b""
    assert service.psql("SELECT 'next'").stdout == "next\n"


def test_slow_loris_is_closed_at_the_login_deadline(service):
    with dial(service) as connection:
        started = time.monotonic()
        body = START + b"user\0app\0database\0app\0\0"
        packet = struct.pack("!I", len(body) + 4) + body
        try:
            for byte in packet[:-3]:
                connection.sendall(bytes([byte]))
                time.sleep(0.5)
                if time.monotonic() - started > 22:
                    break
            connection.recv(1)
        except OSError:
            pass
        took = time.monotonic() - started
    assert took < 20, f"held open for {took:.0f} s"
    assert service.psql("SELECT 'next'").stdout == "next\n"


def test_five_hundred_silent_connections_do_not_keep_others_out(service):
    before = resident_kb(service.run.pid)
    silent = []
    try:
        for _ in range(500):
            try:
                silent.append(dial(service))
            except OSError:
                break
        assert service.psql("SELECT 'in'", seconds=30).stdout == "in\n"
        assert resident_kb(service.run.pid) - before < 50_000
    finally:
        for connection in silent:
            connection.close()


def test_random_bytes_inside_a_session_end_that_session_only(service):
    chance = random.Random(7)
    for _ in range(20):
        with dial(service) as connection:
            body = START + b"user\0app\0database\0app\0\0"
            connection.sendall(struct.pack("!I", len(body) + 4) + body)
            connection.recv(65536)
            try:
                connection.sendall(chance.randbytes(3000))
                connection.shutdown(socket.SHUT_WR)
                read_until_closed(connection)
            except OSError:
                pass
    assert service.psql("SELECT 'clean'").stdout == "clean\n"
    assert os.path.exists(f"/proc/{service.run.pid}")


def test_a_reference_in_psqls_own_output_is_not_touched(sallyport, file_url):
    assert sallyport.exec(psql("SELECT 'vault:database/creds/x'"), file_url()).ok().stdout == "vault:database/creds/x\n"
