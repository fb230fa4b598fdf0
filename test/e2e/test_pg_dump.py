"""pg_dump through Sallyport, restored through Sallyport, and nothing lost on the way."""

import os

import pytest

FINGERPRINT = "SELECT count(*), sum(hashtext(t::text)) FROM kept t"


@pytest.fixture
def table(pg):
    pg.sql("""CREATE TABLE kept AS SELECT i AS id, md5(i::text) AS text, decode(md5(i::text), 'hex') AS bytes
              FROM generate_series(1, 20000) i;
              ALTER TABLE kept ADD PRIMARY KEY (id); CREATE INDEX ON kept (text);
              ALTER TABLE kept OWNER TO app""", database="app")
    large = pg.sql("SELECT lo_from_bytea(0, repeat('large object ', 50000)::bytea)", database="app")[0][0]
    pg.sql(f"ALTER LARGE OBJECT {large} OWNER TO app", database="app")
    yield large
    pg.sql("DROP TABLE IF EXISTS kept", database="app")
    pg.sql("SELECT lo_unlink(oid) FROM pg_largeobject_metadata", database="app")


@pytest.mark.parametrize("form", ["custom", "plain"])
def test_dump_and_restore(sallyport, file_url, pg, table, form):
    dump = os.path.join(sallyport.folder, "tmp", "dump")
    before = pg.sql(FINGERPRINT, database="app")
    url = file_url()
    sallyport.exec(["pg_dump", f"--format={form}", "--file", dump, "--table=kept", "--no-owner", "--blobs"], url).ok()
    pg.sql("DROP TABLE kept; SELECT lo_unlink(oid) FROM pg_largeobject_metadata", database="app")
    restore = ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", dump] if form == "plain" else \
        ["pg_restore", "--no-owner", "--exit-on-error", "--dbname=app", dump]
    sallyport.exec(restore, url).ok()
    assert pg.sql(FINGERPRINT, database="app") == before
    assert pg.sql("SELECT length(lo_get(oid)) FROM pg_largeobject_metadata", database="app") == [(650000,)]


@pytest.fixture
def copied(pg):
    pg.sql("CREATE DATABASE copied OWNER app_owner")
    pg.sql("GRANT ALL ON SCHEMA public TO app_owner", database="copied")
    yield "copied"
    pg.sql("DROP DATABASE copied WITH (FORCE)")


def test_a_pipe_from_dump_to_restore(sallyport, file_url, pg, table, copied):
    """Both at once: one reads the one database while the other fills the other; more than a pipe holds is on its way."""
    pipe = 'pg_dump --format=custom --table=kept --no-owner --blobs "$DATABASE_URL" | ' \
           'pg_restore --no-owner --exit-on-error --dbname="$COPY_URL"'
    run = sallyport.exec(["bash", "-o", "pipefail", "-c", pipe],
                         flags=["-e", f"DATABASE_URL={file_url()}", "-e", f"COPY_URL={file_url(dbname=copied)}"]).ok()
    assert run.stdout == ""
    assert pg.sql(FINGERPRINT, database=copied) == pg.sql(FINGERPRINT, database="app")
    large = "SELECT oid, md5(lo_get(oid)) FROM pg_largeobject_metadata"
    assert pg.sql(large, database=copied) == pg.sql(large, database="app") != []
    assert pg.sql("SELECT count(*) FROM pg_indexes WHERE tablename = 'kept'", database=copied) == [(2,)]
