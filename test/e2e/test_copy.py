"""200 MB through \\copy in both directions, whole and unchanged."""

import hashlib
import os
import re

from harness.processes import resident_kb

MEGABYTES = 200


def write_rows(path):
    """Rows of about 1 kB whose text differs; the file's checksum."""
    digest, line_hash = hashlib.sha256(), hashlib.sha256(b"seed").hexdigest()
    with open(path, "wb") as file:
        number, written = 0, 0
        while written < MEGABYTES * 1_000_000:
            block = bytearray()
            for _ in range(1000):
                line_hash = f"{hash((number, line_hash)) & 0xffffffffffffffff:016x}"
                block += f"{number}\t{line_hash * 60}\n".encode()
                number += 1
            digest.update(block)
            file.write(block)
            written += len(block)
    return digest.hexdigest()


def test_both_ways_with_equal_checksums_and_bounded_memory(sallyport, file_url, pg):
    source = os.path.join(sallyport.folder, "tmp", "in.tsv")
    target = os.path.join(sallyport.folder, "tmp", "out.tsv")
    expected = write_rows(source)
    pg.sql("DROP TABLE IF EXISTS bulk; CREATE UNLOGGED TABLE bulk (id int, text text); ALTER TABLE bulk OWNER TO app",
           database="app")
    try:
        run = sallyport.start_exec(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", f"\\copy bulk FROM '{source}'",
             "-c", f"\\copy (SELECT * FROM bulk ORDER BY id) TO '{target}'", "-c", "SELECT 'done'"], file_url())
        most = 0
        import time
        while run.process.poll() is None:
            most = max(most, resident_kb(run.pid))
            time.sleep(0.1)
        run.ok()
        with open(target, "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == expected
        assert most < 64_000, f"sallyport held {most} kB"
    finally:
        pg.sql("DROP TABLE bulk", database="app")
        for path in (source, target):
            if os.path.exists(path):
                os.unlink(path)


def test_a_copy_that_fails_half_way_leaves_the_session_usable(sallyport, file_url):
    command = ["sh", "-c", "(echo 1; echo 2; echo not-a-number) | psql -XAtq -c 'CREATE TEMP TABLE t (a int)' "
                           "-c '\\copy t FROM STDIN' -c 'SELECT count(*) FROM t'"]
    run = sallyport.exec(command, file_url())
    assert run.stdout == "0\n" and re.search("invalid input syntax", run.stderr)


def test_a_client_that_goes_away_during_a_copy_poisons_nobody(sallyport, file_url):
    command = ["sh", "-c", "psql -XAtqc 'COPY (SELECT repeat(chr(65), 1000) FROM generate_series(1, 300000)) TO STDOUT' "
                           "| head -c 100000 >/dev/null; psql -XAtqc \"SELECT 'clean'\""]
    assert sallyport.exec(command, file_url()).ok().stdout == "clean\n"
