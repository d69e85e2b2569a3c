"""How often something happens in simulated runs, and whether that fits what was said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

RUNS = {"quick": 100, "ci": 400, "full": 2000}
"""Simulated runs of a rate, by size of the proof."""

FIRST = 20_000
"""Seed of the first run that is reported; thresholds were chosen on seeds from 10,000."""

CERTAIN = 1e-4
"""A rate is refused when it would be seen as seldom as that."""


def p_values(test: Callable[[np.random.Generator], float], runs: int, first: int = FIRST) -> np.ndarray:
    """The test's p-values over so many seeds."""
    return np.array([test(np.random.default_rng(seed)) for seed in range(first, first + runs)])


def alarms(values: np.ndarray, alpha: float) -> int:
    return int(np.count_nonzero(values <= alpha + 1e-12))


def at_most(hits: int, runs: int, rate: float) -> bool:
    """Whether so many hits may come from that rate or a smaller one."""
    return float(stats.binom.sf(hits - 1, runs, rate)) > CERTAIN


def nominal(hits: int, runs: int, rate: float) -> bool:
    """Whether so many hits are no rarer, at either end, than three standard errors of a normal variable.

    Exact, since 4 hits of 100 at a rate of 0.01 are three standard errors away and come by chance in 2 of 100.
    """
    rare = float(stats.norm.sf(3))
    return bool(min(stats.binom.sf(hits - 1, runs, rate), stats.binom.cdf(hits, runs, rate)) > rare)


def about(hits: int, runs: int, rate: float, slack: float = 0.05) -> bool:
    """Whether so many hits may come from a rate within `slack` of the stated one."""
    low, high = max(0.0, rate - slack), min(1.0, rate + slack)
    return at_most(hits, runs, high) and at_most(runs - hits, runs, 1 - low)


def shares(values: Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(values))
