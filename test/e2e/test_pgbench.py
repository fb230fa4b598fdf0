"""pgbench in every query mode, and reconnecting for each transaction."""

import re

import pytest


def figures(text):
    return (int(re.search(r"actually processed: (\d+)", text).group(1)),
            int(re.search(r"failed transactions: (\d+)", text).group(1)))


@pytest.mark.parametrize("flags", [["-M", "simple"], ["-M", "extended"], ["-M", "prepared"], ["-S", "-C"],
                                   ["-S", "-M", "prepared", "-c", "32", "-j", "2"]], ids=" ".join)
def test_no_transaction_fails(sallyport, file_url, tables, flags):
    # pgbench drives 32 clients at most: the pool's `max` is 20, so some wait for their turn at the start.
    flags = [f if f != "32" else "16" for f in flags]
    run = sallyport.exec(["pgbench", "-n", "-T", "3", *([] if "-c" in flags else ["-c", "4"]), *flags], file_url()).ok()
    done, failed = figures(run.stdout)
    assert failed == 0 and done > 20


def test_a_pipeline_of_libpq(sallyport, file_url, tmp_path):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "SELECT 1;\n" * 50 + "\\endpipeline\n")
    run = sallyport.exec(["pgbench", "-n", "-t", "50", "-M", "extended", "-f", str(script)], file_url()).ok()
    assert figures(run.stdout) == (50, 0)


def test_pgbench_initialises_through_it(sallyport, file_url, pg):
    command = "pgbench -i -q -s 1 2>/dev/null && psql -XAtqc 'SELECT count(*) FROM pgbench_accounts'"
    try:
        assert sallyport.exec(["sh", "-c", command], file_url()).ok().stdout.endswith("100000\n")
    finally:
        pg.sql("DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history", database="app")
