"""Coverage of dependability, and judges with leanings of their own."""

from __future__ import annotations

import numpy as np
import pytest
from judges_crossed import KINDS, USUAL, held
from rates import FIRST, at_most

RUNS = {"quick": 20, "ci": 40, "full": 600}


@pytest.mark.sampled
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_of_dependability_holds(proof, kind):
    runs = RUNS[proof]
    missed = sum(not held(seed, KINDS[kind])[0] for seed in range(FIRST, FIRST + runs))
    assert at_most(missed, runs, 0.10), missed / runs


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("kind", "facet"), [("a strict judge", "judge"), ("judges favour other personas", "persona x judge")]
)
def test_a_judge_with_a_leaning_of_its_own_is_seen_in_its_facet(proof, kind, facet):
    runs = range(FIRST, FIRST + RUNS[proof] // 2)
    led, plain = ([held(seed, own)[1] for seed in runs] for own in (KINDS[kind], USUAL))
    shares = [np.mean([one.components.shares[facet] for one in found]) for found in (led, plain)]
    assert shares[0] > 2 * shares[1]
    assert np.median([a.dependability for a in led]) < np.median([b.dependability for b in plain]) - 0.05
