"""`./dev bench`: the same work direct, through Debian's PgBouncer and through Sallyport, side by side.

    D  direct: libpq over TCP, TLS verify-full, SCRAM
    A  PgBouncer: session pooling, Unix socket, no client authentication, verify-full and SCRAM upstream
    B  Sallyport: `serve`, session pooling, Unix socket, peer credentials, verify-full and SCRAM upstream, audit required

D, A and B take turns, and what is reported is the median of the ratios within a round, with their range: a machine
that is slower for a minute slows all three. A round in which other programs took more than 5 % of the processors is
dropped and said so. The proxy's processor time comes from /proc/PID/stat. One PostgreSQL, one ECDSA P-256 certificate.
"""

import argparse
import os
import platform
import re
import resource
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "test", "e2e"))
from harness.pki import Pki  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.processes import cpu_seconds, descendants, die_with_parent, proc, resident_kb, stop, wait_for  # noqa: E402
from harness.sallyport import Sallyport  # noqa: E402
from harness.service import Service  # noqa: E402

OUTSIDE_MAX = 0.05
TICKS = os.sysconf("SC_CLK_TCK")
DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


class Direct:
    name = "direct"

    def __init__(self, pg, pki, secret):
        self.env = {"PGHOST": "localhost", "PGPORT": str(pg.port), "PGUSER": "app", "PGDATABASE": "app",
                    "PGPASSWORD": secret, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": pki.ca}
        self.pid = None

    def close(self):
        pass


class PgBouncer:
    name = "PgBouncer"

    def __init__(self, pg, pki, secret, folder, pool):
        os.makedirs(folder)
        users, config = os.path.join(folder, "users.txt"), os.path.join(folder, "pgbouncer.ini")
        with open(users, "w", encoding="utf-8") as file:
            file.write(f'"app" "{secret}"\n')
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""[databases]
app = host=localhost port={pg.port} user=app password={secret}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
auth_file = {users}
pool_mode = session
default_pool_size = {pool}
max_client_conn = 2000
server_tls_sslmode = verify-full
server_tls_ca_file = {pki.ca}
logfile = {folder}/log
log_connections = 0
log_disconnections = 0
""")
        for path in (folder, users, config):
            shutil.chown(path, "postgres", "postgres")
        self.process = subprocess.Popen([shutil.which("pgbouncer", path="/usr/sbin:" + os.environ["PATH"]), "-q", config],
                                        preexec_fn=die_with_parent(signal.SIGTERM), **pg._as_account())
        self.pid = self.process.pid
        self.env = {"PGHOST": folder, "PGPORT": "6432", "PGUSER": "app", "PGDATABASE": "app"}
        wait_for(lambda: os.path.exists(f"{folder}/.s.PGSQL.6432"), "PgBouncer to listen")

    def close(self):
        stop(self.process, signal.SIGINT)


class Ours:
    name = "Sallyport"

    def __init__(self, pg, pki, secret, folder, pool):
        os.makedirs(folder)
        self.sallyport = Sallyport(folder)
        self.service = Service(self.sallyport, pg, pki, f"file:{self.sallyport.secret_file(secret)}",
                               extra_target=f"    pool: {{min_ready: 8, max: {pool}}}").start()
        self.pid = self.service.run.pid
        self.env = {"PGHOST": self.service.directory, "PGPORT": "5432", "PGUSER": "app", "PGDATABASE": "app"}

    def close(self):
        self.service.stop(signal.SIGTERM)


def environment(side):
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PGAPPNAME": "bench", **side.env}


# -- what else the machine does -------------------------------------------------------------------------------------

def busy_seconds():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS    # all but idle and iowait


def ours_seconds(pg, sides):
    total = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = total.ru_utime + total.ru_stime + time.process_time()
    for pid in descendants(pg.process.pid):
        fields = proc(pid, "stat").rsplit(b")", 1)[-1].split()
        if fields:
            used += sum(int(word) for word in fields[11:15]) / TICKS    # with children that have ended
    return used + sum(cpu_seconds(side.pid) for side in sides if side.pid)


class Round:
    """with Round(pg, sides) as it: …; it.outside is the share of the processors that others took."""

    def __init__(self, pg, sides):
        self.pg, self.sides = pg, sides

    def __enter__(self):
        self.start = (time.monotonic(), busy_seconds(), ours_seconds(self.pg, self.sides))
        return self

    def __exit__(self, *_):
        elapsed = time.monotonic() - self.start[0]
        others = (busy_seconds() - self.start[1]) - (ours_seconds(self.pg, self.sides) - self.start[2])
        self.outside = max(0.0, others) / (elapsed * os.cpu_count())


# -- the rows -------------------------------------------------------------------------------------------------------

def pgbench(side, seconds, flags):
    """(transactions a second, proxy's CPU in microseconds a transaction)"""
    before = cpu_seconds(side.pid) if side.pid else 0
    done = subprocess.run(["pgbench", "-n", "-T", str(seconds), *flags], env=environment(side), capture_output=True,
                          text=True)
    if done.returncode != 0 or "failed transactions: 0" not in done.stdout:
        sys.exit(f"pgbench {' '.join(flags)} through {side.name}:\n{done.stdout}{done.stderr}")
    count = int(re.search(r"actually processed: (\d+)", done.stdout).group(1))
    cpu = (cpu_seconds(side.pid) - before) / count * 1e6 if side.pid else 0
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)), cpu


