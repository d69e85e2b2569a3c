"""The order of judging: a judge that drifts over its files must not fake the trait by which the requests come in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from free_text import NOISE, by_code
from rates import at_most
from respondent_tables import CODES, JUDGE, personas, questions, rubric_body

from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.engine.split import Limits, split
from pytest_batcheval.quality import trait_reflection
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.wire.endpoints import CHAT
from pytest_batcheval.wire.objects import Request

DRIFT = 1.5
"""Points that the judge's mean rises from the first line to the last."""

FAKED = "HA"
SEEDS = {"quick": 8, "ci": 20, "full": 200}
FIRST = 20_000

SIZES = (None, 8_000)
"""Input tokens that may be enqueued at once, which made the largest requests come first; or no such limit."""


def table(seed: int) -> Answers:
    """Answers that show nothing; those of anxious personas are shorter, and personas come by their anxiety."""
    rng = np.random.default_rng(seed)
    people = sorted(personas(), key=lambda person: person.levels[FAKED])
    return Answers.from_records(
        {"persona": p, "question": q, "text": " ".join(map(str, rng.integers(10**6, 10**7, 12 - 4 * p.levels[FAKED])))}
        for p in people
        for q in questions()
    )


def judged(order: Sequence[int], answers: Answers, seed: int) -> dict[str, np.ndarray]:
    """Scores of a judge that sees nothing in any answer, and rises with its place in the order."""
    rng = np.random.default_rng([seed, 11])
    places = np.empty(len(order))
    places[list(order)] = np.linspace(-0.5, 0.5, len(order))
    noise = rng.normal(0, NOISE, (len(order), len(CODES)))
    return by_code(np.clip(np.rint(3 + DRIFT * places[:, None] + noise), 1, 5))


def sent_order(answers: Answers, tokens: int | None) -> list[int]:
    """The positions of the answers in the order in which their judge's requests are sent, file after file."""
    requests = [Request(rubric_body(row.answer.text), CHAT) for row in answers.rows]
    at = {request.custom_id: n for n, request in enumerate(requests)}
    limits = Limits(tokens={} if tokens is None else {JUDGE: tokens})
    return [at[request.custom_id] for batch in split(requests, limits) for request in batch]


def fakes(order: Sequence[int], answers: Answers, seed: int) -> bool:
    found = trait_reflection(answers, scores=judged(order, answers, seed), permutations=199, seed=seed)
    return next(t for t in found.traits if t.dimension == FAKED).p_value <= 0.01


@pytest.mark.sampled
def test_a_judge_that_drifts_over_the_plan_order_fakes_a_trait(proof: str) -> None:
    runs = SEEDS[proof]
    alarms = sum(fakes(range(len(answers := table(s))), answers, s) for s in range(FIRST, FIRST + runs))
    assert at_most(runs - alarms, runs, 0.1), alarms / runs


@pytest.mark.sampled
@pytest.mark.parametrize("tokens", SIZES)
def test_in_the_order_of_sending_it_does_not(proof: str, tokens: int | None) -> None:
    runs = SEEDS[proof]
    alarms = sum(fakes(sent_order(answers := table(s), tokens), answers, s) for s in range(FIRST, FIRST + runs))
    assert at_most(alarms, runs, 0.01), alarms / runs


@pytest.mark.parametrize("tokens", SIZES)
def test_files_are_in_the_order_of_keys_whatever_order_requests_come_in(tokens: int | None) -> None:
    answers = table(0)
    requests = [Request(rubric_body(row.answer.text), CHAT) for row in answers.rows]
    limits = Limits(tokens={} if tokens is None else {JUDGE: tokens})
    files = list(split(requests, limits))
    assert (len(files) > 1) == (tokens is not None)
    assert files == list(split(requests[::-1], limits))
    assert all(file == sorted(file, key=lambda request: request.custom_id) for file in files)
    assert [file[0].custom_id for file in files] == sorted(file[0].custom_id for file in files)
    assert all(sum(input_tokens(r.body) for r in file) <= (tokens or 10**9) for file in files)
