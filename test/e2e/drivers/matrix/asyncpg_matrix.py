import asyncio

import asyncpg
import steps
from steps import LARGE, TABLE

host, port, user, database = steps.settings()


async def connect():
    return await asyncpg.connect(host=host, port=port, user=user, database=database)


async def simple(c, _):
    assert await c.fetchval("SELECT current_user") == user
    assert await c.execute("SELECT 1; SELECT 2") == "SELECT 1"


async def prepared(c, _):
    twice = await c.prepare("SELECT $1::int * 2")
    for k in range(30):
        assert await twice.fetchval(k) == 2 * k
        assert await c.fetchval(f"SELECT {k} + $1::int", 1) == k + 1
    async with c.transaction():
        assert [r[0] async for r in c.cursor("SELECT generate_series(1, 1000)")] == list(range(1, 1001))


async def pipeline(c, _):
    await c.executemany(f"INSERT INTO {TABLE} VALUES ($1, 'many')", [(k,) for k in range(200)])
    assert await c.execute(f"DELETE FROM {TABLE} WHERE t = 'many'") == "DELETE 200"


async def copy_in(c, _):
    assert await c.copy_records_to_table(TABLE, records=[(k, "copied") for k in range(10_000)]) == "COPY 10000"
    try:
        await c.copy_to_table(TABLE, source=bytes_of(b"no number\twrong\n"))
        raise AssertionError("a wrong row was taken")
    except asyncpg.InvalidTextRepresentationError:
        pass


async def bytes_of(data):
    yield data


async def copy_out(c, _):
    got = bytearray()

    async def take(data):
        got.extend(data)
    await c.copy_from_query(f"SELECT a FROM {TABLE} WHERE t = 'copied'", output=take)
    assert got.count(b"\n") == 10_000
    assert await c.execute(f"DELETE FROM {TABLE} WHERE t = 'copied'") == "DELETE 10000"


async def listen(c, other):
    heard = asyncio.get_running_loop().create_future()
    hear = lambda *told: heard.set_result(told[3])      # noqa: E731
    await c.add_listener("matrix", hear)
    await other.execute("NOTIFY matrix, 'heard'")
    assert await asyncio.wait_for(heard, 10) == "heard"
    await c.remove_listener("matrix", hear)


async def cancel(c, _):
    try:
        await c.fetchval("SELECT pg_sleep(20)", timeout=0.3)
        raise AssertionError("not cancelled")
    except asyncio.TimeoutError:
        assert await c.fetchval("SELECT 1") == 1


async def savepoints(c, _):
    async with c.transaction():
        await c.execute(f"INSERT INTO {TABLE} VALUES (1, 'kept')")
        try:
            async with c.transaction():
                await c.execute(f"INSERT INTO {TABLE} VALUES (2, 'lost')")
                await c.fetchval("SELECT 1/0")
        except asyncpg.DivisionByZeroError:
            pass
        assert await c.fetchval(f"SELECT count(*) FROM {TABLE}") == 1
    assert await c.execute(f"DELETE FROM {TABLE}") == "DELETE 1"


async def errors(c, _):
    for sql, kind in (("SELECT 1/0", asyncpg.DivisionByZeroError), ("SELEKT", asyncpg.PostgresSyntaxError),
                      ("SELECT * FROM nowhere", asyncpg.UndefinedTableError)):
        for ask in (c.fetchval, c.execute):
            try:
                await ask(sql)
                raise AssertionError(sql)
            except kind:
                pass
    assert await c.fetchval("SELECT 1") == 1


async def large(c, _):
    assert len(await c.fetchval("SELECT repeat('x', $1)", LARGE)) == LARGE
    assert await c.fetchval("SELECT length($1::text)", "y" * LARGE) == LARGE
    assert len(await c.fetch("SELECT repeat('z', 1000) FROM generate_series(1, 10000)")) == 10_000


async def state(c, _):
    await c.execute("CREATE TEMP TABLE of_the_session (a int)")
    for _ in range(3):
        await c.execute("INSERT INTO of_the_session VALUES (1)")
    assert await c.fetchval("SELECT count(*) FROM of_the_session") == 3
    await c.execute("DROP TABLE of_the_session")


async def main():
    c, other = await connect(), await connect()
    for step in (simple, prepared, pipeline, copy_in, copy_out, listen, cancel, savepoints, errors, large, state):
        try:
            await step(c, other)
            steps.report(step.__name__)
        except Exception as error:      # noqa: BLE001
            steps.report(step.__name__, error)
    await c.close()
    await other.close()

asyncio.run(main())
