"""What a small Python service does with psycopg: connect, ask, prepare, a transaction, an error, a cancel."""
import os
import threading

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as c:
    user = c.execute("SELECT current_user").fetchone()[0]
    total = sum(c.execute("SELECT %s::int * 2", (i,), prepare=True).fetchone()[0] for i in range(1, 11))
    with c.transaction():
        c.execute("CREATE TEMP TABLE t (a int) ON COMMIT DROP")
        with c.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(3):
                copy.write_row((i,))
        count = c.execute("SELECT count(*) FROM t").fetchone()[0]
    try:
        c.execute("SELECT 1/0")
        state = "none"
    except psycopg.Error as error:
        state = error.sqlstate
    threading.Timer(0.3, c.cancel_safe).start()
    try:
        c.execute("SELECT pg_sleep(20)")
        cancelled = False
    except psycopg.errors.QueryCanceled:
        cancelled = True
    print("ok", user, total, count, state, str(cancelled).lower())
