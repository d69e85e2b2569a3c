"""The changes from one run of tests to a later one, in words."""

from pytest_batcheval.journal.outcomes import KeptResult, Outcome
from pytest_batcheval.report.changes import changes, changes_lines, in_a_sentence


def run(*outcomes, effect=None, interval=None):
    results = [KeptResult("Diversity", "", "", {"effect": effect, "interval": interval})]
    return [Outcome(f"t::{number}", "t.py", outcome, results=results) for number, outcome in enumerate(outcomes)]


def test_one_sentence_says_both_ways():
    found = changes(0.0, run("passed", "failed", "passed"), run("failed", "passed", "error", "failed"))
    assert (
        in_a_sentence(found, "**").partition("too, ")[2]
        == "**2 passed then and do not now**, and 1 the other way round."
    )
    same = in_a_sentence(changes(0.0, run("failed"), run("failed")))
    assert same.startswith("Of 1 test that ran on 1970-01-01 ")
    assert same.endswith("none has another outcome.")


def test_results_that_moved_are_listed_as_far_as_a_screen_goes():
    before, now = run(*["passed"] * 7, effect=0.5), run(*["passed"] * 7, effect=0.25, interval=[0.125, 0.375])
    lines = changes_lines(changes(0.0, before, now))
    assert lines[1] == "t::0: effect of Diversity 0.500 then, 0.250 (0.125 to 0.375) now"
    assert lines[-1] == "… and 2 more results moved"
    assert len(lines) == 7
    assert len(changes_lines(changes(0.0, before, before))) == 1