def copy(side, direction, path):
    """(MB a second, proxy's CPU in milliseconds a MB)"""
    command = f"\\copy bulk TO '{path}'" if direction == "out" else f"\\copy bulk_in FROM '{path}'"
    before = cpu_seconds(side.pid) if side.pid else 0
    started = time.monotonic()
    words = [] if direction == "out" else ["-c", "TRUNCATE bulk_in"]
    done = subprocess.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", *words, "-c", command], env=environment(side),
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"copy {direction} through {side.name}: {done.stderr}")
    size = os.path.getsize(path) / 1e6
    cpu = (cpu_seconds(side.pid) - before) / size * 1e3 if side.pid else 0
    return size / (time.monotonic() - started), cpu


def interleave(pg, sides, rounds, work):
    """[{side name: (speed, cpu)}] of the rounds that were quiet enough, and how many were dropped."""
    quiet, loud = [], []
    for _ in range(rounds):
        with Round(pg, sides) as it:
            result = {side.name: work(side) for side in sides}
        (quiet if it.outside <= OUTSIDE_MAX else loud).append(result)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    return (quiet, len(loud)) if quiet else (loud, -len(loud))


def ratio_text(results, name, base):
    ratios = sorted(r[name][0] / r[base][0] for r in results)
    middle = statistics.median(ratios)
    form = "{:.0f}" if middle >= 20 else "{:.1f}" if middle >= 5 else "{:.2f}"
    return form.format(middle) + " (" + form.format(ratios[0]) + "–" + form.format(ratios[-1]) + ")"


def row(label, results, dropped, unit, cpu_unit):
    median = lambda name, i: statistics.median(r[name][i] for r in results)     # noqa: E731
    note = f"{len(results)} rounds" + (f", {dropped} dropped" if dropped > 0 else ", all on a busy machine" if dropped else "")
    return [label, f"{median('direct', 0):,.0f} {unit}", ratio_text(results, "PgBouncer", "direct"),
            ratio_text(results, "Sallyport", "direct"), ratio_text(results, "Sallyport", "PgBouncer"),
            f"{median('PgBouncer', 1):.0f} / {median('Sallyport', 1):.0f} {cpu_unit}", note]


def idle_memory(side, sessions, pg):
    """kB of resident memory that one idle session costs the proxy."""
    import psycopg
    before = resident_kb(side.pid)
    held = []
    try:
        for _ in range(sessions):
            held.append(psycopg.connect(host=side.env["PGHOST"], port=side.env["PGPORT"], user="app", dbname="app"))
        time.sleep(1)
        return (resident_kb(side.pid) - before) / sessions
    finally:
        for connection in held:
            connection.close()


def table(rows):
    head = ["work (session pooling)", "direct", "PgBouncer ÷ direct", "Sallyport ÷ direct", "Sallyport ÷ PgBouncer",
            "proxy CPU, PgBouncer / Sallyport", "rounds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    version = subprocess.run(["pgbouncer", "--version"], capture_output=True, text=True,
                             env={"PATH": "/usr/sbin:" + os.environ["PATH"]}).stdout.split("\n")[0]
    return f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}, PostgreSQL 15, {version}, {time.strftime('%Y-%m-%d')}"


