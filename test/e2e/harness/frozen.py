"""Holds one thread of a process still: it cannot be stopped alone, but it can be traced; the tracer's end lets it go on."""

import contextlib
import os
import subprocess
import sys

TRACE = """import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
if libc.ptrace(16, int(sys.argv[1]), 0, 0):
    sys.exit(str(ctypes.get_errno()))
os.waitpid(int(sys.argv[1]), 0x40000000)
print("stopped", flush=True)
sys.stdin.read()
"""


def thread_of(pid, name):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                return int(task)
    raise AssertionError(f"process {pid} has no thread {name}")


@contextlib.contextmanager
def frozen(pid, name):
    """True while the thread stands still; False where nothing may be traced."""
    tracer = subprocess.Popen([sys.executable, "-c", TRACE, str(thread_of(pid, name))], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        yield tracer.stdout.readline() == "stopped\n"
    finally:
        tracer.stdin.close()
        tracer.wait()
