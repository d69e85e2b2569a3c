"""Agreement of two raters beyond chance, from the table of their pairs of marks.

`table` has the shape (..., c, c): the counts of category g from the first rater with h from the second. Every
function takes a stack of tables, so that a bootstrap is one call; NaN if agreement is undefined
(one category only, or no pairs).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pair_table(first: Floats, second: Floats, categories: Floats) -> Floats:
    """Return the table of the pairs that both raters marked; NaN is no mark."""
    both = ~(np.isnan(first) | np.isnan(second))
    size = len(categories)
    place = np.searchsorted(categories, first[both]) * size + np.searchsorted(categories, second[both])
    return np.bincount(place, minlength=size * size).astype(np.float64).reshape(size, size)


def weighted_kappa(table: Floats, weights: Floats) -> Floats:
    """1 - observed / expected disagreement (Cohen 1968); `weights` is 0 on the diagonal."""
    expected = table.sum(axis=-1)[..., :, None] * table.sum(axis=-2)[..., None, :]
    total = table.sum(axis=(-2, -1))
    return _beyond_chance((weights * table).sum(axis=(-2, -1)) * total, (weights * expected).sum(axis=(-2, -1)))


def quadratic(categories: Floats) -> Floats:
    """Return weights that grow with the square of the distance."""
    weights: Floats = (categories[:, None] - categories[None, :]) ** 2
    return weights


def nominal(size: int) -> Floats:
    """Return weights that count every difference alike."""
    return 1 - np.eye(size)


def krippendorff_alpha(table: Floats) -> Floats:
    """Return Krippendorff's alpha for ordinal marks of two raters (2011, computing alpha)."""
    return alpha_of_coincidences(table + np.swapaxes(table, -1, -2))


def alpha_of_coincidences(coincidences: Floats) -> Floats:
    """Return ordinal alpha of a symmetric matrix of coincidences, in which a unit with m marks counts m times."""
    often = coincidences.sum(axis=-1)
    total = often.sum(axis=-1)
    # the squared number of marks from one category to the other, both ends counted half
    below = np.cumsum(often, axis=-1) - often / 2
    weights = (below[..., :, None] - below[..., None, :]) ** 2
    expected = (weights * often[..., :, None] * often[..., None, :]).sum(axis=(-2, -1))
    observed = (weights * coincidences).sum(axis=(-2, -1)) * (total - 1)
    return _beyond_chance(observed, expected)


def coincidences_of(marks: Floats) -> tuple[Floats, Floats]:
    """Return categories and coincidences of several raters; `marks` has the shape (raters, units), NaN for none."""
    categories = np.unique(marks[~np.isnan(marks)])
    given = (marks[None] == categories[:, None, None]).sum(axis=1).astype(np.float64)
    number = given.sum(axis=0)
    given, number = given[:, number > 1], number[number > 1]
    share = given / (number - 1)
    return categories, share @ given.T - np.diag(share.sum(axis=1))


def gwet_ac2(table: Floats, weights: Floats) -> Floats:
    """Return Gwet's AC2 (2014), agreement 1 - weights / max(weights): stable when nearly all marks are the same."""
    size = table.shape[-1]
    agreement = 1 - weights / max(float(weights.max()), 1e-12)
    total = table.sum(axis=(-2, -1))
    share = np.divide(table, total[..., None, None], out=np.zeros_like(table), where=total[..., None, None] > 0)
    marginal = (share.sum(axis=-1) + share.sum(axis=-2)) / 2
    chance = agreement.sum() / (size * (size - 1)) * (marginal * (1 - marginal)).sum(axis=-1)
    observed = (agreement * share).sum(axis=(-2, -1))
    found = np.full(total.shape, np.nan)
    np.divide(observed - chance, 1 - chance, out=found, where=(total > 0) & (chance < 1 - 1e-12))
    return found


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    ratio = np.full(np.shape(expected), np.nan)
    np.divide(observed, expected, out=ratio, where=np.asarray(expected) > 1e-12)
    return 1 - ratio
