from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batcheval.quality import diversity
from pytest_batcheval.quality.measures._diversity import vendi_score
from pytest_batcheval.recordings.answer_table import Answers

KEY = r"\([0-9a-f]{12}\)"
Build = Callable[..., Answers]


def said(text: Callable[[int, int], str], personas: int = 8) -> Answers:
    return Answers.from_records(
        {"persona": f"p{i}", "question": f"q{j}", "text": text(i, j)} for i in range(personas) for j in range(4)
    )


def test_vendi_by_hand() -> None:
    assert vendi_score(np.eye(5)) == pytest.approx(5)
    assert vendi_score(np.ones((5, 5))) == pytest.approx(1)
    two_and_two = np.kron(np.eye(2), np.ones((2, 2)))
    assert vendi_score(two_and_two) == pytest.approx(2)
    halves = np.array([[1, 0.5], [0.5, 1]])  # eigenvalues 3/4 and 1/4
    assert vendi_score(halves) == pytest.approx(math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)))


def test_one_text_for_all_is_collapsed() -> None:
    result = diversity(said(lambda i, j: f"질문 {j}에 대한 같은 대답"))
    assert (result.verdict, result.near_duplicates, result.opening) == ("collapsed", 1.0, 1.0)
    assert result.vendi == pytest.approx(1 / 8)
    assert re.fullmatch(rf"p0 x q0 {KEY} and p1 x q0 {KEY}: 1\.00", result.duplicated[0])
    assert "'질문0에대한같은' at q0 (100%)" in result.explain()


def test_answers_of_their_own_are_diverse(respondent: Build) -> None:
    result = diversity(respondent("faithful"))
    assert result.verdict == "diverse"
    assert result.near_duplicates < 0.02
    assert 0.15 < result.interval[0] < result.vendi < result.interval[1]


def test_two_equal_answers_of_28_pairs_at_one_of_four_questions() -> None:
    result = diversity(said(lambda i, j: "쌍둥이 같은 대답" if j == 0 and i < 2 else f"{'가나다라마바사아'[i] * 9}{j}"))
    assert result.near_duplicates == pytest.approx(1 / 28 / 4)
    assert result.questions["q0"].near_duplicates == pytest.approx(1 / 28)
    assert len(result.duplicated) == 1
    assert re.fullmatch(rf"p0 x q0 {KEY} and p1 x q0 {KEY}: 1\.00", result.duplicated[0])


def test_figures_of_one_question_by_definition() -> None:
    texts = ["가나다라", "가나다마", "가나다라마바사"] + ["아"] * 5
    result = diversity(said(lambda i, j: texts[i])).questions["q0"]
    cut = ["가", "가", "가"] + ["아"] * 5  # the median length is 1
    joined = "\n".join(cut).encode()
    assert result.compression == pytest.approx(len(joined) / len(zlib.compress(joined, 9)))
    assert result.distinct == 0.0
    assert result.opening == pytest.approx(5 / 8)


def test_only_the_first_sample_counts(respondent: Build) -> None:
    rows = respondent("faithful").rows
    more = [
        {
            "persona": r.cell["persona"],
            "question": r.cell["question"],
            "sample": s,
            "text": r.answer.text if s == 0 else "",
        }
        for r in rows
        for s in (1, 0)
    ]
    assert diversity(Answers.from_records(more)).n == 275
    assert diversity(Answers.from_records(more)) == diversity(respondent("faithful"))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(32)))
def test_the_order_of_answers_changes_nothing(words: Build, order: list[int]) -> None:
    answers = words()
    assert diversity(Answers(answers.rows[n] for n in order)) == diversity(answers)
