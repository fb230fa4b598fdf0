"""Secrets that may not be locked in memory are told, once (threat 13)."""

import subprocess

from harness.sallyport import binary


def test_memory_that_cannot_be_locked_is_told_with_its_limit_and_the_fix(sallyport, file_url):
    without_right = ["prlimit", "--memlock=0:0", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    run = subprocess.run([*without_right, binary(), "exec", "--", "true"], env=sallyport.env(DATABASE_URL=file_url()),
                         capture_output=True, text=True, timeout=60, check=True)
    told = [line for line in run.stderr.splitlines() if "could not be locked in memory" in line]
    assert len(told) == 1 and 'limit="0 KiB"' in told[0] and "LimitMEMLOCK" in told[0], run.stderr
    ordinary = sallyport.exec(["true"], file_url()).ok()
    assert "could not be locked" not in ordinary.stderr
