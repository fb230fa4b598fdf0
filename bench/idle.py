"""What a client that is connected and does nothing costs its proxy: resident bytes, without and with TLS."""

import time

from sides import PgBouncer, Setting, sallyport_for

from harness.processes import resident_kb


def of_one(side, sessions):
    """kB of resident memory that one idle session costs the proxy. The first ones pay for what all share."""
    import psycopg
    words = {"host": side.env["PGHOST"], "port": side.env["PGPORT"], "user": "app", "dbname": "app"}
    for name, key in (("PGSSLMODE", "sslmode"), ("PGSSLROOTCERT", "sslrootcert"), ("PGSSLCERT", "sslcert"), ("PGSSLKEY", "sslkey"), ("PGPASSWORD", "password")):
        if name in side.env:
            words[key] = side.env[name]
    held = []
    try:
        for _ in range(20):
            held.append(psycopg.connect(**words))
        time.sleep(1)
        before = resident_kb(side.pid)
        for _ in range(sessions):
            held.append(psycopg.connect(**words))
        time.sleep(1)
        return (resident_kb(side.pid) - before) / sessions
    finally:
        for connection in held:
            connection.close()


def table(ground, programs, sessions):
    head = [f"kB of one idle client, {sessions} of them", *(f"PgBouncer {version}" for _, version in programs), "Sallyport", "goal"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for label, client, goal in (("Unix socket", "unix", "≤ 0.85"), ("TLS, password", "tls-scram", "≤ 15.9"), ("TLS, client certificate", "tls", "–")):
        setting, cells = Setting(client=client), []
        makers = [lambda p=p, v=v: PgBouncer(ground, setting, p, v) for p, v in programs] + [lambda: sallyport_for(ground, setting)]
        for make in makers:
            side = make()
            try:
                cells.append(f"{of_one(side, sessions):.2f}")
            finally:
                side.close()
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {goal} |")
    return "\n".join(lines)
