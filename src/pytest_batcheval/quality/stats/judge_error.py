"""Means and shares corrected for a judge's errors, which are known from answers that people have labelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.stats.student_t import t_quantile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int_]

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class PoweredMean:
    """A mean with its standard error, in the unit of the values.

    Attributes:
        power: the weight of the judge's values, from 0 (labels alone) to 1.
        freedom: degrees of freedom of the standard error: clusters of labelled answers less one.
    """

    estimate: float
    error: float
    power: float
    freedom: int

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, by Student's t."""
        half = t_quantile(0.975, max(self.freedom, 1)) * self.error
        return self.estimate - half, self.estimate + half


def powered_mean(
    truth: Floats,
    judged: Floats,
    others: Floats,
    clusters: Ints,
    weights: Floats | None = None,
    power: float | None = None,
) -> PoweredMean:
    """Return the mean of all answers' true values (PPI++: Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453).

    The judge's mean of the other answers, plus the mean error of those with a label; labelled answers of one cluster
    are taken together in the variance.

    Args:
        truth: people's values of labelled answers, shape (n,).
        judged: the judge's values of the same, shape (n,).
        others: the judge's values of answers without a label, shape (N,), may be empty; with `weights` of all answers.
        clusters: a number for each labelled answer, shape (n,); those of one cluster may err together.
        weights: inverse chances of being labelled, shape (n,); `None` if they are equal.
        power: the weight of the judge's values; by default the one of least variance.
    """
    w = np.ones(len(truth)) if weights is None else weights / weights.mean()
    overlap = weights is not None
    if not len(others):
        power = 0.0
    elif power is None:
        power = _best_power(truth, judged, others, w, overlap)
    gap = truth - power * judged
    error = float((w * gap).mean())
    drawn = np.bincount(clusters, w * (gap - error))
    variance = float((drawn**2).sum()) / len(truth) ** 2
    imputed = 0.0
    if len(others):
        imputed = power * float(others.mean())
        variance += power**2 * float(others.var()) / len(others)
        together = power * _covariance(judged, gap, w) if overlap else 0.0
        variance = max(variance + 2 * together / len(others), 0.0)
    return PoweredMean(imputed + error, math.sqrt(variance), power, int(np.count_nonzero(np.bincount(clusters))) - 1)


def _covariance(one: Floats, other: Floats, w: Floats) -> float:
    return float((w * (one - (w * one).mean()) * (other - (w * other).mean())).mean())


def _best_power(truth: Floats, judged: Floats, others: Floats, w: Floats, overlap: bool) -> float:
    """Return cov(truth, judged) / ((1 + n / N) var(judged)), of labelled answers among the others / var(judged)."""
    spread = float(np.var(others if overlap else np.concatenate([judged, others]), ddof=1))
    if not spread:
        return 0.0
    share = 1.0 if overlap else 1 + len(truth) / len(others)
    return min(1.0, max(0.0, _covariance(truth, judged, w) / (share * spread)))


@dataclass(frozen=True)
class JudgedShare:
    """The share of answers with some property, as a judge sees it, and what it misses and invents.

    Attributes:
        judged: the judge's share of all answers.
        sensitivity: of labelled answers that have it, the share that the judge sees; `None` without any.
        specificity: of those that don't, the share that it leaves; `None` without any.
        share: corrected, from 0 to 1; `None` where the judge is not known to be better than chance.
        interval: 95 %, over the answers judged and the answers labelled; (0, 1) without a share.
    """

    judged: float
    sensitivity: float | None
    specificity: float | None
    share: float | None
    interval: tuple[float, float]


def corrected_share(
    judged: float, n: float, sensitivity: float | None, positives: float, specificity: float | None, negatives: float
) -> JudgedShare:
    """Return the share corrected by (judged + specificity - 1) / (sensitivity + specificity - 1).

    Rogan & Gladen 1978, Am J Epidemiol 107:71; the interval is that of Lang & Reiczigel 2014, Prev Vet Med 113:13,
    which adds a case and a miss to either label set.

    Args:
        judged: the judge's share of all answers.
        n: their number.
        sensitivity: the share of labelled answers with the property that the judge sees.
        positives: the number of those.
        specificity: the share of labelled answers without the property that the judge leaves.
        negatives: the number of those.
    """
    if sensitivity is None or specificity is None:
        return JudgedShare(judged, sensitivity, specificity, None, (0.0, 1.0))
    sees = (positives * sensitivity + 1) / (positives + 2)
    leaves = (negatives * specificity + 1) / (negatives + 2)
    errors = sees * (1 - sees) / (positives + 2), leaves * (1 - leaves) / (negatives + 2)
    youden = sees + leaves - 1
    if youden <= Z * math.sqrt(sum(errors)):
        return JudgedShare(judged, sensitivity, specificity, None, (0.0, 1.0))
    size = n + Z * Z
    seen = (n * judged + Z * Z / 2) / size
    true = _cut((seen + leaves - 1) / youden)
    moved = true + 2 * Z * Z * (true * errors[0] - (1 - true) * errors[1])
    spread = seen * (1 - seen) / size + true**2 * errors[0] + (1 - true) ** 2 * errors[1]
    half = Z * math.sqrt(spread) / youden
    plain = sensitivity + specificity - 1
    share = _cut((judged + specificity - 1) / plain)
    return JudgedShare(
        judged, sensitivity, specificity, share, (min(share, _cut(moved - half)), max(share, _cut(moved + half)))
    )


def _cut(share: float) -> float:
    return min(1.0, max(0.0, share))
