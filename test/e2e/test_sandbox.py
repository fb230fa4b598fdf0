"""What `serve` gives up, as the kernel tells it, and what it still does (docs/operations.md, Sandbox)."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile

import pytest

from harness.processes import wait_for
from harness.service import Service
from test_client_tls import SPIFFE, TlsService

# Runs the words behind it where the kernel seems to lack system calls: their numbers come first, up to "--".
LACKING = r"""
import ctypes, os, struct, sys
words = sys.argv[1:]
numbers = [int(n) for n in words[:words.index("--")]]
code = [(0x20, 0, 0, 0)]                                # load the number
for number in numbers:
    code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | 38)]    # is it this one: ENOSYS
code += [(0x06, 0, 0, 0x7fff0000)]                      # else go on
filters = b"".join(struct.pack("HBBI", *one) for one in code)
buffer = ctypes.create_string_buffer(filters)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0                  # no_new_privs
assert libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(words[words.index("--") + 1], words[words.index("--") + 1:])
"""
LANDLOCK = 444      # on every processor


def has_landlock():
    import ctypes
    return ctypes.CDLL(None).syscall(LANDLOCK, None, 0, 1) > 0


@pytest.fixture
def service(sallyport, pg, pki, secret):
    def make(auth=None, extra="", inside=(), **more):
        admin = f'admin: {{socket: "{sallyport.folder}/sock/admin.sock", listen: "off"}}\n'
        it = Service(sallyport, pg, pki, auth or f"file:{sallyport.secret_file(secret)}", extra=admin + extra, **more)
        it.start(inside=inside)
        it.run.until('"serving"')
        return it
    return make


def facts_of(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def children_of(pid):
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            facts = facts_of(name)
        except OSError:
            continue
        if facts["PPid"] == str(pid):
            found[facts["Name"]] = int(name)
    return found


def status_of(it):
    text = it.sallyport.run("status", "-c", it.config, "--format", "json").ok().stdout
    return json.loads(text)["process"]


def test_every_thread_is_confined_and_the_processes_outside_are_not(service):
    it = service()
    assert it.psql("SELECT 1").stdout == "1\n"
    threads = os.listdir(f"/proc/{it.run.pid}/task")
    assert len(threads) > 3
    for thread in threads:
        facts = facts_of(it.run.pid, thread)
        assert (facts["Seccomp"], facts["NoNewPrivs"]) == ("2", "1"), facts["Name"]
    outside = children_of(it.run.pid)
    assert "sallyport-exec" in outside
    for pid in outside.values():
        assert facts_of(pid)["Seccomp"] == "0"
    it.stop()


def test_status_says_what_is_in_force(service):
    it = service()
    process = status_of(it)
    assert process["sandbox"]["mode"] == "auto"
    assert "system_calls" in process["sandbox"]["in_force"]
    assert ("files" in process["sandbox"]["in_force"]) == has_landlock()
    assert ("landlock" in process["missing"]) == (not has_landlock())
    text = it.sallyport.run("status", "-c", it.config).ok().stdout
    assert "\nsandbox: " in text and "system calls" in text
    it.stop()


def test_a_kernel_without_landlock_still_forbids_system_calls_and_is_told(service):
    it = service(inside=[sys.executable, "-c", LACKING, str(LANDLOCK), "--"])
    assert it.psql("SELECT 1").stdout == "1\n"
    process = status_of(it)
    assert process["sandbox"] == {"mode": "auto", "in_force": ["system_calls"], "landlock": 0}
    assert "landlock" in process["missing"]
    assert "missing: landlock" in it.sallyport.run("status", "-c", it.config).ok().stdout
    assert facts_of(it.run.pid)["Seccomp_filters"] == "2"      # the test's, and its own
    it.stop()


def test_required_refuses_to_start_where_the_kernel_lacks_a_part(sallyport, pg, pki, secret):
    it = Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}", extra="sandbox: required")
    run = sallyport.start("serve", "-c", it.config,
                          inside=[sys.executable, "-c", LACKING, str(LANDLOCK), "--"]).wait()
    assert run.code == 2
    assert "sandbox: required" in run.output and "does not give landlock" in run.output
    assert "fix: " in run.output


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
def test_required_starts_where_the_kernel_has_it_all(service):
    it = service(extra="sandbox: required\n")
    assert status_of(it)["sandbox"]["mode"] == "required"
    it.stop()


def test_off_is_off_and_said(service):
    it = service(extra="sandbox: off\n")
    assert it.psql("SELECT 1").stdout == "1\n"
    assert facts_of(it.run.pid)["Seccomp"] == "0"
    assert status_of(it)["sandbox"] == {"mode": "off", "in_force": [], "landlock": 0}
    assert "sandbox: off" in it.sallyport.run("status", "-c", it.config).ok().stdout
    it.stop()


def program(sallyport, secret, name):
    path = os.path.join(sallyport.folder, "home", name)
    with open(path, "w", encoding="utf-8") as file:
        # What it may do is no less than outside: it writes where no rule is.
        file.write(f"#!/bin/sh\necho ran >>{sallyport.folder}/tmp/{name}.ran\nprintf '%s' '{secret}'\n")
    os.chmod(path, 0o700)
    return path


def test_programs_of_references_run_outside(service, sallyport, secret):
    it = service(auth=f"exec:{program(sallyport, secret, 'first')}")
    assert it.psql("SELECT 1").stdout == "1\n"
    assert os.path.exists(f"{sallyport.folder}/tmp/first.ran")
    it.stop()


def test_a_program_that_a_reload_adds_runs_too(service, sallyport, secret):
    it = service(auth=f"exec:{program(sallyport, secret, 'first')}")
    it.rewrite("/first", "/second")
    program(sallyport, secret, "second")
    assert it.reload(), it.run.output
    wait_for(lambda: os.path.exists(f"{sallyport.folder}/tmp/second.ran"), "the second program")
    assert it.psql("SELECT 1").stdout == "1\n"
    it.stop()


def test_the_trail_still_names_the_executable_of_a_peer(service, sallyport):
    it = service()
    assert it.psql("SELECT 1").stdout == "1\n"
    it.stop()
    rows = [row for row in audit_of(it) if row["kind"] == "session_start"]
    assert rows and all("psql" in row["verified"]["executable"] for row in rows)


def audit_of(it):
    text = it.sallyport.run("audit", "query", "-c", it.config, "--format", "json").ok().stdout.strip()
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def elsewhere(pg):
    """A directory that no configuration has named."""
    with tempfile.TemporaryDirectory(prefix="sp-else-", dir=os.path.dirname(pg.folder)) as folder:
        yield folder


def copied(path, folder):
    """The copy's path; renamed into place, as certificates are renewed."""
    there = os.path.join(folder, os.path.basename(path))
    shutil.copy(path, there + ".new")
    os.chmod(there + ".new", 0o600)
    os.rename(there + ".new", there)
    return there


