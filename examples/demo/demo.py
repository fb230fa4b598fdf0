"""`./dev demo`: the main job on a throwaway PostgreSQL and OpenBao, step by step, in under a minute.

Each step prints the command that a person would type, then what it printed. Nothing is left behind: the servers
and their folder end with this program, however it ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
from harness.openbao import OpenBao  # noqa: E402
from harness.pki import Pki  # noqa: E402
from harness.postgres import ADMIN_PASSWORD, Postgres  # noqa: E402
from harness.processes import wait_for  # noqa: E402
from harness.sallyport import Sallyport  # noqa: E402

os.environ.setdefault("SALLYPORT_BUILD", os.path.join(ROOT, "build", "release"))
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
failures = []


def title(text):
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def show(run, lines=12):
    text = run.output.replace(run.folder, "$DEMO")
    shown = [line for line in text.splitlines() if line.strip()][:lines]
    if shown:
        print("\n".join("  " + line for line in shown), flush=True)


def expect(holds, claim):
    print(f"  {'✓' if holds else '✗ NOT SO:'} {claim}", flush=True)
    if not holds:
        failures.append(claim)


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.pki = Pki(os.path.join(folder, "pki"))
        self.pg = Postgres(os.path.join(folder, "pg"), self.pki)
        self.pg.sql("CREATE ROLE app_owner NOLOGIN")
        self.pg.sql("CREATE DATABASE production OWNER app_owner")
        self.pg.sql("GRANT ALL ON SCHEMA public TO app_owner", database="production")
        self.pg.sql(f"ALTER ROLE postgres PASSWORD '{ADMIN_PASSWORD}'")
        self.bao = OpenBao(os.path.join(folder, "bao"))
        self.bao.use_database(self.pg, database="production", admin_password=ADMIN_PASSWORD)
        self.bao.role("app-role", ttl="3s", max_ttl="6s")
        os.makedirs(os.path.join(folder, "app"))
        self.sallyport = Sallyport(os.path.join(folder, "app"))
        self.env = self.bao.environment(self.bao.token())

    def close(self):
        for part in ("sallyport", "bao", "pg"):
            if hasattr(self, part):
                getattr(self, part).close()

    def url(self, ca=None):
        return (f"vault:database/creds/app-role?engine=postgresql&host=localhost&port={self.pg.port}&dbname=production"
                f"&sslrootcert={ca or self.pki.ca}&run_as=app_owner")

    def run(self, *command, ca=None, typed=None, lines=12):
        words = typed or " ".join(c if re.fullmatch(r"[\w./=-]+", c) else "'" + c + "'" for c in command)
        print(f"  {DIM}${PLAIN} sallyport exec -- {words}", flush=True)
        run = self.sallyport.exec(list(command), self.url(ca), env=self.env)
        run.folder = self.folder
        show(run, lines)
        return run

    def steps(self):
        title("An application that knows no secret")
        print(f"  $ export DATABASE_URL='{self.url().replace(self.folder, '$DEMO')}'")
        with self.pg.log_since() as read:
            psql = self.run("psql", "-XAtc", "SELECT session_user, current_user")
            secured = re.search(r"connection authorized: user=v-\S+ .*SSL enabled \(protocol=TLSv1\.3", read())
        expect(re.match(r"v-\S+\|app_owner", psql.stdout), "the server saw a user made for this run, acting as app_owner")
        expect(secured, "over TLS 1.3, says the server's own log")

        title("What the child's environment holds")
        env = self.run("sh", "-c", "env | grep -E '^(DATABASE_URL|PG|VAULT)' | sort", typed="env | grep -E '^(DATABASE_URL|PG|VAULT)'")
        expect("DATABASE_URL=postgresql://" in env.stdout and "VAULT_TOKEN" not in env.stdout
               and self.env["VAULT_TOKEN"] not in env.output, "a path to a private socket; no password and no token")

        title("A migration whose tables outlive the user that made them")
        made = self.run("psql", "-XAtqc", "CREATE TABLE invoices (id int)", "-c", "SELECT session_user")
        user = made.stdout.strip()
        wait_for(lambda: not self.pg.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", user), f"{user} to be dropped", 15)
        owner = self.pg.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'invoices'", database="production")
        expect(owner == [("app_owner",)], f"{user} is dropped; invoices belongs to app_owner")
        self.load()

        title("The audit trail")
        rows = self.sallyport.run("audit", "tail")
        rows.folder = self.folder
        print(f"  {DIM}${PLAIN} sallyport audit tail")
        show(rows, 6)
        expect(rows.code == 0 and "v-" in rows.stdout, "every session, with who and as whom")

        title("A server that the wrong authority vouches for")
        wrong = self.run("psql", "-c", "SELECT 1", ca=self.pki.other_ca)
        expect(wrong.code != 0 and "authority" in wrong.stderr, "refused before the password could leave")

    def load(self):
        title("pgbench for 9 s in each mode while every user lives 6 s at most")
        subprocess.run(["pgbench", "-i", "-q", "-h", self.pg.folder, "-p", str(self.pg.port), "-U", "postgres",
                        "production"], check=True, capture_output=True)
        self.pg.sql("".join(f"ALTER TABLE pgbench_{t} OWNER TO app_owner;" for t in
                            ("accounts", "branches", "tellers", "history")), database="production")
        with self.pg.log_since() as read:
            for mode in ("simple", "prepared"):
                run = self.run("pgbench", "-n", "-c", "4", "-T", "9", "-M", mode, lines=0)
                for line in run.output.splitlines():
                    if re.match(r"number of (trans|failed)|tps|pgbench: error", line):
                        print("  " + line)
                expect(run.code == 0 and "failed transactions: 0 " in run.stdout, f"-M {mode}: no transaction failed")
            users = set(re.findall(r"connection authorized: user=(v-\S+)", read()))
        expect(len(users) >= 5, f"the server saw {len(users)} users")
        wait_for(lambda: not self.pg.sql("SELECT 1 FROM pg_roles WHERE rolname = ANY(%s)", list(users)), "them to be dropped", 15)
        expect(True, "and none of them is left")


def main():
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="spd-", dir="/tmp")
    os.chmod(folder, 0o755)
    demo = Demo.__new__(Demo)
    try:
        title("A throwaway PostgreSQL with TLS and an OpenBao with its database engine ($DEMO is their folder)")
        demo.__init__(folder)
        demo.steps()
    finally:
        demo.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{len(failures)} claims did not hold." if failures else "\nAll claims held.", f"{time.monotonic() - started:.0f} s.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
