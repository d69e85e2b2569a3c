from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_batcheval.matrix.axes import PersonaMatrix
from pytest_batcheval.quality import power
from pytest_batcheval.quality.comparing._power_models import detected_difference
from pytest_batcheval.quality.table import TableError
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted

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


@pytest.mark.parametrize(("personas", "samples"), [(7, 1), (8, 0)])
def test_too_small_a_matrix_says_what_is_needed(words: Build, personas: int, samples: int) -> None:
    with pytest.raises(
        TableError, match=rf"{personas} personas, 4 questions and {counted(samples, 'sample')} are too few"
    ):
        power(words(personas), samples=samples)


@pytest.mark.parametrize("axes", [{}, {"persona": "kim"}, {"question": "sleep"}, {"age": "30"}])
def test_answers_without_personas_or_questions_are_refused(axes: dict[str, str]) -> None:
    with pytest.raises(TableError, match="answer 0 has no persona or no question"):
        power(Answers.from_records([{"text": "Badly.", **axes}]))
