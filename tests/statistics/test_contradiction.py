"""Error rates of `contradiction`: consistent respondents, inconsistent ones, and judges that see nothing."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, at_most
from respondent_tables import JUDGE, asked, personas, questions, said_by

from pytest_batcheval.quality.contradiction import (
    Contradiction,
    contradicting,
    contradiction,
    contradiction_request,
    mixed_personas,
)
from pytest_batcheval.simulator.respondents.registry import make

RUNS = {"quick": 2, "ci": 2, "full": 100}
NUMBERS = {"quick": 100, "ci": 200, "full": 2000}
IDS = [f"p{n:02d}" for n in range(24)]


def judged(name: str, seed: int) -> Contradiction:
    texts = {(p.id, q.id): reply.text for p, q, _, reply in said_by.__wrapped__(name, seed)}
    ids, topics = [p.id for p in personas()], [q.id for q in questions()]
    mixed = mixed_personas(ids, len(topics))
    sets = [{one: [texts[one, q] for q in topics] for one in ids},
            {one: [texts[of, q] for of, q in zip(mixed[one], topics, strict=True)] for one in ids}]  # fmt: skip
    found = [
        {one: [contradicting(make("judge").reply(asked(contradiction_request(said, model=JUDGE), seed)).text, said)]
         for one, said in given.items()} for given in sets
    ]  # fmt: skip
    return contradiction(*found, answers=len(topics), permutations=999, seed=seed)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("faithful", "consistent"),
        ("factual", "consistent"),
        ("contradicting", "contradicts itself"),
        ("contradicting-0.3", "contradicts itself"),
        ("blind", "contradicts itself"),
        ("flat", "not shown"),
    ],
)
def test_respondents_are_sorted_out(proof: str, name: str, verdict: str) -> None:
    runs = RUNS[proof]
    found = [judged(name, FIRST + n).verdict for n in range(runs)]
    assert at_most(sum(one != verdict for one in found), runs, 0.01), found


@pytest.mark.sampled
def test_a_judge_that_guesses_calls_hardly_anybody_consistent(proof: str) -> None:
    """It lists pairs whoever gave the answers, more of some sets than of others."""
    runs = NUMBERS[proof]
    found = []
    for seed in range(FIRST, FIRST + runs):
        rng = np.random.default_rng(seed)
        rate = rng.choice([0.02, 0.1, 0.3])
        drawn = [{one: [[(1, 2)] * rng.binomial(55, rng.beta(1, 1 / rate - 1))] for one in IDS} for _ in range(2)]
        found.append(contradiction(*drawn, answers=11, permutations=199, seed=seed))
    assert at_most(sum(one.p_value <= 0.05 for one in found), runs, 0.05)
    assert at_most(sum(one.verdict == "consistent" for one in found), runs, 0.01)