def test_a_reload_may_name_files_in_directories_that_the_start_did_not_know(service, pki, secret, elsewhere):
    it = service()
    assert it.psql("SELECT 1").stdout == "1\n"
    password = os.path.join(elsewhere, "secret")
    put(password, "not the password")
    it.rewrite(f'auth: "{auth_of(it)}"', f'auth: "file:{password}"')
    it.rewrite(f'roots: ["{pki.ca}"]', f'roots: ["{copied(pki.ca, elsewhere)}"]')
    assert it.reload(), it.run.output
    assert it.psql("SELECT 1").returncode == 2
    assert "may not be read" not in it.run.output
    put(password, secret)       # renamed over the old one; looked at every few seconds
    wait_for(lambda: it.psql("SELECT 'again'").stdout == "again\n", "the new secret", 30, 0.5)
    it.stop()


def put(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)


def auth_of(it):
    return re.search(r'auth: "([^"]*)"', it.text)[1]


def test_certificates_in_a_directory_that_a_reload_added_are_renewed_there(sallyport, pg, pki, secret, elsewhere):
    it = TlsService(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")
    it.start()
    client = pki.client("spiffe", san=f"URI:{SPIFFE}")
    for key, old in (("cert", it.certificate), ("key", it.key), ("client_ca", pki.ca)):
        it.rewrite(f'{key}: "{old}"', f'{key}: "{copied(old, elsewhere)}"')
    assert it.reload(), it.run.output
    assert it.psql_tls(client).stdout == "hello\n"
    it.certificate, it.key = (os.path.join(elsewhere, os.path.basename(path)) for path in (it.certificate, it.key))
    it.use_certificate("other-host")
    wait_for(lambda: "does not match host name" in it.psql_tls(client).stderr, "the other certificate", 30, 0.5)
    it.use_certificate("good")
    wait_for(lambda: it.psql_tls(client).stdout == "hello\n", "the good one", 30, 0.5)
    it.stop()


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock")
def test_a_reload_with_sockets_in_another_directory_is_refused_whole(service, sallyport):
    it = service()
    other = os.path.join(sallyport.folder, "other")
    it.add_route(5433, directory=other)
    assert not it.reload()
    assert f"has sockets outside the sandbox of this process: {other}" in it.run.output
    assert "Restart Sallyport" in it.run.output
    assert it.psql("SELECT 'as before'").stdout == "as before\n"
    it.stop()
    it.start()
    wait_for(lambda: os.path.exists(f"{other}/.s.PGSQL.5433"), "the route after a restart")
    it.stop()


def test_kill_9_takes_the_processes_outside_along(service):
    it = service()
    outside = children_of(it.run.pid)
    assert outside
    it.stop(signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in outside.values()), "their end")
