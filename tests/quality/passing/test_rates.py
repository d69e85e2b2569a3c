"""Pass rates and their comparison: against other implementations, at the edges, and over their repeated use."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.passing import paired
from pytest_batcheval.quality.passing.paired import compare_passes, sign_flip_p
from pytest_batcheval.quality.passing.rate import Tally, at_least_one, every_one, pass_rate
from pytest_batcheval.quality.stats.student_t import wilson_interval


def tallies(*pairs):
    return [Tally(f"item{place}", passed, failed) for place, (passed, failed) in enumerate(pairs)]


@given(n=st.integers(1, 8), passed=st.integers(0, 8), k=st.integers(1, 8))
def test_pass_at_k_and_pass_hat_k_are_shares_of_all_choices(n, passed, k):
    if passed > n or k > n:
        return
    choices = list(itertools.combinations([True] * passed + [False] * (n - passed), k))
    assert at_least_one(n, passed, k) == pytest.approx(sum(map(any, choices)) / len(choices))
    assert every_one(n, passed, k) == pytest.approx(sum(map(all, choices)) / len(choices))


def test_one_sample_each_is_wilsons_interval():
    found = pass_rate(tallies(*[(1, 0)] * 18, *[(0, 1)] * 2))
    assert found.interval == pytest.approx(wilson_interval(18, 20))
    assert (found.effect, found.items, found.n) == (0.9, 20, 20)


def test_samples_of_one_item_say_less_than_as_many_items():
    alike = pass_rate(tallies(*[(5, 0)] * 15, *[(0, 5)] * 5))
    mixed = pass_rate(tallies(*[(4, 1)] * 10, *[(3, 2)] * 5, *[(4, 1)] * 5))
    assert alike.interval[1] - alike.interval[0] > 1.5 * (mixed.interval[1] - mixed.interval[0])
    assert alike.every_one == alike.at_least_one == 0.75
    assert mixed.at_least_one == 1


def test_where_all_pass_each_item_counts_once():
    assert pass_rate(tallies(*[(10, 0)] * 5)).interval[0] < 0.5
    assert pass_rate(tallies((10, 0))).interval == pytest.approx(wilson_interval(10, 10))


def test_nothing_is_no_rate():
    with pytest.raises(TableError, match="no pass rate"):
        pass_rate(tallies((0, 0)))


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40),
)
def test_single_samples_have_mcnemars_exact_p_value(differences):
    stats = pytest.importorskip("scipy.stats")
    better, worse = differences.count(1.0), differences.count(-1.0)
    expected = 1.0 if better + worse == 0 else stats.binomtest(better, better + worse).pvalue
    assert sign_flip_p(differences) == pytest.approx(expected)


def test_several_samples_have_the_p_value_of_all_signs():
    stats = pytest.importorskip("scipy.stats")
    import numpy as np

    differences = [0.2, -0.4, 0.6, 0.2, 0.8, -0.2, 0.4, 0.6]
    exact = stats.permutation_test((np.array(differences),), np.mean, permutation_type="samples", n_resamples=1000)
    assert sign_flip_p(differences) == pytest.approx(exact.pvalue)
    many = [0.1 * (place % 5 - 1.2) for place in range(40)]
    drawn = stats.permutation_test((np.array(many),), np.mean, permutation_type="samples", n_resamples=9999, rng=1)
    assert sign_flip_p(many) == pytest.approx(drawn.pvalue, abs=0.02)


def test_where_all_signs_would_take_too_long_they_are_drawn(monkeypatch):
    differences = [0.2, -0.4, 0.6, 0.2, 0.8, -0.2, 0.4, 0.6] * 3
    exact = sign_flip_p(differences)
    monkeypatch.setattr(paired, "MOST_STEPS", 0)
    assert sign_flip_p(differences) == pytest.approx(exact, abs=0.01)


def test_the_interval_of_single_samples_is_that_of_bonett_and_price():
    before, after = tallies(*[(1, 0)] * 30), tallies(*[(1, 0)] * 22, *[(0, 1)] * 8)
    found = compare_passes(before, after)
    p12, p21 = 1 / 32, 9 / 32  # (0 + 1) / (n + 2), (8 + 1) / (n + 2)
    error = math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 32)
    stats = pytest.importorskip("scipy.stats")
    half = stats.t.ppf(0.975, 29) * error
    assert found.interval == pytest.approx((p12 - p21 - half, p12 - p21 + half))
    assert found.p_value == pytest.approx(2 / 2**8)
    assert found.verdict == "worse"


def test_two_runs_that_agree_are_equivalent_only_if_there_are_enough_items():
    few, many = tallies(*[(1, 0)] * 10), tallies(*[(1, 0)] * 80)
    assert compare_passes(few, few).verdict == "not decided"
    assert compare_passes(many, many).verdict == "equivalent"


def test_only_common_items_count_and_one_is_too_few():
    found = compare_passes(tallies((1, 0), (1, 0), (1, 0)), tallies((1, 0), (0, 1)))
    assert (found.n, found.worse, found.better) == (2, ("item1",), ())
    with pytest.raises(TableError, match="1 item in common"):
        compare_passes(tallies((1, 0)), tallies((1, 0)))
    with pytest.raises(TableError, match="margin"):
        compare_passes(few := tallies((1, 0), (1, 0)), few, margin=float("nan"))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30), st.randoms())
def test_the_order_of_items_and_the_direction_do_not_matter(pairs, chance):
    before = tallies(*((a, 5 - a) for a, _ in pairs))
    after = tallies(*((b, 5 - b) for _, b in pairs))
    there, back = compare_passes(before, after), compare_passes(after, before)
    shuffled = random.Random(chance.random()).sample(after, len(after))
    assert there.effect == pytest.approx(-back.effect)
    assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert compare_passes(before, shuffled).effect == pytest.approx(there.effect)
    assert 0 < there.p_value <= 1
