"""Cliff's delta: the rate at which a score of one group exceeds a score of the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def midranks(values: Floats) -> Floats:
    """Return ranks from 1; equal values share the mean of their ranks."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[group], dtype=np.float64)


def cliffs_delta(high: Floats, low: Floats) -> float:
    """Return P(high > low) - P(high < low) over all pairs, in [-1, 1]."""
    ranks = midranks(np.concatenate([high, low]))
    m, n = len(high), len(low)
    wins = float(ranks[:m].sum()) - m * (m + 1) / 2
    return 2 * wins / (m * n) - 1


def delta_interval(delta: float, m: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of Cliff's delta for groups of m and n: Newcombe (2006), part 2, method 5.

    With theta = (delta + 1) / 2, the bounds solve |theta - observed| = z * sqrt(V(theta)),
    V = theta (1 - theta) (1 + k ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m n),
    k = (m + n) / 2 - 1. Finite at delta = -1 and 1, where variance estimates from the data are 0.
    """
    observed = (delta + 1) / 2
    z = NormalDist().inv_cdf(0.5 + level / 2)

    def excess(theta: float) -> float:
        spread = 1 + ((m + n) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - observed) ** 2 - z**2 * theta * (1 - theta) * spread / (m * n)

    lower = 0.0 if observed <= 0 else _root(excess, 0.0, observed)
    upper = 1.0 if observed >= 1 else _root(excess, 1.0, observed)
    return 2 * lower - 1, 2 * upper - 1


def _root(excess: Callable[[float], float], outer: float, inner: float) -> float:
    """Bisect between `outer`, where `excess` is positive, and `inner`, next to which it is negative."""
    while not math.isclose(outer, inner, rel_tol=0, abs_tol=1e-12):
        middle = (outer + inner) / 2
        if excess(middle) > 0:
            outer = middle
        else:
            inner = middle
    return outer
