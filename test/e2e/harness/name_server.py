"""A name server that answers, refuses or keeps silent as it is told, and the words that make a command ask it alone."""

import os
import random
import socket
import struct
import threading

NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


def asked_alone(folder, address, options):
    """The words in front of a command for which the name server at this address is the only one."""
    resolv, hosts, switch = (os.path.join(folder, name) for name in ("resolv.conf", "hosts", "nsswitch.conf"))
    for path, text in ((resolv, f"nameserver {address}\noptions {options}\n"), (hosts, "127.0.0.1 localhost\n"),
                       (switch, "hosts: files dns\npasswd: files\ngroup: files\n")):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    mounts = " && ".join(f"mount --bind {path} /etc/{os.path.basename(path)}" for path in (resolv, hosts, switch))
    return ("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "sh")


class NameServer:
    """Every name has `address`, unless `mood` says otherwise: "well", "no such name", "failing", "silent"."""

    def __init__(self, folder):
        self.mood, self.address, self.asked = "well", "127.0.0.1", 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)
        here = f"127.77.{random.randrange(256)}.{random.randrange(1, 255)}"
        self._socket.bind((here, 53))
        self.inside = asked_alone(folder, here, "timeout:2 attempts:2")
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                question, client = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            self.asked += 1
            mood = self.mood
            if mood == "silent":
                continue
            end = question.index(b"\0", 12) + 5
            wants_v4 = question[end - 4:end - 2] == b"\0\1"
            code = {"failing": SERVER_FAILURE, "no such name": NO_SUCH_NAME}.get(mood, NO_ERROR)
            answers = b""
            if code == NO_ERROR and wants_v4:
                answers = struct.pack("!HHHIH", 0xc00c, 1, 1, 0, 4) + socket.inet_aton(self.address)
            head = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if answers else 0, 0, 0)
            try:
                self._socket.sendto(head + question[12:end] + answers, client)
            except OSError:
                return