def prepare(folder, megabytes, sessions):
    os.chmod(folder, 0o755)
    pki, secret = Pki(os.path.join(folder, "pki")), secrets.token_hex(16)
    pg = Postgres(os.path.join(folder, "pg"), pki,
                  settings={"max_connections": str(sessions + 150), "log_connections": "off", "log_disconnections": "off"})
    pg.sql(f"CREATE ROLE app LOGIN PASSWORD '{secret}'")
    pg.sql("CREATE DATABASE app OWNER app")
    subprocess.run(["pgbench", "-i", "-q", "-s", "10", "-h", pg.folder, "-p", str(pg.port), "-U", "postgres", "app"],
                   check=True, capture_output=True)
    pg.sql(f"""CREATE UNLOGGED TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 31) AS text
               FROM generate_series(1, {megabytes * 1000}) i;
               CREATE UNLOGGED TABLE bulk_in (id int, text text)""", database="app")
    pg.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app; ALTER TABLE bulk_in OWNER TO app", database="app")
    return pki, secret, pg


def measure(options, folder):
    sessions = options.sessions or (200 if options.quick else 1000)
    seconds, rounds = (3, 3) if options.quick else (10, 7)
    megabytes = 50 if options.quick else 200
    pki, secret, pg = prepare(folder, megabytes, sessions)
    sides, rows = [], []
    try:
        for make in (lambda: Direct(pg, pki, secret),
                     lambda: PgBouncer(pg, pki, secret, os.path.join(folder, "pgb"), sessions + 20),
                     lambda: Ours(pg, pki, secret, os.path.join(folder, "sp"), sessions + 20)):
            sides.append(make())
        work = [("pgbench -S -C -c8", ["-S", "-C", "-c", "8"]), ("pgbench -S -c1", ["-S", "-c", "1"]),
                ("pgbench -S -c8", ["-S", "-c", "8"]), ("pgbench -S -M prepared -c8", ["-S", "-M", "prepared", "-c", "8"])]
        for label, flags in work:
            if options.only and options.only not in label:
                continue
            print(label, end=" ", flush=True, file=sys.stderr)
            results, dropped = interleave(pg, sides, rounds, lambda s, f=flags: pgbench(s, seconds, f))
            rows.append(row(label, results, dropped, "tps", "µs/tx"))
        for direction in ("out", "in"):
            label = f"COPY {direction} {megabytes} MB"
            if options.only and options.only not in label:
                continue
            print(label, end=" ", flush=True, file=sys.stderr)
            path = os.path.join(folder, "bulk.tsv")
            results, dropped = interleave(pg, sides, rounds, lambda s, d=direction: copy(s, d, path))
            rows.append(row(label, results, dropped, "MB/s", "ms/MB"))
        if not options.only or options.only in "memory":
            print("memory", file=sys.stderr)
            a, b = (idle_memory(side, sessions, pg) for side in sides[1:])
            rows.append([f"memory of one idle session, {sessions} of them", "–", "–", "–", f"{b / a:.2f}" if a > 0 else "–",
                         f"{a:.1f} / {b:.1f} kB", "1"])
    finally:
        for side in sides:
            side.close()
        pg.close()
    return table(rows)


def write_document(text):
    if not os.path.exists(DOCUMENT):
        return
    with open(DOCUMENT, encoding="utf-8") as file:
        old = file.read()
    if BEGIN in old and END in old:
        head, tail = old.split(BEGIN)[0], old.split(END)[1]
        with open(DOCUMENT, "w", encoding="utf-8") as file:
            file.write(f"{head}{BEGIN}\n{text}\n{END}{tail}")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 3 s, 50 MB, 200 idle sessions; not written down")
    parser.add_argument("--only", help="rows whose name holds this text")
    parser.add_argument("--sessions", type=int, help="idle sessions for the memory row")
    options = parser.parse_args()
    os.environ.setdefault("SALLYPORT_BUILD", os.path.join(ROOT, "build", "release"))
    folder = tempfile.mkdtemp(prefix="spb-", dir="/tmp")
    try:
        text = measure(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = f"{machine()}\n\n{text}"
    print(text)
    if not options.quick and not options.only:
        write_document(text)


if __name__ == "__main__":
    main()
