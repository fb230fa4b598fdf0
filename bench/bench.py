"""`./dev bench`: the same work direct, through PgBouncer (Debian's, and a newer one) and through Sallyport, side by side.

Direct is libpq over TCP with TLS verify-full and SCRAM. Both proxies go to the server with TLS verify-full and SCRAM, pool 8
connections unless a row says otherwise, and show the same ECDSA P-256 certificate. The audit trail is on, as by default.

The sides take turns, and what is reported is the median of the ratios within a round, with their range: a machine that is slower
for a minute slows all of them. A round in which other programs took more than 5 % of the processors is dropped and said so. The
proxies' processor time comes from /proc/PID/stat.
"""

import argparse
import os
import platform
import re
import resource
import secrets
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

import pgbouncer
from sides import Direct, Ground, PgBouncer, ROOT, Setting, base_environment, sallyport_for

from harness.pki import Pki
from harness.postgres import Postgres
from harness.processes import cpu_seconds, descendants, proc
import idle
import rotation

OUTSIDE_MAX = 0.05
TICKS = os.sysconf("SC_CLK_TCK")
DOCUMENT = os.path.join(ROOT, "docs", "performance.md")
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
PROFILES = {
    "": {},
    "pgjdbc": {"PGDATESTYLE": "ISO", "PGTZ": "Europe/Berlin", "PGCLIENTENCODING": "UTF8",
               "PGOPTIONS": "-c extra_float_digits=3"},
    "psycopg": {"PGCLIENTENCODING": "UTF8"},
}


@dataclass
class Row:
    label: str
    flags: list = field(default_factory=list)
    setting: Setting = Setting()
    goal: str = ""              # ÷ direct, ÷ the better PgBouncer
    profile: str = ""
    copy: str = ""              # out | in
    seconds_min: int = 1        # the logins count as well


TRANSACTION, SESSION = Setting(), Setting(mode="session")
ROWS = [
    Row("-S -C -c8, Unix socket", ["-S", "-C", "-c", "8"], TRANSACTION, "≥ 75, ≥ 1.05"),
    Row("same, psycopg's start-up", ["-S", "-C", "-c", "8"], TRANSACTION, "≥ 75, ≥ 1.05", "psycopg"),
    Row("same, pgjdbc's start-up", ["-S", "-C", "-c", "8"], TRANSACTION, "≥ 75, ≥ 1.05", "pgjdbc"),
    Row("same, session pooling", ["-S", "-C", "-c", "8"], SESSION, "≥ 45, ≥ 1"),
    Row("same, client certificate (mTLS)", ["-S", "-C", "-c", "8"], Setting(client="tls"), "≥ 7, ≥ 1.5"),
    Row("same, SCRAM with a run's token", ["-S", "-C", "-c", "8"], Setting(client="token"), "≥ 15, ≥ 7"),
    Row("same, SCRAM with a local password", ["-S", "-C", "-c", "8"], Setting(client="scram"), "≥ 2, ≥ 1"),
    Row("-S -c1", ["-S", "-c", "1"], TRANSACTION, "≥ 1.2, ≥ 1.3"),
    Row("-S -c8", ["-S", "-c", "8"], TRANSACTION, "≥ 0.72, ≥ 1.05, CPU ≤ 0.9"),
    Row("-S -c64", ["-S", "-c", "64"], TRANSACTION, "≥ 0.9, ≥ 1.1", seconds_min=5),
    Row("-S -c300", ["-S", "-c", "300"], TRANSACTION, "–, ≥ 1.1", seconds_min=12),
    Row("-S -M prepared -c8", ["-S", "-M", "prepared", "-c", "8"], TRANSACTION, "≥ 0.5, ≥ 1.3"),
    Row("-S -c8, session pooling", ["-S", "-c", "8"], SESSION, ""),
    Row("-S -M prepared -c8, session pooling", ["-S", "-M", "prepared", "-c", "8"], SESSION, ""),
    Row("COPY out", setting=TRANSACTION, copy="out", goal="≥ 1, ≥ 1"),
    Row("COPY in", setting=TRANSACTION, copy="in", goal="≥ 1, ≥ 1"),
]


# -- what else the machine does -------------------------------------------------------------------------------------

def busy_seconds():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS    # all but idle and iowait


