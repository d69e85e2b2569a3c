from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pytest_batcheval.matrix.axes import PersonaMatrix
from pytest_batcheval.quality import power
from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.comparing._clustered_difference import clustered_error
from pytest_batcheval.quality.comparing._power_models import detected_difference, equivalence_power, table_errors
from pytest_batcheval.recordings.answer_table import Answers

Build = Callable[..., Answers]


@pytest.mark.sampled
def test_more_samples_and_larger_effects_are_found_more_often(respondent: Build) -> None:
    one, five = (power(respondent("blind"), samples=k, runs=60) for k in (1, 5))
    assert list(one.traits.values()) == sorted(one.traits.values())
    assert list(one.differentiation.values()) == sorted(one.differentiation.values())
    assert five.traits[0.3] > one.traits[0.3]
    assert five.difference == pytest.approx(one.difference / 5**0.5, rel=0.05)
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


def test_errors_of_whole_tables_are_those_of_compare() -> None:
    for shape in ((9, 8), (11, 25), (1, 12)):
        cells = np.random.default_rng(0).normal(0, 1, (5, *shape))
        row, column = np.tile(np.arange(shape[1]), shape[0]), np.repeat(np.arange(shape[0]), shape[1])
        clusters = [row] if shape[0] == 1 else [row, column]
        expected = [clustered_error(one.ravel() - one.mean(), clusters) for one in cells]
        assert table_errors(cells) == pytest.approx(expected)


def test_the_detectable_difference_by_hand() -> None:
    """Errors of 0.1 and no mean: t(10) at 0.995 is 3.1693."""
    means, errors = np.zeros(100), np.full(100, 0.1)
    assert detected_difference(means, errors, 10, 0.8) == pytest.approx(0.31693, abs=1e-4)
    assert equivalence_power(means, errors, 10, 0.18) == 0.0  # t(10) at 0.95: 1.8125
    assert equivalence_power(means, errors, 10, 0.182) == 1.0


@pytest.mark.sampled
def test_a_margin_that_can_hardly_be_decided_is_a_warning(words: Build) -> None:
    narrow = power(words(25, 11), runs=5)
    assert narrow.equivalence < 0.8
    assert "warning: this margin can hardly be decided" in narrow.explain()
    wide = power(words(25, 11), runs=5, margin=0.3)
    assert wide.equivalence > 0.9
    assert "warning" not in wide.explain()
    assert power(words(25, 11), runs=5, spread=0.2).equivalence < narrow.equivalence
    with pytest.raises(TableError, match="deviation must be a positive number, not 0"):
        power(words(), deviation=0)


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
