"""The mean difference of two runs over the same cells, with an error clustered by persona and by question."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.measures._cell_values import CellValues
from pytest_batcheval.quality.result import listed
from pytest_batcheval.quality.stats.student_t import t_cdf, t_quantile
from pytest_batcheval.quality.table import MAX_MISSING, MIN_PERSONAS, MIN_QUESTIONS, NAMED, TableError
from pytest_batcheval.text.format import counted

Floats = npt.NDArray[np.float64]

EXACT = 1e-12
"""An error below this is a rounding error: the runs differ by the same amount in every cell."""


@dataclass(frozen=True)
class Difference:
    """The mean of a minus b over the cells that both have.

    Attributes:
        mean, error: of the difference, and its standard error.
        freedom: min(P, J) - 1.
        standardised: d_z: the mean over the standard deviation of the cells' differences; `None` without any.
        cells: the differences, shape (J, P), NaN where a run has no value.
    """

    mean: float
    error: float
    freedom: int
    standardised: float | None
    cells: Floats

    @property
    def n(self) -> int:
        """The number of cells that both runs have."""
        return int(np.count_nonzero(~np.isnan(self.cells)))

    def below(self, value: float) -> float:
        """Return the one-sided p-value of a mean difference below `value`."""
        if self.error <= EXACT:
            return 1.0 if self.mean >= value - EXACT else 0.0
        return t_cdf((self.mean - value) / self.error, self.freedom)

    def above(self, value: float) -> float:
        """Return the one-sided p-value of a mean difference above `value`."""
        if self.error <= EXACT:
            return 1.0 if self.mean <= value + EXACT else 0.0
        return t_cdf((value - self.mean) / self.error, self.freedom)

    def interval(self, level: float) -> tuple[float, float]:
        """Return the mean's t interval."""
        half = t_quantile(0.5 + level / 2, self.freedom) * self.error
        return self.mean - half, self.mean + half


def difference(a: CellValues, b: CellValues) -> Difference:
    """Return a minus b, cell by cell.

    Raises:
        TableError: the runs have different personas, questions or metrics; more than 2 % of the cells
            have a value in one run only; or too few have one.
    """
    for name in ("metric", "personas", "questions"):
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            raise TableError(f"two runs can only be compared with the same {name}: {_unlike(one, other)}")
    first, second = a.array(), b.array()
    _check_missing(a, first, second)
    cells = first - second
    kept = ~np.isnan(cells)
    personas, questions = int(kept.any(axis=0).sum()), int(kept.any(axis=1).sum())
    if personas < MIN_PERSONAS or questions < MIN_QUESTIONS:
        raise TableError(
            f"{counted(personas, 'persona')} and {counted(questions, 'question')} with values in both runs are too "
            f"few: at least {MIN_PERSONAS} personas and {MIN_QUESTIONS} questions are needed"
        )
    mean, spread = float(cells[kept].mean()), float(cells[kept].std(ddof=1))
    error = clustered_error(np.where(kept, cells - mean, 0.0), kept)
    standardised = mean / spread if spread > EXACT else None
    return Difference(mean, error, min(personas, questions) - 1, standardised, cells)


def clustered_error(residuals: Floats, kept: npt.NDArray[np.bool_]) -> float:
    """Return the standard error of a mean whose residuals share personas (columns) and questions (rows).

    Cameron, Gelbach & Miller (2011): the variances clustered by either, less that of the cells, each with
    its G / (G - 1); floored at the larger of the two, since their difference can be too small or negative.
    Residuals are 0 where nothing is kept.
    """
    n, personas, questions = kept.sum(), kept.any(axis=0).sum(), kept.any(axis=1).sum()
    by_persona = personas / (personas - 1) * (residuals.sum(axis=0) ** 2).sum()
    by_question = questions / (questions - 1) * (residuals.sum(axis=1) ** 2).sum()
    by_cell = n / (n - 1) * (residuals**2).sum()
    return math.sqrt(max(by_persona + by_question - by_cell, by_persona, by_question)) / float(n)


def named_cells(a: CellValues, cells: Floats, count: int) -> tuple[str, ...]:
    """Return the cells with the smallest differences, smallest first: `persona x question (-0.5)`."""
    order = np.argsort(np.where(np.isnan(cells), np.inf, cells), axis=None, kind="stable")[:count]
    pairs = [divmod(int(place), len(a.personas)) for place in order]
    return tuple(f"{a.personas[i]} x {a.questions[j]} ({cells[j, i]:+.2f})" for j, i in pairs if cells[j, i] < 0)


def _unlike(one: object, other: object) -> str:
    if isinstance(one, tuple) and isinstance(other, tuple):
        only = [i for i in (*one, *other) if i not in one or i not in other]
        return f"only in one of them: {listed(only, NAMED)}"
    return " or ".join(sorted((repr(one), repr(other))))


def _check_missing(a: CellValues, first: Floats, second: Floats) -> None:
    lost = np.isnan(first) != np.isnan(second)
    if lost.mean() > MAX_MISSING:
        ids = [f"{a.personas[i]} x {a.questions[j]}" for j, i in zip(*np.nonzero(lost), strict=True)]
        raise TableError(
            f"{counted(len(ids), 'cell')} with a value in one run only, more than {MAX_MISSING:.0%}: "
            f"{listed(ids, NAMED)}"
        )