def ours_seconds(pg, sides):
    total = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = total.ru_utime + total.ru_stime + time.process_time()
    parents = [pg.process.pid] + [side.pid for side in sides if side.pid]
    for pid in {each for parent in parents for each in descendants(parent)}:
        fields = proc(pid, "stat").rsplit(b")", 1)[-1].split()
        if fields:
            used += sum(int(word) for word in fields[11:15]) / TICKS    # with children that have ended
    return used


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


# -- the work -------------------------------------------------------------------------------------------------------

def pgbench(side, seconds, row):
    """(transactions a second, proxy's CPU in microseconds a transaction)"""
    before = side.cpu()
    threads = [] if "-c" in row.flags and row.flags[-1] == "1" else ["-j", "2"]
    done = side.run(["pgbench", "-n", "-T", str(seconds), *threads, *row.flags], PROFILES[row.profile])
    if done.returncode != 0 or "failed transactions: 0" not in done.stdout or "tps = " not in done.stdout:
        return None, (done.stdout + done.stderr).strip()
    count = int(re.search(r"actually processed: (\d+)", done.stdout).group(1))
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1)), (side.cpu() - before) / count * 1e6


def copy(side, direction, path):
    """(MB a second, proxy's CPU in milliseconds a MB)"""
    command = f"\\copy bulk TO '{path}'" if direction == "out" else f"\\copy bulk_in FROM '{path}'"
    before = side.cpu()
    started = time.monotonic()
    words = [] if direction == "out" else ["-c", "TRUNCATE bulk_in"]
    done = side.run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", *words, "-c", command])
    if done.returncode != 0:
        return None, done.stderr.strip()
    size = os.path.getsize(path) / 1e6
    return size / (time.monotonic() - started), (side.cpu() - before) / size * 1e3


def interleave(pg, sides, rounds, work):
    """[{side name: (speed, cpu)}] of the rounds that were quiet enough, how many were dropped, and why sides fell out."""
    quiet, loud, fallen = [], [], {}
    for _ in range(rounds):
        result = {}
        with Round(pg, sides) as it:
            for side in sides:
                if side.name in fallen:
                    continue
                speed, more = work(side)
                if speed is None:
                    fallen[side.name] = more
                else:
                    result[side.name] = (speed, more)
        (quiet if it.outside <= OUTSIDE_MAX else loud).append(result)
        print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    for name, why in fallen.items():
        print(f"  {name} cannot do it: {why}", file=sys.stderr)
        if name in ("direct", "Sallyport"):
            sys.exit(f"{name}: {why}")
    return (quiet, len(loud)) if quiet else (loud, -len(loud))


def form(number):
    return f"{number:.0f}" if number >= 20 else f"{number:.1f}" if number >= 5 else f"{number:.2f}"


def ratio_text(results, name, base):
    ratios = sorted(r[name][0] / r[base][0] for r in results if name in r and base in r)
    if not ratios:
        return "fails"
    return f"{form(statistics.median(ratios))} ({form(ratios[0])}–{form(ratios[-1])})"


def line(row, names, results, dropped):
    def median(name, i):
        values = [r[name][i] for r in results if name in r]
        return statistics.median(values) if values else None
    bouncers = [name for name in names if name.startswith("PgBouncer")]
    best = max((name for name in bouncers if median(name, 0)), key=lambda name: median(name, 0), default=None)
    costs = {name: median(name, 1) for name in [*bouncers, "Sallyport"]}
    cpus = " / ".join(form(value) if value is not None else "–" for value in costs.values())
    least = min((costs[name] for name in bouncers if costs[name]), default=None)
    share = f" ({form(costs['Sallyport'] / least)}×)" if least and costs["Sallyport"] else ""
    note = f"{len(results)}" + (f", {dropped} dropped" if dropped > 0 else ", all on a busy machine" if dropped else "")
    unit, cpu_unit = ("MB/s", "ms/MB") if row.copy else ("tps", "µs/tx")
    return [row.label, f"{median('direct', 0):,.0f} {unit}", *(ratio_text(results, name, "direct") for name in bouncers),
            ratio_text(results, "Sallyport", "direct"), ratio_text(results, "Sallyport", best) if best else "–", row.goal or "–",
            f"{cpus} {cpu_unit}{share}", note]


