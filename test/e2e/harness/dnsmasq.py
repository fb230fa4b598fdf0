"""A real name server for TXT records: dnsmasq on port 53 of an address of its own, asked alone by what runs inside its words."""

import random
import shutil
import signal
import socket
import subprocess

from .name_server import asked_alone
from .processes import die_with_parent, stop, wait_for

DOMAIN = "test"     # it answers for everything below, with or without a record


def program():
    return shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")


class Dnsmasq:
    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.address = f"127.79.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.inside = asked_alone(folder, self.address, "timeout:1 attempts:2")

    def says(self, **records):
        """From now on: says(db=["a", "b"]) gives db.test two TXT records. A name without records exists (it has an address)."""
        self.stop()
        words = [f"--txt-record={name}.{DOMAIN},{text}" for name, texts in records.items() for text in texts]
        words += [f"--host-record={name}.{DOMAIN},127.0.0.1" for name, texts in records.items() if not texts]
        self.process = subprocess.Popen(
            [program(), "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=", "--no-resolv", "--no-hosts",
             "--no-poll", "--bind-interfaces", f"--listen-address={self.address}", f"--local=/{DOMAIN}/", *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_parent(signal.SIGTERM))
        wait_for(self.listens, "dnsmasq to listen")

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"dnsmasq ended: {self.process.stderr.read().decode(errors='replace')}")
        try:
            socket.create_connection((self.address, 53), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        if self.process is not None:
            stop(self.process)
            self.process.stderr.close()
            self.process = None
