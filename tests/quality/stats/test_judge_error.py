"""Corrected means and shares, against the public implementation and against formulas by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_batcheval.quality.stats.judge_error import Z, corrected_share, powered_mean


def drawn(seed, n=60, others=200):
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.4, 1, n + others)
    judged = 0.6 * truth + rng.normal(0.3, 0.5, n + others)
    return truth[:n], judged[:n], judged[n:]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("power", [None, 0.0, 1.0])
def test_the_mean_is_that_of_ppi_python(seed, power):
    ppi = pytest.importorskip("ppi_py", reason="the extra `oracle`")
    truth, judged, others = drawn(seed)
    ours = powered_mean(truth, judged, others, np.arange(len(truth)), power=power)
    theirs = ppi.ppi_mean_pointestimate(truth, judged, others, lam=power)
    low, high = ppi.ppi_mean_ci(truth, judged, others, alpha=0.05, lam=power)
    assert ours.estimate == pytest.approx(theirs.item(), abs=1e-12)
    assert ours.error == pytest.approx((high - low).item() / 2 / Z, abs=1e-12)


def test_without_other_answers_it_is_the_mean_of_the_labels():
    truth, judged, _ = drawn(0)
    found = powered_mean(truth, judged, np.empty(0), np.arange(len(truth)))
    assert (found.estimate, found.power) == (pytest.approx(truth.mean()), 0.0)
    assert found.error == pytest.approx(truth.std() / math.sqrt(len(truth)))


def test_copies_in_a_cluster_add_nothing():
    truth, judged, others = drawn(1)
    once = powered_mean(truth, judged, others, np.arange(60), power=0.7)
    twice = powered_mean(np.repeat(truth, 2), np.repeat(judged, 2), others, np.repeat(np.arange(60), 2), power=0.7)
    assert twice.estimate == pytest.approx(once.estimate)
    assert twice.error == pytest.approx(once.error)
    assert twice.freedom == once.freedom == 59


def test_a_judge_that_sees_all_needs_no_correction():
    found = corrected_share(0.3, 1000, 1.0, 1000, 1.0, 1000)
    assert found.share == pytest.approx(0.3)
    assert found.interval == pytest.approx((0.273, 0.331), abs=0.003)


def test_the_share_is_rogan_and_gladens():
    found = corrected_share(0.35, 264, 0.8, 30, 0.9, 70)
    assert found.share == pytest.approx((0.35 + 0.9 - 1) / 0.7)
    assert found.interval[0] < found.share < found.interval[1]


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.3, 0.6), (None, 0.9), (0.9, None)])
def test_a_judge_no_better_than_chance_corrects_nothing(rates):
    found = corrected_share(0.4, 264, rates[0], 40, rates[1], 40)
    assert (found.share, found.interval) == (None, (0.0, 1.0))
