"""The mean difference of two runs over the same cells, with an error clustered by each axis: persona, question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import COLUMNS, ROWS, TableError
from pytest_batcheval.quality.measures._cell_values import FORMER, CellValues
from pytest_batcheval.quality.needs import LEAST_COLUMNS
from pytest_batcheval.quality.result import listed
from pytest_batcheval.quality.stats.student_t import t_cdf, t_quantile
from pytest_batcheval.quality.table import MAX_MISSING, NAMED
from pytest_batcheval.text.format import counted
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

LEAST_CLUSTERS = 6
"""Least values of one clustered axis. Simulated, 6 x 3: see docs/statistics.md."""

EXACT = 1e-12
"""An error below this is a rounding error: the runs differ by the same amount in every cell."""


@dataclass(frozen=True)
class Difference:
    """The mean of a minus b over the cells that both have.

    Attributes:
        mean, error: of the difference, and its standard error.
        freedom: one less than the fewest values of a clustered axis: min(P, J) - 1.
        standardised: d_z: the mean over the standard deviation of the cells' differences; `None` without any.
        cells: the differences, shape (J, P), NaN where a run has no value.
        clustered: by axis, the number of its values, which stand for others like them.
        fixed: the same of axes with fewer than 4 values: the difference is that at these values.
    """

    mean: float
    error: float
    freedom: int
    standardised: float | None
    cells: Floats
    clustered: Mapping[str, int]
    fixed: Mapping[str, int]

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


Blocks = Mapping[str, str]
"""By id of a row or column: the block of those that are not independent of each other."""


def difference(a: CellValues, b: CellValues, blocks: Blocks | None = None) -> Difference:
    """Return a minus b, cell by cell; the error is clustered by axis, or by the blocks of an axis whose ids have any.

    Raises:
        TableError: the runs have different rows, columns, axes or metrics; more than 2 % of the cells
            have a value in one run only; too few have one; or blocks do not name all ids of an axis.
    """
    _check_alike(a, b)
    first, second = a.array(), b.array()
    _check_missing(a, first, second)
    cells = first - second
    kept = ~np.isnan(cells)
    clusters = _clusters(_blocked(a, blocks or {}), kept)
    counts = {axis: len(np.unique(labels)) for axis, labels in clusters.items()}
    clustered = {axis: number for axis, number in counts.items() if number >= LEAST_COLUMNS}
    _check_numbers(counts, clustered)
    differences = cells[kept]
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    error = clustered_error(differences - mean, [clusters[axis] for axis in clustered])
    standardised = mean / spread if spread > EXACT else None
    fixed = {axis: number for axis, number in counts.items() if 1 < number < LEAST_COLUMNS}
    return Difference(mean, error, min(clustered.values()) - 1, standardised, cells, clustered, fixed)


def clustered_error(residuals: Floats, clusters: Sequence[npt.NDArray[np.intp]]) -> float:
    """Return the standard error of a mean of residuals, shape (n,), that share the clusters of each axis, shape (n,).

    Cameron, Gelbach & Miller (2011): the variances clustered by each axis, less those by each pair of axes, and so
    on, each with its G / (G - 1); floored at the largest by one axis, since their sum can be too small or negative.
    """
    by_axis, total = 0.0, 0.0
    for size in range(1, len(clusters) + 1):
        for some in combinations(clusters, size):
            variance = _by_cluster(residuals, np.unique(np.stack(some), axis=1, return_inverse=True)[1].ravel())
            total += (-1) ** (size + 1) * variance
            by_axis = max(by_axis, variance) if size == 1 else by_axis
    return math.sqrt(max(total, by_axis)) / len(residuals)


def _by_cluster(residuals: Floats, labels: npt.NDArray[np.intp]) -> float:
    sums = np.bincount(labels, residuals)
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum())


def _clusters(a: CellValues, kept: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.intp]]:
    """Return, by axis, the number of the value of each kept cell."""
    column, row = np.nonzero(kept)
    return {
        axis: np.unique(ids, return_inverse=True)[1][place].astype(np.intp)
        for part, place in ((a.rows, row), (a.columns, column))
        for axis, ids in part.items()
    }


def _blocked(a: CellValues, blocks: Blocks) -> CellValues:
    """Return the values with blocks in place of the ids of an axis that has some."""
    if not blocks:
        return a
    parts: list[dict[str, tuple[str, ...]]] = []
    seen = False
    for part in (a.rows, a.columns):
        found = {}
        for axis, ids in part.items():
            known = [i for i in ids if i in blocks]
            seen = seen or bool(known)
            if known and len(known) < len(ids):
                raise TableError(f"no block of {listed([i for i in dict.fromkeys(ids) if i not in blocks], NAMED)}")
            found[f"{axis} block" if known else axis] = tuple(blocks[i] for i in ids) if known else ids
        parts.append(found)
    if not seen:
        raise TableError(f"blocks must be given by id, such as {a.questions[0] or a.personas[0]!r}")
    return replace(a, rows=parts[0], columns=parts[1])


def axes_words(clustered: Mapping[str, int], fixed: Mapping[str, int]) -> list[Phrase]:
    """Return the axes of a difference in words; nothing if they are personas and questions."""
    if clustered.keys() == {ROWS, COLUMNS} and not fixed:
        return []
    found = [Phrase("error clustered by {axes}", axes=_numbered(clustered))]
    if fixed:
        found.append(Phrase("not for other values of {axes}: so few do not stand for others", axes=_numbered(fixed)))
    return found


def _numbered(axes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} ({number})" for axis, number in axes.items())


def named_cells(a: CellValues, cells: Floats, count: int) -> tuple[str, ...]:
    """Return the cells with the smallest differences, smallest first: `persona x question (-0.5)`."""
    order = np.argsort(np.where(np.isnan(cells), np.inf, cells), axis=None, kind="stable")[:count]
    pairs = [divmod(int(place), len(a.personas)) for place in order]
    return tuple(f"{_name(a, j, i)} ({cells[j, i]:+.2f})" for j, i in pairs if cells[j, i] < 0)


def _name(a: CellValues, column: int, row: int) -> str:
    return " x ".join(part for part in (a.personas[row], a.questions[column]) if part)


def _check_numbers(counts: Mapping[str, int], clustered: Mapping[str, int]) -> None:
    if max(clustered.values(), default=0) < LEAST_CLUSTERS:
        found = " and ".join(counted(number, axis) for axis, number in counts.items())
        raise TableError(
            f"{found} with values in both runs are too few: one axis needs at least {LEAST_CLUSTERS} values"
        )


def _check_alike(a: CellValues, b: CellValues) -> None:
    names = ("metric", "personas", "questions") if a.rows.keys() == {ROWS} else ("metric", "rows", "columns")
    for name in names:
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            raise TableError(
                f"two runs can only be compared with the same {name}: {_unlike(one, other)}{_former(one, other)}"
            )


def _former(*metrics: object) -> str:
    """Return the reason why a number of an earlier version cannot be compared, and what to do."""
    found = [reason for metric, reason in FORMER.items() if metric in metrics]
    return f"; {found[0]}: measure its stored answers again" if found else ""


def _unlike(one: object, other: object) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        one, other = (tuple(dict.fromkeys(i for ids in part.values() for i in ids)) for part in (one, other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        only = [i for i in (*one, *other) if i not in one or i not in other]
        return f"only in one of them: {listed(only, NAMED)}"
    return " or ".join(sorted((repr(one), repr(other))))


def _check_missing(a: CellValues, first: Floats, second: Floats) -> None:
    lost = np.isnan(first) != np.isnan(second)
    if lost.mean() > MAX_MISSING:
        ids = [_name(a, j, i) for j, i in zip(*np.nonzero(lost), strict=True)]
        raise TableError(
            f"{counted(len(ids), 'cell')} with a value in one run only, more than {MAX_MISSING:.0%}: "
            f"{listed(ids, NAMED)}"
        )
