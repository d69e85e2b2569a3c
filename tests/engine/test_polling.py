"""How often a batch is looked at, and how soon its end is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.engine.polling import LEAST, LONGEST_SHARE, SHARE, WRITING, WRITING_MOST, Pace

DAY = 86_400.0
TOTAL = 50_000


def watch(duration, done_at, total=TOTAL, finalizing=0.0):
    """Looks until the end of a batch, whose counts `done_at(time)` tells: (looks, seconds until it was noticed)."""
    pace, now, looks, status = Pace(0.0), 0.0, 0, ""
    while True:
        now += pace.pause(now, total, status)
        looks += 1
        if now >= duration:
            return looks, now - duration
        pace.seen(now, done_at(now))
        status = "finalizing" if now >= duration - finalizing else "in_progress"


def within(duration, share=SHARE):
    return max(share * duration, LEAST) * 1.0001


@given(st.floats(1, DAY))
def test_an_end_that_nothing_announces_is_noticed_within_5_percent(duration):
    looks, late = watch(duration, lambda now: 0, total=1)
    assert late <= within(duration)
    assert looks <= 178


@given(st.floats(1, DAY), st.integers(1, TOTAL), st.floats(1, 5))
def test_a_batch_whose_results_are_written_before_its_end_is_noticed_as_soon_with_fewer_looks(duration, total, slower):
    """Writing takes at least a tenth of a second a request, so that a look falls into it."""
    writing = WRITING * total * slower
    looks, late = watch(writing + duration, lambda now: 0, total, writing)
    assert late <= within(writing + duration)
    assert looks <= watch(writing + duration, lambda now: 0, total=1)[0]


@given(st.floats(60, DAY), st.floats(0, 0.9), st.integers(10, 500))
def test_an_end_that_the_counts_announce_is_noticed_as_soon_with_fewer_looks(duration, start, total):
    """Nothing runs at first, then at one rate, then the results are written."""
    writing = WRITING * total
    begin, end = duration * start, duration

    def done(now):
        return round(total * min(max((now - begin) / (end - begin), 0), 1))

    looks, late = watch(duration + writing, done, total, writing)
    assert late <= within(duration + writing)
    assert looks <= watch(duration + writing, lambda now: 0, total=1)[0]


def test_a_day_that_moves_steadily_takes_far_fewer_looks():
    looks, _ = watch(DAY, lambda now: round(TOTAL * now / DAY))
    assert looks < 60


@given(st.lists(st.tuples(st.floats(1, 10_000), st.integers(0, TOTAL)), min_size=1, max_size=30))
def test_whatever_the_counts_do_a_sudden_end_is_noticed_within_a_third(looks):
    pace, now, done = Pace(0.0), 0.0, 0
    for seconds, count in looks:
        now, done = now + seconds, count
        pace.seen(now, done)
        assert LEAST <= pace.pause(now, TOTAL) <= max(within(now, LONGEST_SHARE), WRITING_MOST)


@pytest.mark.parametrize(("tick", "looks"), [(15.0, 5760), (60.0, 1440)])
def test_fixed_ticks_take_many_more(tick, looks):
    """What other tools do: a look every 15 or 60 seconds."""
    assert DAY / tick == looks > 8 * watch(DAY, lambda now: 0, total=1)[0]