def table(rows, names):
    head = ["pgbench (transaction pooling unless said)", "direct", *(f"{name} ÷ direct" for name in names if name.startswith("PgB")),
            "Sallyport ÷ direct", "Sallyport ÷ better PgBouncer", "goals", "proxies' CPU (÷ the least of PgBouncer's)", "rounds"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} × {model.group(1) if model else platform.machine()}, {memory:.0f} GiB, Linux {platform.release()}, "
            f"{ssl.OPENSSL_VERSION}, PostgreSQL 15, {time.strftime('%Y-%m-%d')}")


def prepare(folder, megabytes, sessions):
    os.chmod(folder, 0o755)
    pki, secret = Pki(os.path.join(folder, "pki")), secrets.token_hex(16)
    pg = Postgres(os.path.join(folder, "pg"), pki,
                  settings={"max_connections": "500", "log_connections": "off", "log_disconnections": "off"})
    pg.sql(f"CREATE ROLE app LOGIN PASSWORD '{secret}'")
    pg.sql("CREATE DATABASE app OWNER app")
    subprocess.run(["pgbench", "-i", "-q", "-s", "10", "-h", pg.folder, "-p", str(pg.port), "-U", "postgres", "app"],
                   check=True, capture_output=True)
    pg.sql(f"""CREATE UNLOGGED TABLE bulk AS SELECT i AS id, repeat(md5(i::text), 31) AS text
               FROM generate_series(1, {megabytes * 1000}) i;
               CREATE UNLOGGED TABLE bulk_in (id int, text text)""", database="app")
    pg.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO app; ALTER TABLE bulk_in OWNER TO app", database="app")
    # One password on both sides of the proxies: PgBouncer takes the one of the server for its clients', too.
    return Ground(pg, pki, secret, secret, folder, sessions)


def bouncers():
    found = [pgbouncer.debians(), pgbouncer.newer()]
    return [(program, pgbouncer.version_of(program)) for program in found if program]


def measure_row(row, ground, programs, options, megabytes):
    sides = []
    try:
        sides.append(Direct(ground))
        sides.extend(PgBouncer(ground, row.setting, program, version) for program, version in programs)
        sides.append(sallyport_for(ground, row.setting))
        path = os.path.join(ground.folder, "bulk.tsv")
        work = (lambda side: copy(side, row.copy, path)) if row.copy else (lambda side: pgbench(side, max(options.seconds, row.seconds_min), row))
        if row.copy and not os.path.exists(path):
            copy(sides[0], "out", path)
        results, dropped = interleave(ground.pg, sides, options.rounds, work)
        label = f"{row.label} {megabytes} MB" if row.copy else row.label
        return line(Row(label, setting=row.setting, goal=row.goal, copy=row.copy), [side.name for side in sides], results, dropped)
    finally:
        for side in sides:
            side.close()


def measure(options, folder):
    megabytes = 50 if options.quick else 200
    sessions = options.sessions or (200 if options.quick else 1000)
    ground = prepare(folder, megabytes, sessions)
    programs = bouncers()
    names = [f"PgBouncer {version}" for _, version in programs]
    rows, texts = [], []
    wanted = lambda label: not options.only or options.only in label       # noqa: E731
    try:
        for row in ROWS:
            if wanted(row.label):
                print(row.label, end=" ", flush=True, file=sys.stderr)
                rows.append(measure_row(row, ground, programs, options, megabytes))
        if rows:
            texts.append(table(rows, names))
        if wanted("memory"):
            print("memory", file=sys.stderr)
            texts.append(idle.table(ground, programs, sessions))
        if wanted("rotation"):
            print("rotation", file=sys.stderr)
            texts.append(rotation.table(ground, 10 if options.quick else 60))
    finally:
        ground.pg.close()
    return "\n\n".join(texts)


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
    parser.add_argument("--only", help="rows whose name holds this text; `memory` and `rotation` are rows, too")
    parser.add_argument("--rounds", type=int, help="how often the sides take turns (5)")
    parser.add_argument("--seconds", type=int, help="seconds of one turn (5)")
    parser.add_argument("--sessions", type=int, help="idle sessions for the memory row")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (3 if options.quick else 5)
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
