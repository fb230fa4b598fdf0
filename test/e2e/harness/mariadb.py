"""A real MariaDB in a folder of its own, with TLS: for what Vault does there."""

import os
import pwd
import signal
import subprocess

from .processes import die_with_parent, find_program, free_port, stop, wait_for

FOLDERS = ("/usr/sbin", "/usr/bin")


def available():
    return all(find_program(name, *FOLDERS) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


class MariaDb:
    def __init__(self, folder, pki):
        self.folder, self.pki, self.port = folder, pki, free_port()
        self.account = pwd.getpwuid(os.getuid()).pw_name
        os.makedirs(folder, exist_ok=True)
        data = os.path.join(folder, "data")
        subprocess.run([find_program("mariadb-install-db", *FOLDERS), "--no-defaults", f"--user={self.account}", f"--datadir={data}",
                        "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, capture_output=True, cwd=folder)
        leaf = pki.leaf("good")
        with open(os.path.join(folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [find_program("mariadbd", *FOLDERS), "--no-defaults", f"--user={self.account}", f"--datadir={data}",
                 f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1", f"--ssl-ca={pki.ca}",
                 f"--ssl-cert={leaf.certificate}", f"--ssl-key={leaf.key}"],
                stdout=log, stderr=log, cwd=folder, preexec_fn=die_with_parent(signal.SIGTERM))
        wait_for(lambda: self.client("SELECT 1", check=False).returncode == 0, "MariaDB to answer", 30)

    @property
    def socket(self):
        return os.path.join(self.folder, "s")

    def client(self, sql, user="root", password=None, database="", tcp=False, check=True):
        """The mariadb client; over TCP with TLS, else by the private socket."""
        where = ["--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", f"--ssl-ca={self.pki.ca}", "--ssl"] if tcp \
            else [f"--socket={self.socket}"]
        environment = {**os.environ, **({"MYSQL_PWD": password} if password else {})}
        return subprocess.run([find_program("mariadb", *FOLDERS), "--no-defaults", f"--user={user}", *where, "--batch",
                               "--skip-column-names", "-e", sql, database], env=environment, capture_output=True, text=True, check=check)

    def close(self):
        stop(self.process)
