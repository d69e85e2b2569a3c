"""Means over the samples of one persona and question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.stats.text_distance import tfidf
from pytest_batcheval.quality.table import Table

Floats = npt.NDArray[np.float64]


def cell_products(table: Table, texts: Sequence[str]) -> Floats:
    """Return the Gram matrix of the cells' mean TF-IDF vectors, shape (J * P, J * P); zero for a missing cell."""
    cells = len(table.counts)
    return tfidf(texts).combined(table.cell, 1 / table.counts[table.cell], cells).products()


def cell_means(table: Table, values: Floats) -> Floats:
    """Return the mean of `values` (one per text, NaN for none) in each cell, shape (J, P), NaN for none."""
    total, count, _ = cell_sums(table, values)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def cell_sums(table: Table, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the sum, number and squared deviations from the cell's mean of the values, without NaN; each (J, P)."""
    valid = ~np.isnan(values)
    cell, kept = table.cell[valid], values[valid]
    count = _summed(table, cell, np.ones(len(kept)))
    total = _summed(table, cell, kept)
    mean = total / np.maximum(count, 1)
    within = _summed(table, cell, (kept - mean.ravel()[cell]) ** 2)
    return total, count, within


def _summed(table: Table, cell: npt.NDArray[np.intp], values: Floats) -> Floats:
    # bincount returns integers if there is nothing to sum
    sums = np.bincount(cell, values, minlength=len(table.counts)).astype(np.float64)
    return sums.reshape(table.present.shape)
