"""tinyproxy, a real forward proxy: CONNECT to port 443 alone, with a user and a password."""

import os
import shutil
import signal
import socket
import subprocess

from .processes import die_with_parent, free_port, stop, wait_for

USER, PASSWORD = "proxy-user", "canary-proxy-password"


def program():
    return shutil.which("tinyproxy")


class ForwardProxy:
    """`inside`: words in front of the command, for the proxy's own names."""

    def __init__(self, folder, inside=()):
        self.port = free_port()
        self._log_file = os.path.join(folder, "proxy.log")
        config = os.path.join(folder, "tinyproxy.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f'Port {self.port}\nListen 127.0.0.1\nTimeout 60\nLogFile "{self._log_file}"\nLogLevel Connect\nConnectPort 443\n'
                       f"BasicAuth {USER} {PASSWORD}\n")
        self._process = subprocess.Popen([*inside, program(), "-d", "-c", config], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGTERM))
        wait_for(self._listens, "tinyproxy to listen")

    def url(self, password=PASSWORD):
        return f"http://{USER}:{password}@127.0.0.1:{self.port}"

    @property
    def log(self):
        with open(self._log_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        stop(self._process)
