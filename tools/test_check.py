"""What `./dev check` must not take for a pass."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402


@pytest.fixture
def fuzz(tmp_path, monkeypatch):
    """Two fuzzers' sources, and a function that runs the step with the programs given."""
    monkeypatch.setattr(check, "ROOT", str(tmp_path))
    monkeypatch.setattr(check, "CACHE", str(tmp_path / "cache"))
    (tmp_path / "fuzz").mkdir()
    for name in ("dsn", "ping"):
        (tmp_path / "fuzz" / f"{name}_fuzz.cpp").write_text("// Why.\n")

    def run(*programs):
        folder = tmp_path / "build" / "fuzz"
        folder.mkdir(parents=True)
        for name in programs:
            (folder / name).write_text("#!/bin/sh\n")
            (folder / name).chmod(0o755)
        return check.check_fuzzers("build", 1)
    return run


def test_no_fuzzer_at_all_is_a_failure(fuzz, capsys):
    assert fuzz().failed == 2
    assert "no fuzzers were built" in capsys.readouterr().out


def test_a_fuzzer_that_was_not_built_is_a_failure(fuzz, capsys):
    counts = fuzz("dsn_fuzz")
    assert (counts.passed, counts.failed) == (1, 1)
    assert "not built: ping_fuzz" in capsys.readouterr().out


def test_all_that_have_a_source_pass(fuzz):
    counts = fuzz("dsn_fuzz", "ping_fuzz")
    assert (counts.passed, counts.failed) == (2, 0)


TWO = '<testsuite><testcase name="a"/><testcase name="b"/><testcase name="c"><skipped message="why"/></testcase></testsuite>'
BAD = '<testsuite><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>'
ONE = '<testsuite><testcase name="a"/></testsuite>'


@pytest.mark.parametrize("together, alone, status, expected", [
    (TWO, ONE, 0, "3 passed, 0 failed, 1 skipped"), (BAD, ONE, 1, "2 passed, 1 failed"), (ONE, BAD, 1, "2 passed, 1 failed"),
    (ONE, ONE, 2, "2 passed, 1 failed"), (ONE, None, 2, "1 passed, 1 failed"), (None, None, 2, "0 passed, 1 failed"),
    (None, None, 0, "0 passed, 1 failed")])
def test_soak_counts_the_tests_with_real_servers(tmp_path, monkeypatch, together, alone, status, expected):
    (tmp_path / "build").mkdir()
    reports = [tmp_path / "build" / "e2e.xml", tmp_path / "build" / "e2e-alone.xml"]
    for stale in reports:
        stale.write_text('<testsuite><testcase name="of another run"/></testsuite>')

    class Done:
        returncode = status

    def run(command, cwd, env):
        assert command == ["./dev", "test", "e2e"] and env["SALLYPORT_SOAK"] == "1"
        assert not any(report.exists() for report in reports)
        for report, text in zip(reports, (together, alone)):
            if text:
                report.write_text(text)
        return Done
    monkeypatch.setattr(check, "ROOT", str(tmp_path))
    monkeypatch.setattr(check.subprocess, "run", run)
    assert check.soak_steps(60)[-1][1]().line() == expected


@pytest.mark.parametrize("left, late", [(3600, False), (14 * 60, False), (11 * 60, True), (-5, True)])
def test_fuzzers_that_cannot_end_in_time_are_not_begun_and_it_is_said(monkeypatch, left, late):
    monkeypatch.setenv("SALLYPORT_CHECKS_END", str(10_000 + left))
    assert (check.too_late_to_fuzz(now=10_000) or "") == (
        f"{max(0, left // 60)} minutes are left, and it may take 14 where nothing is compiled yet; ./dev check runs it" if late else "")


def test_without_an_end_it_is_never_too_late(monkeypatch):
    monkeypatch.delenv("SALLYPORT_CHECKS_END", raising=False)
    assert check.too_late_to_fuzz() is None
