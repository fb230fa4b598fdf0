import io
import os
import threading
import time

import pg8000.native
import steps
from steps import LARGE, TABLE

host, port, user, database = steps.settings()


def connect():
    if host.startswith("/"):
        return pg8000.native.Connection(user, database=database, unix_sock=f"{host}/.s.PGSQL.{port}")
    return pg8000.native.Connection(user, host=host, port=port, database=database, password=os.environ.get("PGPASSWORD"),
                                    ssl_context=steps.ssl_context())


c, other = connect(), connect()


def fails(code, sql):
    try:
        c.run(sql)
        raise AssertionError(sql)
    except pg8000.native.DatabaseError as error:
        assert error.args[0]["C"] == code, error


def simple():
    assert c.run("SELECT current_user") == [[user]]
    c.run("SELECT 1; SELECT 2")


def prepared():
    twice = c.prepare("SELECT CAST(:k AS int) * 2")
    for k in range(30):
        assert twice.run(k=k) == [[2 * k]]
        one = c.prepare(f"SELECT {k} + CAST(:k AS int)")
        assert one.run(k=1) == [[k + 1]]
        one.close()
    twice.close()


def pipeline():
    for k in range(200):
        c.run(f"INSERT INTO {TABLE} VALUES (:k, 'many')", k=k)
    c.run(f"DELETE FROM {TABLE} WHERE t = 'many'")
    assert c.row_count == 200


def copy_in():
    c.run(f"COPY {TABLE} FROM STDIN", stream=io.BytesIO(b"".join(b"%d\tcopied\n" % k for k in range(10_000))))
    assert c.row_count == 10_000
    third = connect()       # it sends Syncs into its COPY: if that fails, a pool cannot share the connection any more
    try:
        third.run(f"COPY {TABLE} FROM STDIN", stream=io.BytesIO(b"no number\twrong\n"))
        raise AssertionError("a wrong row was taken")
    except pg8000.native.DatabaseError as error:
        assert error.args[0]["C"] == "22P02"
    third.close()


def copy_out():
    out = io.BytesIO()
    c.run(f"COPY (SELECT a FROM {TABLE} WHERE t = 'copied') TO STDOUT", stream=out)
    assert out.getvalue().count(b"\n") == 10_000
    c.run(f"DELETE FROM {TABLE} WHERE t = 'copied'")
    assert c.row_count == 10_000


def listen():
    c.run("LISTEN matrix")
    other.run("NOTIFY matrix, 'heard'")
    end = time.monotonic() + 10
    while not c.notifications and time.monotonic() < end:
        c.run("SELECT 1")
    assert c.notifications[0][2] == "heard"
    c.run("UNLISTEN *")


def cancel():
    # It has no cancel of its own: another session does it.
    stop = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg\\_sleep%'"
    threading.Timer(0.5, lambda: other.run(stop)).start()
    fails("57014", "SELECT pg_sleep(20)")


def savepoints():
    c.run("BEGIN")
    c.run(f"INSERT INTO {TABLE} VALUES (1, 'kept')")
    c.run("SAVEPOINT s")
    fails("22012", "SELECT 1/0")
    fails("25P02", "SELECT 1")
    c.run("ROLLBACK TO s")
    c.run("COMMIT")
    c.run(f"DELETE FROM {TABLE}")
    assert c.row_count == 1


def errors():
    for code, sql in (("22012", "SELECT 1/0"), ("42601", "SELEKT"), ("42P01", "SELECT * FROM nowhere")):
        fails(code, sql)
    assert c.run("SELECT 1") == [[1]]


def large():
    assert len(c.run("SELECT repeat('x', :n)", n=LARGE)[0][0]) == LARGE
    assert c.run("SELECT length(CAST(:t AS text))", t="y" * LARGE) == [[LARGE]]


def state():
    c.run("CREATE TEMP TABLE of_the_session (a int)")
    c.run("INSERT INTO of_the_session VALUES (1)")
    assert c.run("SELECT count(*) FROM of_the_session") == [[1]]
    c.run("DROP TABLE of_the_session")


steps.run([(f.__name__, f) for f in (simple, prepared, pipeline, copy_in, copy_out, listen, cancel, savepoints, errors, large, state)])
