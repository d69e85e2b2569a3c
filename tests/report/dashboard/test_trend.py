"""Changes of level in a series."""

import random

import pytest

from pytest_batcheval.report.dashboard.trend import change_points


def test_a_step_is_found_where_it_is():
    assert change_points([0.0] * 10 + [1.0] * 10) == [10]
    assert change_points([5.0] * 12 + [1.0] * 12 + [0.0] * 12) == [12, 24]


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 30, [0.0, 1.0] * 3, [0.0] * 3 + [1.0] * 4])
def test_none_is_found_where_there_is_none_or_too_few(values):
    assert change_points(values) == []


def test_of_a_hundred_trends_without_a_change_about_one_has_a_mark():
    rng = random.Random(7)
    marked = sum(bool(change_points([rng.gauss(0, 1) for _ in range(40)])) for _ in range(400))
    assert marked <= 10
