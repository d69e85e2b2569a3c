"""The quality gate passes the faithful respondent and names the right part for each of the others."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

import numpy as np
import pytest
from rates import at_most
from respondent_gates import REPORTED, RESPONDENTS, Outcome, outcome
from respondent_tables import CODES, said_by

from pytest_batcheval.quality import quality_gate
from pytest_batcheval.recordings.answer_table import Answers

RUNS = {"quick": {1: 3, 3: 1}, "ci": {1: 6, 3: 2}, "full": {1: 600, 3: 200}}

CAUGHT: dict[str, set[str]] = {
    "collapsed": {"diverse", "different", "traits", "discriminant"},
    "collapsed-everywhere": {"diverse", "different", "copies", "traits", "discriminant"},
    "blind": {"traits", "discriminant"},
    "flat": {"traits", "discriminant"},
    "prompt_sensitive": {"traits", "discriminant"},
    "inverted": {"traits", "discriminant"},
    "noisy": {"traits"},
    "echo": {"own_words", "traits", "discriminant"},
    "halo": {"traits", "discriminant"},
    "partial": {"traits"},
    "refuser": {"form"},
    "salad": {"traits", "discriminant"},
    "placebo": {"traits", "discriminant"},
}
"""The parts that fail in every run, or in all but one of a hundred."""

pytestmark = pytest.mark.timeout(0)  # a full proof takes an hour
each_k = pytest.mark.parametrize("samples", [1, 3])


@cache
def outcomes(name: str, samples: int, runs: int) -> list[Outcome]:
    if runs < 50:
        return [outcome(name, samples, seed) for seed in REPORTED[:runs]]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(outcome, name, samples), REPORTED[:runs], chunksize=4))


@pytest.mark.sampled
@each_k
def test_the_faithful_respondent_passes(proof: str, samples: int) -> None:
    runs = RUNS[proof][samples]
    failed = [o.failed for o in outcomes("faithful", samples, runs) if o.failed]
    assert at_most(len(failed), runs, 0.01), failed


@pytest.mark.sampled
@each_k
@pytest.mark.parametrize("name", CAUGHT)
def test_every_other_respondent_is_caught_by_the_right_part(proof: str, name: str, samples: int) -> None:
    runs = RUNS[proof][samples]
    found = outcomes(name, samples, runs)
    assert at_most(sum(not o.failed for o in found), runs, 0.01)
    for part in CAUGHT[name]:
        missed = sum(part not in o.failed for o in found)
        assert at_most(missed, runs, 0.01), f"{part} let {missed} of {runs} through"


@pytest.mark.sampled
def test_repeated_samples_are_seen_where_there_are_samples(proof: str) -> None:
    for name in ("collapsed", "prompt_sensitive"):
        assert all("samples" in o.failed for o in outcomes(name, 3, RUNS[proof][3]))


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["inverted", "echo"])
def test_these_are_told_apart_all_the_same(proof: str, name: str) -> None:
    """Why differing is not enough: the one that shows the opposite, and the one that reads its description aloud."""
    found = outcomes(name, 1, RUNS[proof][1])
    assert all(o.p_value <= 0.01 for o in found)
    assert at_most(sum("different" in o.failed for o in found), len(found), 0.01)


@pytest.mark.sampled
def test_a_judge_that_sees_the_persona_does_not_open_the_gate(proof: str) -> None:
    """It scores what the persona was told; what tells personas apart is read from texts alone, and opens by chance."""
    runs = RUNS[proof][1]
    opened = 0
    for seed in REPORTED[:runs]:
        said = said_by.__wrapped__("blind", seed)
        rng = np.random.default_rng(seed)
        told = {code: [3 + p.levels[code] * rng.integers(1, 3) for p, *_ in said] for code in CODES}
        answers = Answers.from_records({"persona": p, "question": q, "text": r.text} for p, q, _, r in said)
        failed = quality_gate(answers, scores=told, permutations=199).failed
        assert failed in ((), ("different",))
        opened += not failed
    assert at_most(opened, runs, 0.01)


@pytest.mark.sampled
def test_three_samples_show_what_one_does_not(proof: str) -> None:
    """A faithful respondent that shows only 40 % of its signs."""
    runs = RUNS[proof][3]
    one, three = (outcomes("faithful-0.4", samples, runs) for samples in (1, 3))
    assert sum(not o.failed for o in three) > sum(not o.failed for o in one)
    assert at_most(sum(bool(o.failed) for o in three), runs, 0.05)


def test_every_respondent_is_looked_at() -> None:
    assert set(CAUGHT) == set(RESPONDENTS) - {"faithful", "faithful-0.4"}


UNEVEN = {
    "monologue": "copies",
    "neighbours": "copies",
    "mute": "each_persona",
    "few": "traits",
    "late": "each_question",
    "drifting": "each_question",
    "counsellor": "form",
    "sheet_reader": "own_words",
    "emoji": "traits",
    "length": "traits",
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", UNEVEN)
def test_what_lies_between_answers_fails_its_part(proof, name):
    runs = {"quick": 1, "ci": 1, "full": 40}[proof]
    missed = sum(UNEVEN[name] not in outcome(name, 1, seed, 199).failed for seed in REPORTED[:runs])
    assert at_most(missed, runs, 0.05), missed / runs
