from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_batcheval.quality.stats.student_t import t_cdf, t_quantile, wilson_interval


@given(st.floats(-200, 200), st.integers(1, 200))
def test_t_cdf_agrees_with_scipy(t: float, freedom: int) -> None:
    assert t_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-9)  # scipy has nine digits next to 0


@pytest.mark.parametrize("freedom", [1, 3, 7, 10, 17, 23, 1000])
@pytest.mark.parametrize("probability", [0.001, 0.05, 0.5, 0.8, 0.975, 0.995])
def test_t_quantile_agrees_with_scipy(probability: float, freedom: int) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-8, abs=1e-8)


def test_no_hits_in_275_still_allow_more_than_one_percent() -> None:
    """With no hits the bound is z^2 / (n + z^2)."""
    low, high = wilson_interval(0, 275)
    assert low == 0.0
    assert high == pytest.approx(1.959964**2 / (275 + 1.959964**2), abs=1e-7)
    assert high == pytest.approx(0.0138, abs=1e-4)


def test_wilson_by_hand() -> None:
    """1 of 10: middle (0.1 + 0.19207) / 1.38415, half 1.95996 / 1.38415 * sqrt(0.009 + 0.0096036)."""
    low, high = wilson_interval(1, 10)
    middle, half = 0.29207 / 1.38415, 1.959964 / 1.38415 * math.sqrt(0.0186036)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-4)


@given(st.integers(0, 300), st.integers(1, 300))
def test_wilson_agrees_with_scipy(hits: int, n: int) -> None:
    hits = min(hits, n)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_counted_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
