// What a small Node service does with node-postgres: connect, ask, prepare, a transaction, an error.
const { Client } = require("pg");

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  const user = (await client.query("SELECT current_user")).rows[0].current_user;
  let sum = 0;
  for (let i = 1; i <= 10; i++) {
    sum += (await client.query({ name: "twice", text: "SELECT $1::int * 2 AS n", values: [i] })).rows[0].n;
  }
  await client.query("BEGIN");
  await client.query("CREATE TEMP TABLE t (a int) ON COMMIT DROP");
  await client.query("INSERT INTO t VALUES (1), (2), (3)");
  const count = (await client.query("SELECT count(*) FROM t")).rows[0].count;
  await client.query("COMMIT");
  const state = await client.query("SELECT 1/0").then(() => "none", (error) => error.code);
  await client.query("SET statement_timeout = 300");
  const cancelled = await client.query("SELECT pg_sleep(20)").then(() => false, (error) => error.code === "57014");
  console.log(`ok ${user} ${sum} ${count} ${state} ${cancelled}`);
  await client.end();
}

main().catch((error) => { console.error(error); process.exit(1); });
