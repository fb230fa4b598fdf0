"""What a small Python service does with asyncpg: connect, ask, prepare, a transaction, an error, a cancel."""
import asyncio
import os

import asyncpg


async def main():
    c = await asyncpg.connect(os.environ["DATABASE_URL"])
    user = await c.fetchval("SELECT current_user")
    twice = await c.prepare("SELECT $1::int * 2")
    total = sum([await twice.fetchval(i) for i in range(1, 11)])
    async with c.transaction():
        await c.execute("CREATE TEMP TABLE t (a int) ON COMMIT DROP")
        await c.copy_records_to_table("t", records=[(1,), (2,), (3,)])
        count = await c.fetchval("SELECT count(*) FROM t")
    try:
        await c.fetchval("SELECT 1/0")
        state = "none"
    except asyncpg.PostgresError as error:
        state = error.sqlstate
    try:
        await c.fetchval("SELECT pg_sleep(20)", timeout=0.3)
        cancelled = False
    except asyncio.TimeoutError:
        cancelled = True
    print("ok", user, total, count, state, str(cancelled).lower())
    await c.close()

asyncio.run(main())
