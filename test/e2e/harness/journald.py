"""A real systemd-journald with a /run of its own, in a mount namespace that others enter."""

import json
import os
import shutil
import subprocess
import tempfile

from .processes import stop, wait_for

DAEMON = "/lib/systemd/systemd-journald"
START = f"""
mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal
mount -t tmpfs tmpfs /dev/kmsg 2>/dev/null   # nothing of the machine's own log
exec {DAEMON}
"""


class Journald:
    @staticmethod
    def is_installed():
        return os.access(DAEMON, os.X_OK)

    @staticmethod
    def is_permitted():
        return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True).returncode == 0

    def __init__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "bash", "-c", START],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for(lambda: subprocess.run([*self.inside, "test", "-S", "/run/systemd/journal/socket"]).returncode == 0,
                 "journald's socket")

    @property
    def inside(self):
        """The words before a command that sees this journal."""
        return [shutil.which("nsenter"), f"--mount=/proc/{self.process.pid}/ns/mnt", "--wdns=/", "--"]

    def entries(self, *match):
        told = subprocess.run([*self.inside, "sh", "-c", 'journalctl --no-pager -o json -D /run/log/journal/* "$@"', "sh", *match],
                              capture_output=True, text=True, check=True)
        return [json.loads(line) for line in told.stdout.splitlines()]

    def stop(self):
        stop(self.process)
        self.log.close()
