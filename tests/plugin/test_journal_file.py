"""The file that the README says to keep has every answer when a run has ended, whichever way it ended."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import pytest

from pytest_batcheval.journal.store import Journal

SUITE = """
    @pytest.mark.batch(prompt=ask)
    def test_one(persona, question, answer):
        assert answer.text
"""
ANSWERS = 6


@pytest.fixture
def alone(suite, tmp_path_factory):
    """`alone()`: the number of answers in a copy of the journal's file without the files beside it."""

    def count():
        copy = tmp_path_factory.mktemp("copy") / "journal.sqlite"
        shutil.copy(suite.path / ".batcheval" / "journal.sqlite", copy)
        reader = Journal.read(copy)
        requests = [request for _, _, request in suite.bodies()]
        found = len(reader.answers(requests))
        reader.close()
        return found

    return count


def files(suite):
    names = {path.name for path in (suite.path / ".batcheval").glob("journal.sqlite*")}
    return names - {"journal.sqlite.lock", "journal.sqlite.reserve"}


@pytest.mark.sampled
def test_it_has_all_answers_after_a_run_of_workers_and_nothing_lies_beside_it(suite, alone):
    suite.test_file(SUITE)
    suite.run_apart("--batch=send", "--batch-backend=simulator", "-p", "xdist", "-n", "2").assert_outcomes(
        passed=ANSWERS
    )
    assert alone() == ANSWERS
    assert files(suite) == {"journal.sqlite"}


def test_a_run_that_only_reads_leaves_nothing_beside_it(suite, alone):
    suite.test_file(SUITE)
    for mode in ("--batch=send", "--batch=replay"):
        suite.run(mode, "--batch-backend=simulator").assert_outcomes(passed=ANSWERS)
        assert files(suite) == {"journal.sqlite"}
        assert alone() == ANSWERS


@pytest.mark.sampled
@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt", "os._exit(9)"])
def test_it_has_them_when_a_run_ends_in_another_way(suite, alone, end):
    suite.test_file(SUITE + f"        import os\n        {end}\n")
    suite.run_apart("--batch=send", "--batch-backend=simulator")
    assert alone() == ANSWERS


@pytest.mark.sampled
def test_a_log_that_a_kill_left_is_moved_by_the_next_run(suite, alone):
    suite.test_file(SUITE)
    script = (
        "import os, signal, sys, pytest\n"
        "from pytest_batcheval.journal import connect\n"
        "connect.shorten_log = lambda *given: os.kill(os.getpid(), signal.SIGKILL) if given[1:] != (0,) else None\n"
        "pytest.main(['--batch=send', '--batch-backend=simulator'])\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], cwd=suite.path, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "journal.sqlite-wal" in files(suite)
    suite.run("--batch=send", "--batch-backend=simulator").assert_outcomes(passed=ANSWERS)
    assert alone() == ANSWERS
