"""P-values by permutation and intervals by the jackknife, with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.student_t import t_quantile

Floats = npt.NDArray[np.float64]

LEAST = 99
"""Fewest permutations: with fewer, no p can be as small as `levels.ALPHA`."""

CHUNK = 9999
TOLERANCE = 1e-9
"""Relative difference below which a permuted value counts as equal to the observed one."""

Null = Callable[[np.random.Generator, int], Floats]
"""A function that draws `count` values of the statistic under the null hypothesis."""


def permutation_p(null: Null, observed: float, permutations: int, seed: int | Sequence[int]) -> tuple[float, int]:
    """Return the one-sided p = (1 + number of null values >= observed) / (B + 1), and B.

    Phipson & Smyth (2010): never 0. B is multiplied by 10 once when p falls within a factor
    of 2 of `ALPHA`, where Monte-Carlo error could turn the verdict.

    Raises:
        TableError: fewer than 99 permutations, or as `generator`.
    """
    if not isinstance(permutations, int | np.integer) or permutations < LEAST:
        raise TableError(
            f"permutations must be an integer, at least {LEAST}, to give a p of {ALPHA}, not {permutations!r}"
        )
    rng = generator(seed)
    reached = _reached(null, observed, permutations, rng)
    p_value = (1 + reached) / (permutations + 1)
    if ALPHA / 2 <= p_value <= 2 * ALPHA:
        reached += _reached(null, observed, 9 * permutations, rng)
        permutations *= 10
        p_value = (1 + reached) / (permutations + 1)
    return p_value, permutations


def generator(seed: int | Sequence[int]) -> np.random.Generator:
    """Return a random number generator of a seed.

    Raises:
        TableError: the seed is not an integer, at least 0, or a sequence of such.
    """
    parts = seed if isinstance(seed, list | tuple) else [seed]
    if not all(isinstance(part, int | np.integer) and part >= 0 for part in parts):
        raise TableError(f"seed must be an integer, at least 0, not {seed!r}")
    return np.random.default_rng(seed)


def _reached(null: Null, observed: float, permutations: int, rng: np.random.Generator) -> int:
    """Return the number of null values that reach the observed one; drawn in chunks to bound memory."""
    floor = observed - TOLERANCE * max(1.0, abs(observed))
    sizes = [min(CHUNK, permutations - done) for done in range(0, permutations, CHUNK)]
    return sum(int(np.count_nonzero(null(rng, size) >= floor)) for size in sizes)


def shuffles(rng: np.random.Generator, count: int, size: int) -> npt.NDArray[np.intp]:
    """Return `count` independent permutations of `range(size)`, shape (count, size)."""
    # four times as fast as rng.permuted; equal keys, which would favour an order, occur once in 2**53
    return rng.random((count, size)).argsort(axis=1)


def jackknife_interval(estimate: float, left_out: Sequence[float] | Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the interval from n delete-one estimates, with Student's t of n - 1 degrees of freedom."""
    values = np.asarray(left_out)
    n = len(values)
    error = float(np.sqrt((n - 1) / n * np.sum((values - values.mean()) ** 2)))
    half = t_quantile(0.5 + level / 2, n - 1) * error
    return estimate - half, estimate + half
