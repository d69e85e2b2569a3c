from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_batcheval.quality.stats.cliffs_delta import cliffs_delta, delta_interval, midranks
from pytest_batcheval.quality.stats.resampling import jackknife_interval, permutation_p, shuffles

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_delta_agrees_with_mann_whitney(high: list[float], low: list[float]) -> None:
    u = stats.mannwhitneyu(high, low).statistic
    assert cliffs_delta(np.array(high), np.array(low)) == pytest.approx(2 * u / len(high) / len(low) - 1)


@given(SCORES)
def test_midranks_agree_with_scipy(values: list[float]) -> None:
    np.testing.assert_allclose(midranks(np.array(values)), stats.rankdata(values))


def test_interval_of_a_perfect_separation_by_hand() -> None:
    """12 against 12: the lower bound solves (1 - t)^2 = z^2 t (1 - t) (1 + 11 (...)) / 144, at t = 0.8318."""
    lower, upper = delta_interval(1.0, 12, 12)
    assert upper == 1.0
    t = (lower + 1) / 2
    assert t == pytest.approx(0.8318, abs=1e-4)
    spread = 1 + 11 * ((1 - t) / (2 - t) + t / (1 + t))
    assert 1 - t == pytest.approx(1.959964**2 * t * spread / 144, abs=1e-6)


def test_interval_at_zero_by_hand() -> None:
    """At observed 1/2 the bounds are 1/2 -+ h with h^2 = z^2 (1/4 - h^2) (1 + 11 S) / 144, S at the bound."""
    lower, upper = delta_interval(0.0, 12, 12)
    assert lower == pytest.approx(-upper)
    t = (upper + 1) / 2
    spread = 1 + 11 * ((1 - t) / (2 - t) + t / (1 + t))
    assert upper / 2 == pytest.approx(1.959964 * math.sqrt(t * (1 - t) * spread / 144), abs=1e-6)


@given(st.floats(-1, 1), st.integers(2, 40), st.integers(2, 40))
def test_interval_holds_the_estimate_and_mirrors(delta: float, m: int, n: int) -> None:
    lower, upper = delta_interval(delta, m, n)
    assert -1 <= lower <= delta + 1e-9
    assert delta - 1e-9 <= upper <= 1
    assert lower < upper
    assert delta_interval(-delta, m, n) == pytest.approx((-upper, -lower), abs=1e-9)


def test_the_jackknife_of_a_mean_is_its_t_interval() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0, 6.0, 2.5])
    left_out = [float(np.delete(values, i).mean()) for i in range(len(values))]
    expected = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert jackknife_interval(float(values.mean()), left_out) == pytest.approx(expected)


def test_p_counts_the_observed_value_itself() -> None:
    assert permutation_p(lambda rng, n: np.zeros(n), 1.0, 99999, 0) == (1 / 100000, 99999)
    assert permutation_p(lambda rng, n: np.zeros(n), 0.0, 99, 0) == (1.0, 99)


def test_p_near_the_level_is_drawn_ten_times() -> None:
    p_value, drawn = permutation_p(lambda rng, n: rng.random(n), 0.99, 999, 3)
    assert drawn == 9990
    assert p_value == pytest.approx(0.01, abs=0.004)


def test_shuffles_are_permutations_and_uniform() -> None:
    drawn = shuffles(np.random.default_rng(0), 6000, 3)
    assert (np.sort(drawn, axis=1) == np.arange(3)).all()
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert stats.chisquare(counts).pvalue > 0.001
    assert len(counts) == 6
