"""Verdicts on the samples of one test: by a count, by a rate, and at every look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.quality.passing.rule import CountRule, RateRule, pass_rule
from pytest_batcheval.quality.passing.sequential import (
    SequentialRule,
    log_e_values,
    sequential_interval,
    sequential_outcome,
)

COUNTS = st.integers(0, 60)


@given(needed=st.integers(1, 9), of=st.integers(2, 9), passed=COUNTS, failed=COUNTS)
def test_a_count_is_decided_as_soon_as_no_further_sample_can_change_it(needed, of, passed, failed):
    if needed > of or passed + failed > of:
        return
    verdict, left = CountRule(needed, of).verdict(passed, failed), of - passed - failed
    worst, best = passed >= needed, passed + left >= needed
    assert verdict.outcome == ("passed" if worst else "undecided" if best else "failed")
    assert (verdict.more is None) == (verdict.outcome != "undecided")


@given(passed=COUNTS, failed=COUNTS, rate=st.floats(0.05, 0.95))
def test_the_proposed_number_of_samples_decides_and_one_less_does_not(passed, failed, rate):
    verdict = RateRule(rate).verdict(passed, failed)
    if verdict.more is None:
        return
    share, n = passed / (passed + failed), passed + failed + verdict.more
    assert verdict.outcome == "undecided"
    assert _outcome(share, n, rate) != "undecided"
    assert _outcome(share, n - 1, rate) == "undecided" or verdict.more == 1


def _outcome(share, n, rate):
    return RateRule(rate).verdict(round(share * n), n - round(share * n)).outcome


def test_thirty_five_of_thirty_five_show_nine_in_ten():
    assert RateRule(0.9).verdict(34, 0).outcome == "undecided"
    assert RateRule(0.9).verdict(34, 0).more == 1
    assert RateRule(0.9).verdict(35, 0).outcome == "passed"
    assert RateRule(0.9).verdict(0, 0).outcome == "undecided", "no sample decides nothing"


def test_a_rate_that_is_the_limit_itself_is_never_decided():
    verdict = RateRule(0.5).verdict(50, 50)
    assert (verdict.outcome, verdict.more) == ("undecided", None)
    assert "more sample" not in verdict.explain()


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_the_evidence_is_the_mean_likelihood_ratio(rate):
    scipy = pytest.importorskip("scipy.integrate")
    import math

    passed, failed = 17, 4

    def likelihood(share):
        return share**passed * (1 - share) ** failed

    above = scipy.quad(likelihood, rate, 1)[0] / (1 - rate) / likelihood(rate)
    below = scipy.quad(likelihood, 0, rate)[0] / rate / likelihood(rate)
    found = log_e_values(passed, failed, rate)
    assert found == pytest.approx((math.log(above), math.log(below)), rel=1e-6)


@given(passed=COUNTS, failed=COUNTS)
def test_the_interval_has_the_rate_and_is_wider_than_that_of_a_fixed_number(passed, failed):
    low, high = sequential_interval(passed, failed)
    assert 0 <= low <= high <= 1
    fixed = RateRule(0.5).verdict(passed, failed).interval
    if passed + failed > 1:
        assert low <= fixed[0] + 0.02
        assert high >= fixed[1] - 0.02


def test_a_verdict_at_every_look_needs_more_than_one_at_the_end():
    assert SequentialRule(RateRule(0.9)).verdict(35, 0).outcome == "undecided"
    assert SequentialRule(RateRule(0.9)).verdict(45, 0).outcome == "passed"
    assert sequential_outcome(0, 7, 0.5) == "failed"


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (("4 of 5", 0.9, None), "write one of them"),
        (("5 of 4", None, None), "not more than there are"),
        (("0 of 4", None, None), "at least 1"),
        ((["4 of 5"], None, None), 'such as "4 of 5"'),
        (("4/5", None, None), 'such as "4 of 5"'),
        (("4 of 5", None, 4), "write samples=5"),
        ((None, 0.9, 1), "one answer has no rate"),
        ((None, True, 5), "between 0 and 1"),
        ((None, float("nan"), 5), "between 0 and 1"),
        ((None, 1.0, 5), "between 0 and 1"),
    ],
)
def test_what_is_no_rule_is_refused(given_, text):
    with pytest.raises(ValueError, match=text):
        pass_rule(*given_)
