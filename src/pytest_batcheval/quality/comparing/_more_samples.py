"""The number of further samples that would probably decide a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.comparing._clustered_difference import Difference
from pytest_batcheval.quality.measures._cell_values import CellValues

Floats = npt.NDArray[np.float64]
Decided = Callable[[Floats, float], npt.NDArray[np.bool_]]
"""Whether each of these mean differences, with this standard error, would be decided."""

CHANCE = 0.8
"""The chance with which the proposed samples decide, the usual one of power."""

MOST = 20
"""The most samples per cell that are proposed, a convention: they cost as much as 20 runs."""

LEAST_FREEDOM = 8
"""Simulated: with 5 and 7 (6 and 8 questions that differ as a whole) 43 and 52 % of proposals decided."""

QUANTILES = 20

CAUTIOUS = 8
"""The quantile of the error's variance, of 20, by which the variance may have been underestimated: 0.425.

Chosen on seeds 0 to 199 so that what is proposed decides in 80 % (tests/statistics/test_promises.py, on others).
"""

POINTS = np.array([NormalDist().inv_cdf((n + 0.5) / 400) for n in range(400)])


def more_samples(found: Difference, runs: Sequence[CellValues], decided: Decided) -> int | None:
    """Return the fewest samples to add to each cell of these runs that decide with a chance of 80 %; `None` above 20.

    What will be seen differs from what was seen: with nothing else known of the true difference, the next mean is
    normal about this one, with the variance that the added samples take away (the flat prior's prediction). The error
    shrinks to what the samples cannot take away: the noise of the other run, and cells that differ; it is estimated
    again, with a variance that spreads as a chi-square over its degrees of freedom. With fewer than `LEAST_FREEDOM` of
    these nothing is proposed, since what the samples cannot take away is hardly known.
    """
    if found.freedom < LEAST_FREEDOM:
        return None
    noises = [run.noise if run.noise is not None else _all_noise(found) for run in runs]
    present = [_mean_samples(run) for run in runs]
    now = sum(noise / size for noise, size in zip(noises, present, strict=True)) / found.n
    scales = _scales(found.freedom)
    # a clustered error may be small by chance, and then grows back: it is not below that of independent cells
    rest = max(0.0, max(found.error**2 / scales[CAUTIOUS], _scatter(found) / found.n) - now)
    for more in range(1, MOST + 1):
        then = sum(noise / (size + more) for noise, size in zip(noises, present, strict=True)) / found.n
        means = found.mean + POINTS * max(0.0, now - then) ** 0.5
        errors = [(scale * (rest + then)) ** 0.5 for scale in scales]
        if np.mean([decided(means, error).mean() for error in errors]) >= CHANCE:
            return more
    return None


def _scales(freedom: int) -> list[float]:
    """Return quantiles of a chi-square over its degrees of freedom (Wilson & Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    normal = [NormalDist().inv_cdf((n + 0.5) / QUANTILES) for n in range(QUANTILES)]
    return [max(1e-6, 1 - spread + z * spread**0.5) ** 3 for z in normal]


def _mean_samples(run: CellValues) -> float:
    samples = np.array(run.samples, dtype=np.float64)
    return float(samples[samples > 0].mean())


def _all_noise(found: Difference) -> float:
    """Return a run's noise with one sample per cell: half of the cells' scatter; the other half is the other run's."""
    return _scatter(found) / 2


def _scatter(found: Difference) -> float:
    return float(np.nanvar(found.cells, ddof=1))
