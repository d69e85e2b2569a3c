"""How many calls fly at once, for any sequence of answers and refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_batcheval.engine.concurrency import CAP, START, ConcurrencyWindow

EVENTS = st.lists(st.sampled_from(["answer", "refusal", "late refusal"]), max_size=400)


def play(window, events):
    """The sizes after each event."""
    for event in events:
        if event == "answer":
            window.answered()
        else:
            window.refused(window.epoch - (event == "late refusal"))
        yield window.size


@given(EVENTS, st.integers(1, 80), st.integers(1, 80))
def test_it_stays_between_one_and_its_cap(events, start, more):
    cap = start + more
    assert all(1 <= size <= cap for size in play(ConcurrencyWindow(start, cap), events))


@given(EVENTS)
def test_it_grows_by_one_and_shrinks_to_half(events):
    window = ConcurrencyWindow()
    before = window.size
    for event, size in zip(events, play(window, events), strict=True):
        if event == "answer":
            assert size in (before, before + 1)
        elif event == "refusal":
            assert size == max(before // 2, 1)
        else:
            assert size == before
        before = size


@given(st.integers(1, CAP))
def test_before_the_first_refusal_a_window_of_answers_doubles_it(size):
    window = ConcurrencyWindow(size, 2 * CAP)
    assert list(play(window, ["answer"] * size)) == [*range(size + 1, 2 * size + 1)]


@given(st.integers(1, CAP))
def test_after_a_refusal_one_more_takes_a_whole_window_of_answers(size):
    window = ConcurrencyWindow(2 * size, 2 * CAP)
    window.refused(window.epoch)
    assert list(play(window, ["answer"] * size)) == [*[size] * (size - 1), size + 1]


@given(st.integers(2, CAP), st.integers(2, CAP))
def test_the_refusals_of_one_window_halve_it_once(size, refusals):
    window = ConcurrencyWindow(size, CAP)
    epoch = window.epoch
    assert [window.refused(epoch) for _ in range(refusals)] == [True, *[False] * (refusals - 1)]
    assert window.size == size // 2


@pytest.mark.parametrize("limit", [1, 3, 10, 40])
def test_it_settles_around_what_a_server_takes(limit):
    """A window over the limit is refused; from then on at most one call in some is."""
    window, refused, sent = ConcurrencyWindow(), 0, 0
    for _ in range(300):
        size, epoch = window.size, window.epoch
        sent += size
        refused += max(size - limit, 0)
        for number in range(size):
            if number < limit:
                window.answered()
            else:
                window.refused(epoch)
    assert window.size <= limit + 1
    assert refused / sent < (0.5 if limit == 1 else 0.2)


def test_it_starts_small_and_has_an_end():
    assert (ConcurrencyWindow().size, ConcurrencyWindow().cap) == (START, CAP) == (8, 64)
