"""unit_programs.py, on programs that behave as GoogleTest's do."""

import os
import stat

import unit_programs

GOOD = """#!/bin/sh
case "$1" in --gtest_list_tests) printf 'Suite.\\n  One\\n  Two\\n  DISABLED_Three\\n'; exit;; esac
cat > "${1#--gtest_output=xml:}" <<X
<testsuites><testsuite name="Suite"><testcase name="T$GTEST_SHARD_INDEX" classname="Suite" status="run" result="completed"/></testsuite></testsuites>
X
"""
DYING = """#!/bin/sh
case "$1" in --gtest_list_tests) printf 'Suite.\\n  One\\n'; exit;; esac
echo '[ RUN      ] Suite.Before'; echo '[       OK ] Suite.Before (0 ms)'; echo '[ RUN      ] Suite.One'; kill -SEGV $$
"""
LEAKING = GOOD + "exit 23\n"


def programs(folder, **texts):
    os.makedirs(folder / "test")
    for name, text in texts.items():
        path = folder / "test" / name
        path.write_text(text, encoding="ascii")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(folder)


def run(folder, **texts):
    return unit_programs.run_programs(programs(folder, **texts), dict(os.environ), 2)


def test_each_shard_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_programs, "TESTS_A_SHARD", 1)
    counts = run(tmp_path, test_good=GOOD)
    assert (counts.passed, counts.failed) == (2, 0)


def test_who_dies_is_named(tmp_path):
    counts = run(tmp_path, test_dying=DYING, test_good=GOOD)
    assert (counts.passed, counts.failed) == (1, 1)
    assert counts.broken == ["test_dying 1 of 1, in Suite.One (exit: -11)"]


def test_what_is_found_at_the_end_fails(tmp_path):
    counts = run(tmp_path, test_leaking=LEAKING)
    assert (counts.passed, counts.failed) == (1, 1) and "in its end (exit: 23)" in counts.broken[0]


def test_no_programs_and_one_that_does_not_start_are_failures(tmp_path):
    assert run(tmp_path).failed == 1
    assert run(tmp_path / "b", test_broken="#!/bin/sh\nexit 127\n").failed == 1
