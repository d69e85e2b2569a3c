from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_batcheval.matrix.axes import PersonaMatrix
from pytest_batcheval.quality import power
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._power_models import detected_difference
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


@pytest.mark.sampled
def test_more_samples_and_larger_effects_are_found_more_often(respondent: Build) -> None:
    one, five = (power(respondent("blind"), samples=k, runs=60) for k in (1, 5))
    assert list(one.traits.values()) == sorted(one.traits.values())
    assert list(one.differentiation.values()) == sorted(one.differentiation.values())
    assert five.traits[0.3] > one.traits[0.3]
    assert five.difference == pytest.approx(one.difference / 5**0.5)
    assert (one.effect, five.effect) == (0.5, 0.3)
    assert "25 personas x 11 questions x 5 samples (60 simulated runs each, seed 0)" in five.explain()


@pytest.mark.sampled
def test_a_matrix_will_do_for_answers(respondent: Build) -> None:
    answers = respondent("blind")
    matrix = PersonaMatrix({"persona": answers.axis("persona"), "question": answers.axis("question")})
    assert power(matrix, runs=10) == power(answers, runs=10)


def test_without_levels_nothing_is_said_of_traits(words: Build) -> None:
    result = power(words(), runs=10)
    assert (result.traits, result.effect) == ({}, None)
    assert "personas have no levels, or questions no targets" in result.explain()


def test_the_detectable_difference_by_hand() -> None:
    """t(7) at 0.975 and 0.8: 2.3646 + 0.8960; two runs of 8 x 9 cells: sqrt(2 / 72)."""
    assert detected_difference((8, 9, 1), 0.8) == pytest.approx((2.3646 + 0.8960) * (2 / 72) ** 0.5, abs=1e-4)


def test_too_small_a_matrix_says_what_is_needed(words: Build) -> None:
    with pytest.raises(TableError, match="7 personas and 4 questions are too few"):
        power(words(7))
    with pytest.raises(TableError, match="samples and runs must be integers, at least 1, not 0 and 400"):
        power(words(8), samples=0)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "the answers have no axis"),
        ({"persona": "kim"}, "1 persona is too few: at least 8 personas are needed"),
        ({"question": "sleep"}, "1 question is too few"),
        ({"age": "30"}, "1 age is too few"),
    ],
)
def test_answers_of_one_cell_are_refused(axes: dict[str, str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        power(Answers.from_records([{"text": "Badly.", **axes}]))
