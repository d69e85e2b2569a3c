from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_batcheval.quality.stats.kappa import (
    alpha_of_coincidences,
    coincidences_of,
    gwet_ac2,
    krippendorff_alpha,
    nominal,
    pair_table,
    quadratic,
    weighted_kappa,
)

SCALE = np.arange(1.0, 6.0)
MARKS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=25)

OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Example of four observers and twelve units in Krippendorff (2011), Computing Krippendorff's Alpha-Reliability."""


def marks(text: str) -> np.ndarray:
    rows = [line.split() for line in text.strip().splitlines()]
    return np.array([[np.nan if mark == "." else float(mark) for mark in row] for row in rows])


def test_cohens_kappa_of_a_two_by_two_table_by_hand() -> None:
    """Of 50, 35 are alike: 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; (0.7 - 0.5) / 0.5."""
    table = np.array([[20.0, 5.0], [10.0, 15.0]])
    assert weighted_kappa(table, nominal(2)) == pytest.approx(0.4)
    assert weighted_kappa(table, quadratic(np.arange(2.0))) == pytest.approx(0.4)


def test_weighted_kappa_of_a_five_by_five_table_by_hand() -> None:
    """Ten answers, 2 at each score; the second rater is one too high once and one too low once.

    Observed squared differences: 2. Rows are 2 each; columns 1, 3, 3, 1, 2 (a 1 became 2, a 4 became 3).
    Expected: sum over rows and columns of 2 * column * squared distance / 10
    = 0.2 * (1 * 30 + 3 * 15 + 3 * 10 + 1 * 15 + 2 * 30) = 36, so kappa is 1 - 2 / 36.
    """
    table = np.diag([2.0] * 5)
    table[0, 0], table[0, 1] = 1, 1
    table[3, 3], table[3, 2] = 1, 1
    assert weighted_kappa(table, quadratic(SCALE)) == pytest.approx(1 - 2 / 36)


def test_ordinal_alpha_of_the_published_example() -> None:
    categories, coincidences = coincidences_of(marks(OBSERVERS))
    assert categories.tolist() == [1, 2, 3, 4, 5]
    assert coincidences.sum() == pytest.approx(40)
    assert float(alpha_of_coincidences(coincidences)) == pytest.approx(0.815, abs=5e-4)


def test_alpha_of_two_raters_by_hand() -> None:
    """Pairs 1-1, 1-1, 1-2, 2-2: often (5, 3), distance (8 / 2)^2 = 16 both ways.

    Observed 2 of 8 marks apart, expected 2 * 5 * 3 / 7: alpha = 1 - 2 * 7 / 30.
    """
    table = np.zeros((5, 5))
    table[0, 0], table[0, 1], table[1, 1] = 2, 1, 1
    assert float(krippendorff_alpha(table)) == pytest.approx(1 - 14 / 30)


@settings(max_examples=50)
@given(MARKS)
def test_alpha_of_a_pair_table_is_that_of_the_marks(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    of_table = float(krippendorff_alpha(pair_table(first, second, SCALE)))
    _, coincidences = coincidences_of(np.stack([first, second]))
    assert of_table == pytest.approx(float(alpha_of_coincidences(coincidences)), nan_ok=True)


@settings(max_examples=50)
@given(MARKS)
def test_kappa_agrees_with_its_definition_and_does_not_care_who_is_first(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    observed = ((first - second) ** 2).mean()
    expected = np.mean([(a - b) ** 2 for a, b in product(first, second)])
    found = float(weighted_kappa(pair_table(first, second, SCALE), quadratic(SCALE)))
    assert found == pytest.approx(1 - observed / expected if expected else np.nan, nan_ok=True)
    assert float(weighted_kappa(pair_table(second, first, SCALE), quadratic(SCALE))) == pytest.approx(
        found, nan_ok=True
    )


def test_pairs_with_a_mark_missing_do_not_count() -> None:
    table = pair_table(np.array([1, np.nan, 3, 4]), np.array([1, 2, np.nan, 5]), SCALE)
    assert table.sum() == 2
    assert table[0, 0] == table[3, 4] == 1


def test_a_stack_of_tables_is_each_of_them() -> None:
    tables = np.random.default_rng(0).integers(0, 9, (7, 5, 5)).astype(float)
    for found in (lambda t: weighted_kappa(t, quadratic(SCALE)), krippendorff_alpha, lambda t: gwet_ac2(t, nominal(5))):
        np.testing.assert_allclose(found(tables), [float(found(table)) for table in tables])


def test_without_variation_agreement_is_undefined() -> None:
    table = np.zeros((5, 5))
    assert np.isnan(weighted_kappa(table, quadratic(SCALE)))
    table[2, 2] = 9
    assert np.isnan(weighted_kappa(table, quadratic(SCALE)))
    assert np.isnan(krippendorff_alpha(table))


def test_ac2_stays_high_where_nearly_all_marks_are_the_same() -> None:
    """118 of 125 at one mark: kappa falls to zero, AC1 = (0.944 - 2 * 0.972 * 0.028) / (1 - 2 * 0.972 * 0.028)."""
    table = np.array([[118.0, 5.0], [2.0, 0.0]])
    assert float(weighted_kappa(table, nominal(2))) < 0
    chance = 2 * 0.972 * 0.028
    assert float(gwet_ac2(table, nominal(2))) == pytest.approx((0.944 - chance) / (1 - chance), abs=1e-4)
