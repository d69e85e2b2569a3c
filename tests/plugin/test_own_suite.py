"""The evaluation suite under tests/scenarios, run as its users run it, in a copy of its own.

That the committed recordings replay, a run of the whole suite shows, and the outputs in README that tests/docs compares.
"""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANSWERS = "--ignore=tests/scenarios/pipeline"
"""Those scenarios that judge answers; the others send requests of their own each time."""


@pytest.fixture
def own_suite(pytester, monkeypatch):
    """Run the suite: `own_suite("-k", "kim")`; its folder is `pytester.path`."""
    for folder in ("fixtures", "tests/scenarios", "cassettes"):
        shutil.copytree(ROOT / folder, pytester.path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / file, pytester.path)
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    return lambda *args: pytester.runpytest_subprocess("-m", "batch", *args)


def recorded(pytester):
    """Every recorded line, whichever file it is in."""
    files = pytester.path.glob("cassettes/answers/**/*.jsonl")
    return sorted(line for path in files for line in path.read_bytes().split(b"\n") if line)


@pytest.mark.sampled
def test_a_live_run_executes_each_request_once(own_suite, batch_server, pytester):
    shutil.rmtree(pytester.path / "cassettes")
    live = ("--batch=send", f"--batch-backend={batch_server.base_url}")
    own_suite("tests/scenarios/test_single_question.py", "tests/scenarios/test_full_matrix.py", *live).assert_outcomes(
        passed=300
    )
    assert len(batch_server.ledger.executions) == len(batch_server.ledger.custom_ids()) == 275
    own_suite("tests/scenarios", ANSWERS, "-n", "2", *live).assert_outcomes(passed=332)
    assert len(batch_server.ledger.executions) == len(batch_server.ledger.custom_ids()) == 1118


@pytest.mark.sampled
def test_one_question_sends_its_25_requests(own_suite, batch_server, pytester):
    shutil.rmtree(pytester.path / "cassettes")
    own_suite("-k", "chief_complaint", "--batch=send", f"--batch-backend={batch_server.base_url}")
    assert len(batch_server.ledger.executions) == 25


@pytest.mark.sampled
@pytest.mark.parametrize(("respondent", "failing"), [("blind", 12), ("collapsed", 15)])
def test_a_respondent_that_ignores_the_persona_fails_the_quality_tests_only(own_suite, respondent, failing):
    """Of seven traits tested at 5 %, one shows of the blind one, by chance."""
    result = own_suite(ANSWERS, "--batch=send", f"--batch-backend=simulator:{respondent}")
    result.assert_outcomes(passed=332 - failing, failed=failing)
    failed = [line for line in result.stdout.lines if line.startswith("FAILED")]
    assert all(re.search("test_(personas_differ|traits|models|consistency|diversity)", line) for line in failed)


@pytest.mark.sampled
def test_without_recordings_the_summary_is_folded_and_recording_brings_the_same_bytes_back(own_suite, pytester):
    lines = recorded(pytester)
    shutil.rmtree(pytester.path / "cassettes")
    missing = own_suite("tests/scenarios")
    assert missing.ret == 1
    missing.stdout.fnmatch_lines(
        [
            "332 tests could not run: 854 requests without a recorded answer",
            "17 tests could not run: no recorded conversation",
            "*349 unrecorded*",
        ]
    )
    assert len(missing.stdout.lines) < 60
    own_suite("tests/scenarios", "--batch=record", "--batch-backend=simulator").assert_outcomes(passed=349)
    assert recorded(pytester) == lines, "which module's file a line is in depends on who asked first"
