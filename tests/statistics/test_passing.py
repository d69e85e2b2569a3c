"""Pass rates, their comparison and verdicts at every look: coverage and error rates over repeated runs."""

from __future__ import annotations

import numpy as np
import pytest
from rates import at_most

from pytest_batcheval.quality.passing.paired import compare_passes
from pytest_batcheval.quality.passing.rate import Tally, pass_rate
from pytest_batcheval.quality.passing.sequential import ALPHA, sequential_interval, sequential_outcome

pytestmark = pytest.mark.timeout(0)

RUNS = {"quick": 200, "ci": 400, "full": 20_000}
LOOKING = {"quick": 200, "ci": 1_000, "full": 20_000}


@pytest.fixture
def runs(proof: str) -> int:
    return RUNS[proof]


@pytest.fixture
def looking(proof: str) -> int:
    """The runs that are looked at after each sample."""
    return LOOKING[proof]


def items_that_pass(rng: np.random.Generator, mean: float, alike: float, items: int) -> np.ndarray:
    """The chance of each item to pass, by a beta distribution whose correlation within an item is `alike`."""
    size = (1 - alike) / alike
    return rng.beta(mean * size, (1 - mean) * size, items)


def tallies(rng: np.random.Generator, chances: np.ndarray, samples: int) -> list[Tally]:
    passed = rng.binomial(samples, chances)
    return [Tally(f"item{place}", int(count), samples - int(count)) for place, count in enumerate(passed)]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("alike", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("mean", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("items", "samples"), [(10, 3), (20, 5), (50, 3), (20, 1)])
def test_the_clustered_interval_has_the_true_rate(
    runs: int, items: int, samples: int, mean: float, alike: float
) -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(runs):
        low, high = pass_rate(tallies(rng, items_that_pass(rng, mean, alike, items), samples)).interval
        missed += not low <= mean <= high
    # Wilson's own interval misses up to 8 % at single points (Brown, Cai & DasGupta 2001)
    assert at_most(missed, runs, 0.085)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("items", [10, 30, 100])
def test_two_equal_models_are_seldom_told_apart(runs: int, items: int, samples: int) -> None:
    rng = np.random.default_rng(2)
    told = missed = 0
    for _ in range(runs):
        chances = items_that_pass(rng, 0.8, 0.4, items)
        found = compare_passes(tallies(rng, chances, samples), tallies(rng, chances, samples))
        told += found.p_value <= 0.01
        missed += not found.interval[0] <= 0 <= found.interval[1]
    assert at_most(told, runs, 0.01)
    assert at_most(missed, runs, 0.05)


@pytest.mark.sampled
def test_a_margin_is_not_called_equivalent(runs: int) -> None:
    """At a true difference of the margin itself, two one-sided tests at 0.05 say equivalent in 5 % at most."""
    rng = np.random.default_rng(3)
    equivalent = 0
    for _ in range(runs):
        before = tallies(rng, np.full(200, 0.8), 1)
        equivalent += compare_passes(before, tallies(rng, np.full(200, 0.7), 1), margin=0.1).equivalent
    assert at_most(equivalent, runs, 0.05)


LOOKS = 200
"""Samples, each of which is looked at."""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("rate", [0.95, 0.5, 0.8])
def test_a_verdict_holds_at_every_look(looking: int, rate: float) -> None:
    """At the limit itself, neither `passed` nor `failed` is said in more than 5 % of runs, over all looks."""
    rng = np.random.default_rng(4)
    said = {"passed": 0, "failed": 0}
    outcomes: dict[tuple[int, int], str] = {}
    for _ in range(looking):
        for look, passed in enumerate(np.cumsum(rng.random(LOOKS) < rate), start=1):
            counts = (int(passed), look - int(passed))
            outcome = outcomes.setdefault(counts, sequential_outcome(*counts, rate))
            if outcome != "undecided":
                said[outcome] += 1
                break
    assert at_most(said["passed"], looking, ALPHA)
    assert at_most(said["failed"], looking, ALPHA)


@pytest.mark.sampled
def test_the_interval_holds_at_every_look(runs: int) -> None:
    rng = np.random.default_rng(5)
    known: dict[tuple[int, int], tuple[float, float]] = {}
    missed = 0
    for _ in range(runs // 4):
        for look, passed in enumerate(np.cumsum(rng.random(100) < 0.8), start=1):
            counts = (int(passed), look - int(passed))
            low, high = known.setdefault(counts, sequential_interval(*counts))
            if not low <= 0.8 <= high:
                missed += 1
                break
    assert at_most(missed, runs // 4, 0.05)


@pytest.mark.sampled
def test_a_clear_rate_is_decided_soon(runs: int) -> None:
    """The price of looking: 80 % against a limit of 50 % is shown with some 30 samples; a fixed number needs 11."""
    rng = np.random.default_rng(6)
    needed = []
    for _ in range(runs):
        for look, passed in enumerate(np.cumsum(rng.random(LOOKS) < 0.8), start=1):
            if sequential_outcome(int(passed), look - int(passed), 0.5) == "passed":
                needed.append(look)
                break
    assert len(needed) > 0.99 * (runs)
    assert np.median(needed) < 40
