"""Error rates of `relevance`: respondents that answer their questions, and the same answers at other questions."""

from __future__ import annotations

import numpy as np
import pytest
from rates import at_most
from respondent_gates import REPORTED
from respondent_tables import said_by

from pytest_batcheval.quality import relevance
from pytest_batcheval.quality.measures._relevance import Relevance
from pytest_batcheval.recordings.answer_table import Answers

RUNS = {"quick": 3, "ci": 6, "full": 200}


def found(name: str, seed: int, misplaced: bool = False) -> Relevance:
    said = said_by.__wrapped__(name, seed, 1)
    texts = np.array([reply.text for *_, reply in said]).reshape(25, 11)
    if misplaced:
        texts = np.random.default_rng(seed).permuted(texts, axis=1)
    return relevance(
        Answers.from_records(
            {"persona": p, "question": q, "text": str(text)}
            for (p, q, *_), text in zip(said, texts.ravel(), strict=True)
        ),
        permutations=199,
        seed=seed,
    )


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["faithful", "blind"])
def test_answers_to_the_question_are_relevant(proof: str, name: str) -> None:
    runs = RUNS[proof]
    missed = sum(found(name, seed).verdict != "relevant" for seed in REPORTED[:runs])
    assert at_most(missed, runs, 0.01)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["monologue", "neighbours", "collapsed-everywhere"])
def test_one_text_for_several_questions_is_not(proof: str, name: str) -> None:
    runs = RUNS[proof]
    passed = sum(found(name, seed).verdict == "relevant" for seed in REPORTED[:runs])
    assert at_most(passed, runs, 0.1)


@pytest.mark.sampled
def test_misplaced_answers_are_called_relevant_no_more_often_than_the_level(proof: str) -> None:
    runs = RUNS[proof]
    results = [found("faithful", seed, misplaced=True) for seed in REPORTED[:runs]]
    assert at_most(sum(one.p_value <= 0.05 for one in results), runs, 0.05)
    assert not any(one.verdict == "relevant" for one in results)
