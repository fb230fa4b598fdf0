import threading

import psycopg
import steps
from steps import LARGE, TABLE

host, port, user, database = steps.settings()


def connect():
    return psycopg.connect(host=host, port=port, user=user, dbname=database, autocommit=True)


c, other = connect(), connect()


def one(sql, *values, **more):
    return c.execute(sql, values or None, **more).fetchone()[0]


def simple():
    assert one("SELECT 1") == 1 and one("SELECT current_user") == user
    cursor = c.execute("SELECT 1; SELECT 2")
    assert cursor.nextset() and cursor.fetchone() == (2,)


def prepared():
    for k in range(30):
        assert one("SELECT %s::int * 2", k, prepare=True) == 2 * k
        assert one(f"SELECT {k} + %s::int", 1, prepare=True) == k + 1
    with psycopg.ServerCursor(c, "rows") as cursor, c.transaction():
        assert len(cursor.execute("SELECT generate_series(1, 1000)").fetchall()) == 1000
    with c.cursor(binary=True) as cursor:
        assert cursor.execute("SELECT %b::int8", (7,)).fetchone() == (7,)


def pipeline():
    with c.pipeline():
        cursors = [c.execute("SELECT %s::int", (k,)) for k in range(200)]
        assert [each.fetchone()[0] for each in cursors] == list(range(200))
    with c.transaction(), c.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, 'many')", [(k,) for k in range(200)])
    assert c.execute(f"DELETE FROM {TABLE} WHERE t = 'many'").rowcount == 200


def copy_in():
    with c.cursor().copy(f"COPY {TABLE} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text"])
        for k in range(10_000):
            copy.write_row((k, "copied"))
    try:
        with c.cursor().copy(f"COPY {TABLE} FROM STDIN") as copy:
            copy.write("no number\twrong\n")
        raise AssertionError("a wrong row was taken")
    except psycopg.errors.InvalidTextRepresentation:
        pass


def copy_out():
    with c.cursor().copy(f"COPY (SELECT a FROM {TABLE} WHERE t = 'copied') TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 10_000
    assert c.execute(f"DELETE FROM {TABLE} WHERE t = 'copied'").rowcount == 10_000


def listen():
    c.execute("LISTEN matrix")
    other.execute("NOTIFY matrix, 'heard'")
    assert [n.payload for n in c.notifies(timeout=10, stop_after=1)] == ["heard"]
    c.execute("UNLISTEN *")


def cancel():
    stop = threading.Timer(0.3, c.cancel_safe)
    stop.start()
    try:
        c.execute("SELECT pg_sleep(20)")
        raise AssertionError("not cancelled")
    except psycopg.errors.QueryCanceled:
        stop.join()     # a server signals twice: until its end a cancel may hit what comes next, also without a broker
        assert one("SELECT 1") == 1


def savepoints():
    with c.transaction():
        c.execute(f"INSERT INTO {TABLE} VALUES (1, 'kept')")
        try:
            with c.transaction():
                c.execute(f"INSERT INTO {TABLE} VALUES (2, 'lost')")
                c.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
        assert one(f"SELECT count(*) FROM {TABLE}") == 1
    try:
        with c.transaction():
            c.execute(f"DELETE FROM {TABLE}")
            raise KeyError
    except KeyError:
        pass
    assert c.execute(f"DELETE FROM {TABLE}").rowcount == 1


def errors():
    for sql, kind in (("SELECT 1/0", psycopg.errors.DivisionByZero), ("SELEKT", psycopg.errors.SyntaxError),
                      ("SELECT * FROM nowhere", psycopg.errors.UndefinedTable)):
        try:
            c.execute(sql, prepare=True)
            raise AssertionError(sql)
        except kind as error:
            assert error.diag.message_primary
    assert one("SELECT 1") == 1


def large():
    assert len(one("SELECT repeat('x', %s)", LARGE)) == LARGE
    assert one("SELECT length(%s::text)", "y" * LARGE) == LARGE
    assert c.execute("SELECT repeat('z', 1000) FROM generate_series(1, 10000)").rowcount == 10_000


def state():
    c.execute("CREATE TEMP TABLE of_the_session (a int)")
    for _ in range(3):
        c.execute("INSERT INTO of_the_session VALUES (1)")
    assert one("SELECT count(*) FROM of_the_session") == 3
    c.execute("DROP TABLE of_the_session")


steps.run([(f.__name__, f) for f in (simple, prepared, pipeline, copy_in, copy_out, listen, cancel, savepoints, errors, large, state)])
