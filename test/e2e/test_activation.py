"""Socket activation, and the unit files in deploy/systemd."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from conftest import require
from harness.processes import wait_for
from harness.sallyport import ROOT
from harness.service import Service

UNITS = os.path.join(ROOT, "deploy", "systemd")


@pytest.fixture
def service(sallyport, pg, pki, secret):
    require(shutil.which("systemd-socket-activate"), "systemd-socket-activate")
    return Service(sallyport, pg, pki, f"file:{sallyport.secret_file(secret)}")


def start(service, *sockets):
    """As systemd does it: the sockets listen before there is a process, which begins with the first connection."""
    words = [word for path in sockets for word in ("-l", path)]
    service.run = service.sallyport.start("serve", "-c", service.config, inside=("systemd-socket-activate", *words))
    for path in sockets:
        wait_for(lambda: os.path.exists(path), "the sockets")


def test_the_sockets_of_the_manager_are_served_and_left_to_it(service):
    start(service, service.socket)
    assert service.psql("SELECT 'served'").stdout == "served\n"
    assert not os.path.exists(service.socket + ".lock"), "the manager's socket needs no lock of ours"
    assert service.reload()
    assert service.psql("SELECT 'again'").stdout == "again\n"
    assert service.stop().code == 0
    assert os.path.exists(service.socket), "it is the manager's to remove"


def test_a_socket_that_the_configuration_does_not_name_is_closed_and_told(service):
    other = os.path.join(service.directory, ".s.PGSQL.6000")
    start(service, service.socket, other)
    assert service.psql("SELECT 'served'").stdout == "served\n"
    told = service.run.until(r"a descriptor that the configuration does not name was closed.*")
    assert f"descriptor 4 (unix:{other})" in told.group(0)
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(other)
    service.stop()


def test_sockets_for_another_process_are_not_taken(service):
    service.start(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert service.psql("SELECT 'own'").stdout == "own\n"
    assert os.path.exists(service.socket + ".lock")
    service.stop()


def test_a_directory_that_others_may_write_is_refused_with_an_inherited_socket_too(service):
    start(service, service.socket)
    os.chmod(service.directory, 0o777)
    subprocess.run(["psql", "-XAtqc", "SELECT 1", "-h", service.directory, "-U", "app", "-d", "app"], capture_output=True, timeout=30)
    assert service.run.wait(20).code == 2
    assert "every user" in service.run.output


@pytest.mark.parametrize("unit", ["sallyport.service", "sallyport.socket", "sallyport@1.service"])
def test_the_units_are_what_systemd_understands(unit, tmp_path):
    require(shutil.which("systemd-analyze"), "systemd-analyze")
    for name in os.listdir(UNITS):
        with open(os.path.join(UNITS, name), encoding="utf-8") as file:
            text = file.read().replace("/usr/bin/sallyport", "/bin/true")    # it need not be installed here
        (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / unit)], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "warning"}, timeout=60)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "sallyport" in line]
    assert done.returncode == 0 and not complaints, done.stdout + done.stderr


def test_instances_are_confined_as_the_service_is():
    """Of what sallyport.service says, sallyport@.service says all but what an upgrade needs otherwise."""
    lines = []
    for unit in ("sallyport.service", "sallyport@.service"):
        with open(os.path.join(UNITS, unit), encoding="utf-8") as file:
            lines.append({line for line in file.read().splitlines() if line and not line.startswith("#")})
    plain, instance = lines
    assert {line.split("=")[0] for line in plain ^ instance} == {"ExecStart", "Description"}
    assert "ExecStart=/usr/bin/sallyport serve --take-over -c /etc/sallyport/sallyport.yaml" in instance


def test_the_service_is_well_confined():
    """systemd's own measure: 0 is confined, 10 is not."""
    require(shutil.which("systemd-analyze"), "systemd-analyze")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=30",
                           os.path.join(UNITS, "sallyport.service")], capture_output=True, text=True, timeout=60)
    exposure = re.search(r"Overall exposure level for sallyport\.service: ([\d.]+)", done.stdout)
    assert exposure, done.stdout + done.stderr
    assert float(exposure.group(1)) < 3.0, done.stdout
