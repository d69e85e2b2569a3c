"""Error rates of `oversharing`: respondents that keep to the question, and ones that tell all, by a judge and scores."""

from __future__ import annotations

import numpy as np
import pytest
from rates import FIRST, at_most
from respondent_gates import outcome
from respondent_tables import JUDGE, asked, questions, said_by, scores, table, verdicts

from pytest_batcheval.quality.oversharing import (
    Oversharing,
    overshared,
    oversharing,
    oversharing_request,
    shown_traits,
)
from pytest_batcheval.simulator.respondents.registry import make

RUNS = {"quick": 2, "ci": 2, "full": 100}
NUMBERS = {"quick": 100, "ci": 200, "full": 2000}
KEEPS, TELLS = "keeps to the question", "overshares"
NEXT = dict(zip(questions(), [*questions()[1:], questions()[0]], strict=True))


def judged(name: str, seed: int) -> Oversharing:
    said = said_by.__wrapped__(name, seed)

    def tells(other: bool) -> dict[str, dict[str, bool]]:
        found: dict[str, dict[str, bool]] = {}
        for persona, question, _, reply in said:
            words = (NEXT[question] if other else question)["texts"]["ko"]
            body = oversharing_request(words, reply.text, model=JUDGE)
            quotes = overshared(make("judge").reply(asked(body, seed)).text, reply.text)
            found.setdefault(persona.id, {})[question.id] = bool(quotes)
        return found

    return oversharing(tells(False), tells(True), permutations=999, seed=seed)


def by_scores(name: str, seed: int) -> Oversharing:
    given = scores(verdicts.__wrapped__("judge", name, seed))
    return oversharing(*shown_traits(table(name, seed), scores=given), permutations=999, seed=seed)


@pytest.mark.sampled
@pytest.mark.parametrize("measured", [judged, by_scores])
@pytest.mark.parametrize(("name", "verdict"), [("faithful", KEEPS), ("oversharer", TELLS)])
def test_respondents_are_sorted_out(proof: str, measured, name: str, verdict: str) -> None:
    runs = RUNS[proof]
    found = [measured(name, FIRST + n).verdict for n in range(runs)]
    assert at_most(sum(one != verdict for one in found), runs, 0.01), found


@pytest.mark.sampled
def test_no_part_of_the_gate_looks_for_it() -> None:
    """The words of so many signs are sometimes those of the description."""
    assert set(outcome("oversharer", 1, FIRST).failed) <= {"own_words"}


@pytest.mark.sampled
def test_a_judge_that_guesses_calls_hardly_anybody_discreet(proof: str) -> None:
    runs, found = NUMBERS[proof], []
    for seed in range(FIRST, FIRST + runs):
        rng = np.random.default_rng(seed)
        drawn = [
            {f"p{n:02d}": dict(enumerate(rng.random(11) < rate)) for n, rate in enumerate(rng.beta(1, 4, 24))}
            for _ in range(2)
        ]
        found.append(oversharing(*drawn, permutations=199, seed=seed))
    assert at_most(sum(one.p_value <= 0.05 for one in found), runs, 0.05)
    assert at_most(sum(one.verdict == KEEPS for one in found), runs, 0.01)
