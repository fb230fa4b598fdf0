// The steps of the driver matrix with node-postgres and with postgres.js: each prints "STEP ok", or what it was told.
const assert = require("node:assert");
const { pipeline: flow } = require("node:stream/promises");
const { Readable } = require("node:stream");
const table = "made_for_drivers", large = 10_000_000;
const at = { host: process.env.PGHOST, port: Number(process.env.PGPORT), user: process.env.PGUSER, database: process.env.PGDATABASE };
if (process.env.PGSSLROOTCERT) {
  const read = (name) => process.env[name] && require("node:fs").readFileSync(process.env[name]);
  at.password = process.env.PGPASSWORD;
  at.ssl = { ca: read("PGSSLROOTCERT"), cert: read("PGSSLCERT"), key: read("PGSSLKEY") };
}
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const failing = [["SELECT 1/0", "22012"], ["SELEKT", "42601"], ["SELECT * FROM nowhere", "42P01"]];
const codeOf = (promise) => promise.then(() => "none", (error) => error.code);

async function withPg() {
  const { Client } = require("pg");
  const copy = require("pg-copy-streams");
  const c = new Client(at), other = new Client(at);
  await Promise.all([c.connect(), other.connect()]);
  const one = async (...query) => Object.values((await c.query(...query)).rows[0])[0];
  const many = (count, text) => Readable.from((function* () { for (let k = 0; k < count; k++) yield text(k); })());
  return {
    async simple() {
      assert.equal(await one("SELECT current_user"), at.user);
      assert.equal((await c.query("SELECT 1; SELECT 2")).length, 2);
    },
    async prepared() {
      for (let k = 0; k < 30; k++) {
        assert.equal(await one({ name: "twice", text: "SELECT $1::int * 2", values: [k] }), 2 * k);
        assert.equal(await one({ name: `plus${k}`, text: `SELECT ${k} + $1::int`, values: [1] }), k + 1);
      }
    },
    async pipeline() {
      const all = Array.from({ length: 200 }, (_, k) => c.query(`INSERT INTO ${table} VALUES ($1, 'many')`, [k]));
      await Promise.all(all);
      assert.equal((await c.query(`DELETE FROM ${table}`)).rowCount, 200);
    },
    async copy_in() {
      await flow(many(10_000, (k) => `${k}\tcopied\n`), c.query(copy.from(`COPY ${table} FROM STDIN`)));
      assert.equal(await codeOf(flow(many(1, () => "no number\twrong\n"), c.query(copy.from(`COPY ${table} FROM STDIN`)))), "22P02");
    },
    async copy_out() {
      let text = "";
      for await (const piece of c.query(copy.to(`COPY (SELECT a FROM ${table}) TO STDOUT`))) text += piece;
      assert.equal(text.split("\n").length, 10_001);
      assert.equal((await c.query(`DELETE FROM ${table}`)).rowCount, 10_000);
    },
    async listen() {
      const heard = new Promise((resolve) => c.once("notification", (told) => resolve(told.payload)));
      await c.query("LISTEN matrix");
      await other.query("NOTIFY matrix, 'heard'");
      assert.equal(await Promise.race([heard, later(10_000)]), "heard");
      await c.query("UNLISTEN *");
    },
    async cancel() {
      const stop = later(500).then(() => other.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg\\_sleep%'"));
      assert.equal(await codeOf(c.query("SELECT pg_sleep(20)")), "57014");
      await stop;
    },
    async savepoints() {
      for (const sql of ["BEGIN", `INSERT INTO ${table} VALUES (1, 'kept')`, "SAVEPOINT s", `INSERT INTO ${table} VALUES (2, 'lost')`]) await c.query(sql);
      assert.equal(await codeOf(c.query("SELECT 1/0")), "22012");
      await c.query("ROLLBACK TO s");
      await c.query("COMMIT");
      assert.equal((await c.query(`DELETE FROM ${table}`)).rowCount, 1);
    },
    async errors() {
      for (const [sql, code] of failing) {
        assert.equal(await codeOf(c.query(sql)), code);
        assert.equal(await codeOf(c.query({ text: sql, values: [], name: `bad ${code}` })), code);
      }
      assert.equal(await one("SELECT 1"), 1);
    },
    async large() {
      assert.equal((await one("SELECT repeat('x', $1)", [large])).length, large);
      assert.equal(await one("SELECT length($1::text)", ["y".repeat(large)]), large);
    },
    async state() {
      for (const sql of ["CREATE TEMP TABLE of_the_session (a int)", "INSERT INTO of_the_session VALUES (1)", "DROP TABLE of_the_session"]) await c.query(sql);
    },
    end: () => Promise.all([c.end(), other.end()]),
  };
}

async function withPostgresJs() {
  const postgres = require("postgres");
  const c = postgres({ ...at, max: 1, onnotice: () => {} }), other = postgres({ ...at, max: 1 });
  const one = async (query) => Object.values((await query)[0])[0];
  return {
    async simple() {
      assert.equal(await one(c`SELECT current_user`), at.user);
      assert.equal((await c.unsafe("SELECT 1; SELECT 2").simple()).length, 2);
    },
    async prepared() {
      for (let k = 0; k < 30; k++) {
        assert.equal(await one(c`SELECT ${k}::int * 2`), 2 * k);
        assert.equal(await one(c.unsafe(`SELECT ${k} + $1::int`, [1], { prepare: true })), k + 1);
      }
      let seen = 0;
      await c`SELECT generate_series(1, 1000)`.cursor(100, (rows) => { seen += rows.length; });
      assert.equal(seen, 1000);
    },
    async pipeline() {
      await Promise.all(Array.from({ length: 200 }, (_, k) => c`INSERT INTO ${c(table)} VALUES (${k}, 'many')`));
      assert.equal((await c`DELETE FROM ${c(table)}`).count, 200);
    },
    async copy_in() {
      const into = await c`COPY ${c(table)} FROM STDIN`.writable();
      await flow(Readable.from((function* () { for (let k = 0; k < 10_000; k++) yield `${k}\tcopied\n`; })()), into);
      await later(100);
    },
    async copy_out() {
      // Not more than the stream's buffer: where its reader falls behind, postgres.js pauses its socket and does not always resume
      // it, also without a broker.
      let text = "";
      for await (const piece of await c`COPY (SELECT a FROM ${c(table)} WHERE a < 1000) TO STDOUT`.readable()) text += piece;
      assert.equal(text.split("\n").length, 1001);
      assert.equal((await c`DELETE FROM ${c(table)}`).count, 10_000);
    },
    async listen() {
      let tell;
      const heard = new Promise((resolve) => { tell = resolve; });
      const asked = await Promise.race([c.listen("matrix", tell), later(10_000).then(() => { throw new Error("LISTEN was not answered"); })]);
      await other.notify("matrix", "heard");
      assert.equal(await Promise.race([heard, later(10_000)]), "heard");
      await asked.unlisten();
    },
    async cancel() {
      const query = c`SELECT pg_sleep(20)`.execute();
      setTimeout(() => query.cancel(), 300);
      assert.equal(await codeOf(query), "57014");
      assert.equal(await one(c`SELECT 1`), 1);
    },
    async savepoints() {
      await c.begin(async (t) => {
        await t`INSERT INTO ${c(table)} VALUES (1, 'kept')`;
        assert.equal(await codeOf(t.savepoint(async (s) => {
          await s`INSERT INTO ${c(table)} VALUES (2, 'lost')`;
          await s`SELECT 1/0`;
        })), "22012");
      });
      assert.equal((await c`DELETE FROM ${c(table)}`).count, 1);
    },
    async errors() {
      for (const [sql, code] of failing) assert.equal(await codeOf(c.unsafe(sql, [], { prepare: true })), code);
      assert.equal(await one(c`SELECT 1`), 1);
    },
    async large() {
      assert.equal((await one(c`SELECT repeat('x', ${large})`)).length, large);
      assert.equal(await one(c`SELECT length(${"y".repeat(large)}::text)`), large);
    },
    async state() {
      for (const sql of ["CREATE TEMP TABLE of_the_session (a int)", "INSERT INTO of_the_session VALUES (1)", "DROP TABLE of_the_session"]) await c.unsafe(sql);
    },
    end: () => Promise.all([c.end({ timeout: 1 }), other.end({ timeout: 1 })]),
  };
}

async function main() {
  const { end, ...steps } = await (process.argv[2] === "pg" ? withPg() : withPostgresJs());
  for (const [name, run] of Object.entries(steps)) {
    await run().then(() => console.log(`${name} ok`), (error) => console.log(`${name}: ${String(error.message).replace(/\n/g, " ")}`));
  }
  await end();
  process.exit(0);
}

process.on("unhandledRejection", (error) => console.log(`unhandled: ${error.message}`));
main().catch((error) => { console.error(error); process.exit(1); });
