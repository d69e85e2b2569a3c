"""What lies between the tests: the gate on respondents in free words, and on judges that misuse their scale."""

from __future__ import annotations

import pytest
from between_tests import CASES, REPORTED, outcome
from rates import at_most

RUNS = {"quick": 1, "ci": 1, "full": 60}

CAUGHT = {
    "one text for all questions": "copies",
    "every second answer is the one before": "copies",
    "2 of 24 mute": "each_persona",
    "10 of 24 mute": "each_persona",
    "in character in 5 of 11 questions": "each_question",
    "in 9 of 11 questions": "each_question",
    "a counsellor in 10 % of answers, labelled": "form",
    "polite refusals in 10 %, labelled": "form",
    "a tic of 2 of 24, else nothing": "different",
    "inverted": "traits",
    "75 %, a judge that scores by liking": "discriminant",
}
"""The part that fails in 98 of 100 runs at least."""

pytestmark = pytest.mark.timeout(0)


@pytest.mark.sampled
@pytest.mark.parametrize("name", CAUGHT)
def test_each_is_caught_by_its_part(proof: str, name: str) -> None:
    runs = RUNS[proof]
    missed = sum(CAUGHT[name] not in outcome(name, 1, seed, 199)[0] for seed in REPORTED[:runs])
    assert at_most(missed, runs, 0.05), missed / runs


@pytest.mark.sampled
@pytest.mark.parametrize(("name", "samples"), [("75 % of the signs", 1), ("75 %, English", 1), ("60 %", 3)])
def test_the_faithful_ones_pass(proof: str, name: str, samples: int) -> None:
    runs = RUNS[proof]
    failed = [failed for seed in REPORTED[:runs] if (failed := outcome(name, samples, seed, 199)[0])]
    assert at_most(len(failed), runs, 0.03), failed


@pytest.mark.sampled
def test_scores_that_are_missing_by_level_are_a_warning(proof: str) -> None:
    runs = RUNS[proof]
    assert all(outcome("75 %, a judge that sees half of the low poles", 1, s)[1] for s in REPORTED[:runs])
    warned = sum(outcome("75 % of the signs", 1, seed)[1] for seed in REPORTED[:runs])
    assert at_most(warned, runs, 0.02)


def test_every_case_is_looked_at() -> None:
    assert set(CAUGHT) < set(CASES)
