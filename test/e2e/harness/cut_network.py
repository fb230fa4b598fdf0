"""A network of two machines whose cable can be pulled: two namespaces with a pair of interfaces between them. What is sent while it
is cut is lost without a word, as behind a dead router: no end, no reset, no "unreachable"."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import threading

from .processes import die_with_parent, stop, wait_for

HERE, THERE = "10.231.77.1", "10.231.77.2"
ADDRESSES = {"here": HERE, "there": THERE}
MACS = {"here": "02:00:00:00:77:01", "there": "02:00:00:00:77:02"}
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def available():
    if os.getuid() != 0:
        return False
    probe = "ip link add here type veth peer name there"
    return subprocess.run(["unshare", "-n", "sh", "-c", probe], capture_output=True, check=False).returncode == 0


class CutNetwork:
    """`inside`: words in front of a command that is to live on this side; to it the server is at THERE:port."""

    def __init__(self, server):
        self._to, self._open, self._epoch = server.port, set(), 0
        self._holders = {name: subprocess.Popen(["unshare", "-n", "sleep", "infinity"], preexec_fn=die_with_parent(signal.SIGKILL))
                         for name in MACS}
        for holder in self._holders.values():
            wait_for(lambda h=holder: os.readlink(f"/proc/{h.pid}/ns/net") != os.readlink("/proc/self/ns/net"), "a namespace")
        self._in("here", "ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        self._in("here", "ip", "link", "set", "there", "netns", str(self._holders["there"].pid))
        for name, address in ADDRESSES.items():
            self._in(name, "ip", "link", "set", "lo", "up")
            self._in(name, "ip", "link", "set", name, "address", MACS[name], "up")
            self._in(name, "ip", "address", "add", f"{address}/24", "dev", name)
        self._addresses("0")
        self._listener = self._listen()
        self.port = self._listener.getsockname()[1]
        self.inside = ("nsenter", "-t", str(self._holders["here"].pid), "-n")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        self.forget()
        for holder in self._holders.values():
            stop(holder, signal.SIGKILL)

    @contextlib.contextmanager
    def cut(self):
        """Each interface gets another hardware address than its peer believes in: what comes is not for it."""
        self._addresses("9")
        try:
            yield
        finally:
            self._addresses("0")

    def forget(self):
        """The server's side drops its connections; while the network is cut the other side does not learn of it."""
        self._epoch += 1
        wait_for(lambda: not self._open, "the connections to be dropped")

    def _addresses(self, digit):
        for name, mac in MACS.items():
            self._in(name, "ip", "link", "set", name, "address", mac[:3] + "0" + digit + mac[5:])
        for name, other in (("here", "there"), ("there", "here")):
            # Never asked for, so that a cut is silent; an interface forgets it with its own address.
            self._in(name, "ip", "neighbour", "replace", ADDRESSES[other], "lladdr", MACS[other], "dev", name, "nud", "permanent")

    def _in(self, name, *command):
        subprocess.run(["nsenter", "-t", str(self._holders[name].pid), "-n", *command], check=True, capture_output=True)

    def _listen(self):
        made = []

        def listen():       # in a thread of its own, which stays in that namespace
            with open(f"/proc/{self._holders['there'].pid}/ns/net", "rb") as namespace:
                if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((THERE, 0), backlog=64))
        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        return made[0]

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to), 10)
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            threading.Thread(target=self._carry, args=(client, server, self._epoch), daemon=True).start()

    def _carry(self, client, server, epoch):
        self._open.add(client)
        with contextlib.suppress(OSError), server, client:
            # Its end is a reset, as of a machine that knows nothing of the connection.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            while self._epoch == epoch:
                for source in select.select([client, server], [], [], 0.1)[0]:
                    data = source.recv(65536)
                    if not data:
                        return self._open.discard(client)
                    (server if source is client else client).sendall(data)
        self._open.discard(client)
