"""Delays between repeated calls."""

import pytest

from pytest_batcheval.backends.errors import TransientFailure
from pytest_batcheval.engine.backoff import LAST, LEAST, PATIENCE, Backoff, delay


def failure(retry_after=None):
    made = TransientFailure("busy", "come back", 503)
    made.retry_after = retry_after
    return made


def test_delays_double_up_to_the_last():
    assert [delay(n) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
    assert [delay(n, 10.0, 300.0) for n in range(1, 7)] == [10, 20, 40, 80, 160, 300]
    assert delay(10**6) == LAST


def test_the_servers_wish_counts_but_never_less_than_a_second():
    backoff = Backoff()
    assert backoff.failed(failure(), 0.0) == 2
    assert backoff.failed(failure(retry_after=120.0), 2.0) == 120
    assert backoff.failed(failure(retry_after=0.01), 122.0) == LEAST
    assert backoff.failed(failure(), 123.0) == 16


@pytest.mark.parametrize(("waited", "over"), [(PATIENCE, False), (PATIENCE + 1, True)])
def test_patience_counts_from_the_first_failure_in_a_row(waited, over):
    backoff = Backoff()
    assert not backoff.exhausted(10**9)
    backoff.failed(failure(), 100.0)
    assert backoff.exhausted(100.0 + waited) is over
