"""Starting and ending what we started, and no more; ports; waiting with a deadline that says for what."""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time


def ports_of(worker):
    """Those that this process of the tests takes from; where there are two, no other one does. All are below the kernel's ephemeral
    range, where an outgoing connection may hold a port."""
    first, last, workers = 15000, 30000, 4
    number = int(worker.removeprefix("gw")) if worker else 0
    share = (last - first) // workers
    return (first, last) if not worker or number >= workers else (first + number * share, first + (number + 1) * share)


PORTS = ports_of(os.environ.get("PYTEST_XDIST_WORKER", ""))
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number):
    """A preexec_fn: a killed test run leaves no server behind."""
    def arrange():
        _libc.prctl(PR_SET_PDEATHSIG, signal_number)
    return arrange


def free_port(count=1):
    """The first of `count` neighbouring ports that nobody listens on."""
    for _ in range(200):
        first = random.randrange(PORTS[0], PORTS[1] - count)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
                return first
            except OSError:
                continue
    raise RuntimeError("no free port found")


def wait_for(condition, what, seconds=20, every=0.05):
    """The condition's first true value; TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(every)


def find_program(name, *folders):
    for folder in folders:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return shutil.which(name)


def stop(process, number=signal.SIGTERM, seconds=10):
    """Ends a process that we started; kills it when it does not listen."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def descendants(pid):
    """Pids below `pid`, itself first."""
    found = [pid]
    try:
        children = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                children += [int(word) for word in file.read().split()]
    except OSError:
        return found
    for child in children:
        found += descendants(child)
    return found


def proc(pid, name):
    """A file of /proc/PID as bytes; empty when the process is gone or closed to us."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def resident_kb(pid):
    for line in proc(pid, "status").splitlines():
        if line.startswith(b"VmRSS:"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    """User + system time that the process has used."""
    fields = proc(pid, "stat").rsplit(b")", 1)[-1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0
