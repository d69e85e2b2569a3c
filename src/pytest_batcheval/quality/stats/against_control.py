"""Shares of personas beside those of a control in which the same should happen more often."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.resampling import permutation_p
from pytest_batcheval.quality.stats.student_t import score_interval, t_quantile

Floats = npt.NDArray[np.float64]

MOST = 0.2
"""Largest share, in times the control's, that still counts as none of it; a convention.

Simulated (docs/statistics.md): 0 of faithful respondents, 0.25 of those with a wrong fact in three answers of ten.
"""

SEEN = 0.5
"""Least share of the control's personas in which a judge must find something, a convention: else it sees nothing."""


def share_interval(shares: Floats) -> tuple[float, float]:
    """Return the 95 % interval of the mean of the personas' shares, shape (P,), each from 0 to 1.

    Wilson's with as many cases as the spread between personas makes up for (Korn & Graubard 1998), and Student's t;
    where all personas have the same share, they are the cases.
    """
    mean, people = float(shares.mean()), len(shares)
    variance = float(shares.var(ddof=1)) / people
    cases = mean * (1 - mean) / variance if variance > 1e-12 else people
    return score_interval(mean, cases, t_quantile(0.975, people - 1))


def lower_p(own: Floats, control: Floats, permutations: int, seed: int) -> float:
    """Return the one-sided p of the personas' shares being below their controls, by exchanging the two of a persona."""
    gap = control - own

    def null(rng: np.random.Generator, count: int) -> Floats:
        found: Floats = rng.choice((-1.0, 1.0), (count, len(gap))) @ gap / len(gap)
        return found

    return permutation_p(null, float(gap.mean()), permutations, seed)[0]


def sorted_out(own: Floats, control: Floats, p_value: float) -> str:
    """Return `low` where own shares are well below the control's, `high` where they are not, else `not shown`."""
    within = own.mean() <= MOST * control.mean()
    if p_value <= ALPHA and within:
        return "low"
    return "high" if not within and (control > 0).mean() >= SEEN else "not shown"
