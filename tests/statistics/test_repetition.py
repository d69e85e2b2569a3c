"""A persona that seldom says the same again needs more samples; the gate itself is not to blame."""

from __future__ import annotations

import numpy as np
import pytest
from rates import at_most
from repetition import HABITS, REPORTED, Habit, gate, most_accurate

RUNS = {"quick": 3, "ci": 10, "full": 200}


def iccs(habit: Habit, runs: int) -> float:
    return float(np.mean([gate(habit, 0.4, REPORTED + n)["different"].result.icc for n in range(runs)]))


@pytest.mark.sampled
def test_who_has_fewer_sentences_or_shows_more_traits_is_seen_sooner(proof: str) -> None:
    six, _, three, beside = (iccs(habit, RUNS[proof]) for habit in HABITS)
    assert six < three < beside


@pytest.mark.sampled
@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_the_faithful_one_passes_however_it_speaks(proof: str, habit: Habit) -> None:
    runs = RUNS[proof]
    failed = [g.failed for n in range(runs) if not (g := gate(habit, 0.75, REPORTED + n)).passed]
    assert at_most(len(failed), runs, 0.01), failed


def test_signs_of_a_questions_own_traits_identify_few() -> None:
    """Eight questions aim at three traits, whose poles 3 of the 24 share, and three at two, shared by 6."""
    assert most_accurate() == pytest.approx((8 / 3 + 3 / 6) / 11)
