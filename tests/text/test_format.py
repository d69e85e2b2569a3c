"""Sums, durations and sizes as they are shown."""

from decimal import Decimal

import pytest

from pytest_batcheval.text.format import dollars, duration, size


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (7700, "2h 08m"), (90_000, "1d 01h"), (-3, "0s")],
)
def test_durations_are_short(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (0.04, "0s"), (0.05, "0.1s"), (2.44, "2.4s"), (6, "6s"), (9.96, "9s"), (75, "1m 15s")],
)
def test_short_durations_may_have_tenths(seconds, shown):
    assert duration(seconds, tenths=True) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (3 * 10**9, "3.0 GB")]
)
def test_sizes_have_the_unit_that_fits(number, shown):
    assert size(number) == shown


@pytest.mark.parametrize(
    ("usd", "shown"), [(None, "unknown"), (0, "$0.00"), ("0.00123", "$0.0012"), (1, "$1.00"), ("12.345", "$12.34")]
)
def test_sums_below_a_dollar_have_four_digits(usd, shown):
    assert dollars(None if usd is None else Decimal(usd)) == shown
