// Prisma's client with its driver adapter for node-postgres. Steps are named on the command line; each prints "STEP ok", or what Prisma
// was told. `migrate` here is the SQL of the schema: Prisma's own needs a program that no package contains.
import { PrismaPg } from "@prisma/adapter-pg";
import prismaClient from "@prisma/client";

const { PrismaClient } = prismaClient;
const url = `postgresql://app@localhost/app?host=${process.env.PGHOST}&port=${process.env.PGPORT}`;
const open = (more = {}, options = undefined) =>
  new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 4, ...more }, options) });
const prisma = open();

function same(seen, wanted) {
  if (seen !== wanted) throw new Error(`${seen} instead of ${wanted}`);
}

const steps = {
  async migrate() {
    await prisma.$executeRawUnsafe('CREATE TABLE "Author" (id serial PRIMARY KEY, name text UNIQUE NOT NULL)');
    await prisma.$executeRawUnsafe(
      'CREATE TABLE "Book" (id serial PRIMARY KEY, title text NOT NULL, "authorId" int NOT NULL REFERENCES "Author")',
    );
  },
  async crud() {
    for (let k = 0; k < 50; k++)
      await prisma.author.create({ data: { name: `author${k}`, books: { create: [{ title: "a" }, { title: "b" }] } } });
    await prisma.author.update({ where: { name: "author0" }, data: { name: "renamed" } });
    await prisma.book.deleteMany({ where: { author: { name: "author1" } } });
    await prisma.author.delete({ where: { name: "author1" } });
    const all = await prisma.author.findMany({ include: { books: true } });
    same(all.length, 49);
    same(all.reduce((sum, each) => sum + each.books.length, 0), 98);
  },
  async savepoint() {
    await prisma.$transaction(async (transaction) => {
      await transaction.author.create({ data: { name: "kept" } });
      await transaction.$executeRaw`SAVEPOINT inner_one`;
      let told;
      await transaction.author.create({ data: { name: "kept" } }).catch((error) => (told = error.code));
      same(told, "P2002");
      await transaction.$executeRaw`ROLLBACK TO SAVEPOINT inner_one`;
    });
    same(await prisma.author.count({ where: { name: "kept" } }), 1);
  },
  async pool() {
    await Promise.all(
      [0, 1, 2, 3].map(async (number) => {
        for (let k = 0; k < 50; k++)
          await prisma.$transaction(async (transaction) => {
            const made = await transaction.author.create({ data: { name: `thread${number}-${k}` } });
            same((await transaction.author.findUnique({ where: { id: made.id } })).name, `thread${number}-${k}`);
          });
      }),
    );
    same(await prisma.author.count({ where: { name: { startsWith: "thread" } } }), 200);
  },
  // Prisma has no cursor of the server's: page after page.
  async stream() {
    let seen = 0;
    for (let last = undefined; ; ) {
      const page = await prisma.author.findMany({ take: 20, orderBy: { id: "asc" }, ...(last && { skip: 1, cursor: { id: last } }) });
      if (!page.length) break;
      seen += page.length;
      last = page.at(-1).id;
    }
    if (seen < 200) throw new Error(`only ${seen}`);
  },
  async isolation() {
    await prisma.$transaction(
      async (transaction) => same((await transaction.$queryRaw`SHOW transaction_isolation`)[0].transaction_isolation, "serializable"),
      { isolationLevel: "Serializable" },
    );
  },
  async schema() {
    const own = open({}, { schema: "public" });
    same(await own.author.count() > 0, true);
    await own.$disconnect();
  },
};

for (const name of process.argv.slice(2)) {
  try {
    await steps[name]();
    console.log(`${name} ok`);
  } catch (error) {
    console.log(`${name}: ${String(error).replaceAll("\n", " ")}`);
  }
}
await prisma.$disconnect();
