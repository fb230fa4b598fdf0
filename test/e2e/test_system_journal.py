"""`exec`: the trail is our account's, and so the child's; the system's journal holds a copy that it cannot change (threat 9)."""

import json
import os
import subprocess

import pytest

from conftest import require, skip_here
from harness.children import psql, python
from harness.journald import Journald
from harness.processes import wait_for

from test_audit import TAMPER, by_kind


@pytest.fixture
def journald():
    require(Journald.is_installed(), "systemd-journald")
    if not Journald.is_permitted():
        skip_here("needs the right to make a mount namespace")
    it = Journald()
    yield it
    it.stop()


def copies(journald):
    return [(entry, json.loads(entry["SALLYPORT_RECORD"])) for entry in journald.entries("SYSLOG_IDENTIFIER=sallyport")]


def test_what_the_child_takes_out_of_the_trail_stands_in_the_journal(sallyport, file_url, journald, secret):
    folder = os.path.join(sallyport.state, "sallyport", "audit")
    script = 'psql -X -A -t -c "SELECT 1" && python3 -c "$0" "$1" unlink'
    run = sallyport.exec(["sh", "-c", script, TAMPER, folder], file_url(), inside=journald.inside)
    assert run.code == 0 and "touched" in run.stdout, run.output
    assert "the audit trail was changed by somebody else" in run.stderr
    wait_for(lambda: by_kind([r for _, r in copies(journald)], "broker_stop"), "the journal to have it all")
    found = copies(journald)
    records = [record for _, record in found]
    assert [by_kind(records, kind) != [] for kind in ("broker_start", "session_start", "session_end", "security")] == [True] * 4
    start = by_kind(records, "session_start")[0]
    assert start["database"] == "app" and "psql" in start["verified"]["executable"]
    assert [record["seq"] for record in records][:3] == [1, 2, 3]
    for entry, _ in found:
        assert int(entry["_PID"]) == run.pid and int(entry["_UID"]) == os.getuid(), "the kernel's word, not ours"
        assert secret not in json.dumps(entry)
    left = sallyport.run("audit", "query", "--format", "json")
    assert left.code == 1 and "missing_segment" in left.stderr
    assert start["session"] not in left.stdout, "the child did take it out"


def test_the_start_says_whose_trail_it_is(sallyport, file_url, journald):
    sallyport.exec(psql("SELECT 1"), file_url(), inside=journald.inside).ok()
    assert by_kind(sallyport.audit(), "broker_start")[-1]["verified"]["trail"] == "same-uid, copied to the system's journal"
    sallyport.exec(psql("SELECT 1"), file_url()).ok()
    assert by_kind(sallyport.audit(), "broker_start")[-1]["verified"]["trail"] == "same-uid"


def test_a_journal_that_takes_nothing_is_said_and_holds_up_nobody(sallyport, file_url, journald):
    """Stopped, so that its queue fills."""
    os.kill(journald.process.pid, 19)
    try:
        loop = "for i in $(seq 200); do psql -X -A -t -c 'SELECT 1' || exit 1; done"
        run = sallyport.exec(["sh", "-c", loop], file_url(), inside=journald.inside, seconds=60)
    finally:
        os.kill(journald.process.pid, 18)
    assert run.code == 0, run.output
    assert "records of the audit trail did not reach the system's journal" in run.stderr
    assert len(by_kind(sallyport.audit(), "session_start")) >= 1
