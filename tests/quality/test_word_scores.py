from __future__ import annotations

import math
import unicodedata

import pytest

from pytest_batcheval.quality.word_scores import DIMENSIONS, word_scores
from pytest_batcheval.recordings.answer_table import Answers


def score(text: str) -> dict[str, float]:
    return {code: column[0] for code, column in word_scores(Answers.from_records([{"text": text}])).items()}


def test_signs_of_both_poles_are_balanced() -> None:
    assert score("혹시 더 나빠질까 봐 무서워요.")["HA"] == 5
    assert score("별일 아닐 테니 괜찮아요.")["HA"] == 2
    assert score("무서워요. 그래도 별일 아닐 거예요.")["HA"] == 3


def test_a_sign_counts_once_however_often_it_is_repeated() -> None:
    assert score("무서워요, 무서워요, 무서워요")["HA"] == 4


def test_english_stems_begin_a_word_whatever_the_case() -> None:
    assert score("Bored again")["NS"] == 4
    assert score("the fate of it")["ST"] == 4
    assert math.isnan(score("a sulfate pill")["ST"])


def test_decomposed_korean_is_found() -> None:
    assert score(unicodedata.normalize("NFD", "너무 무서워요"))["HA"] == 4


def test_a_failed_answer_has_no_score() -> None:
    scores = word_scores(Answers.from_records([{"error": "x"}, {"text": "무서워요"}]))
    assert list(scores) == list(DIMENSIONS)
    assert [math.isnan(s) for s in scores["HA"]] == [True, False]


def test_no_answers_have_no_scores() -> None:
    assert word_scores(Answers([]))["NS"].shape == (0,)


@pytest.mark.parametrize("text", ["", "안녕하세요.", "잘 모르겠어요."])
def test_a_text_without_signs_has_no_score(text: str) -> None:
    assert all(math.isnan(s) for s in score(text).values())
