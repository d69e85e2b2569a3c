"""The models behind `power`: answers as vectors, scores as rounded normal numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.measures._trait_reflection import MEDIAN_DELTA, SPARED
from pytest_batcheval.quality.stats.cliffs_delta import midranks
from pytest_batcheval.quality.stats.levels import ALPHA, EQUIVALENCE
from pytest_batcheval.quality.stats.resampling import shuffles
from pytest_batcheval.quality.stats.student_t import t_quantile

Floats = npt.NDArray[np.float64]

DIRECTIONS = 50
"""Independent directions in which answers vary. With 5, as for judges' scores, power is far smaller."""

CELL_VARIANCE = 0.2
"""Variance of what is specific to a persona and question, relative to that of a sample."""

SCORE_NOISE, PERSONA_SPREAD, CELL_SPREAD = 0.8, 0.2, 0.35
"""Standard deviations in score points: of a sample, of a persona's leaning, and of its leaning at one question."""

UNSCORED = 0.25
"""Share of answers without a score."""

CALIBRATION = 2000
"""Runs without an effect that give the limit at 0.01; its error rate is 0.01 +- 0.002."""


def differentiation_power(
    size: tuple[int, int, int],
    variances: Sequence[float],
    runs: int,
    rng: np.random.Generator,
    directions: int = DIRECTIONS,
) -> list[float]:
    """Return the shares of runs in which personas differ at 0.01, by their variance.

    Model: the vector of an answer is persona + cell + sample, normal in every direction, with variances
    of `variances`, 0.2 and 1. The statistic is that of `differentiation` over its permutation standard
    deviation; its 99 % point comes from 2,000 runs without a persona variance.
    """
    null = [_standardised_sum(size, 0.0, directions, rng) for _ in range(CALIBRATION)]
    limit = np.quantile(null, 1 - ALPHA)
    return [
        float(np.mean([_standardised_sum(size, variance, directions, rng) > limit for _ in range(runs)]))
        for variance in variances
    ]


def _standardised_sum(size: tuple[int, int, int], variance: float, directions: int, rng: np.random.Generator) -> float:
    personas, questions, samples = size
    cell = rng.normal(0, math.sqrt(CELL_VARIANCE + 1 / samples), (questions, personas, directions))
    vectors = cell + rng.normal(0, math.sqrt(variance), (personas, directions))
    vectors -= vectors.mean(axis=1, keepdims=True)
    total = vectors.sum(axis=0)
    sizes = vectors.transpose(0, 2, 1) @ vectors
    # the sum over pairs of questions of their products' squared length, without forming them
    whole = sizes.sum(axis=0)
    squares = ((whole**2).sum() - (sizes**2).sum()) / 2
    statistic = ((total**2).sum() - (vectors**2).sum()) / 2
    return float(statistic / math.sqrt(squares / (personas - 1)))


def trait_power(
    groups: Sequence[tuple[int, int, int]],
    samples: int,
    effect: float,
    runs: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Return the shares of runs in which all dimensions show at 0.01, all but one do, and the deltas are large.

    `groups` has, for each dimension, the numbers of personas prompted high and low and of the questions aimed at it.
    Model: a sample's score is 3 + level * effect + persona + cell + sample, rounded and cut to 1 to 5, with
    standard deviations 0.2, 0.35 and 0.8; a quarter of the samples have none. "All but one" (of fewer than
    `SPARED` dimensions all) also asks for positive deltas; "large" is a median delta of 0.6 and a least one of 0.2.
    """
    deltas = np.empty((len(groups), runs))
    shown = np.empty((len(groups), runs), dtype=bool)
    for n, (high, low, questions) in enumerate(groups):
        means = _persona_means(high, low, questions, samples, effect, runs, rng)
        ranks = np.array([midranks(row) for row in means])
        sums = ranks[:, :high].sum(axis=1)
        order = shuffles(rng, 20 * CALIBRATION, high + low)[:, :high]
        shown[n] = sums >= np.quantile((order + 1).sum(axis=1), 1 - ALPHA, method="higher") + 1
        deltas[n] = 2 * (sums - high * (high + 1) / 2) / (high * low) - 1
    enough = (~shown).sum(axis=0) <= (len(groups) >= SPARED)
    return (
        float(shown.all(axis=0).mean()),
        float((enough & (deltas > 0).all(axis=0)).mean()),
        float(((np.median(deltas, axis=0) >= MEDIAN_DELTA) & (deltas.min(axis=0) >= 0.2)).mean()),
    )


def _persona_means(
    high: int, low: int, questions: int, samples: int, effect: float, runs: int, rng: np.random.Generator
) -> Floats:
    """Return means over questions of question-centred cell means, shape (runs, high + low)."""
    level = np.array([1.0] * high + [-1.0] * low)
    persona = 3 + effect * level + rng.normal(0, PERSONA_SPREAD, (runs, 1, 1, high + low))
    cells = persona + rng.normal(0, CELL_SPREAD, (runs, questions, 1, high + low))
    shape = (runs, questions, samples, high + low)
    scores = np.clip(np.rint(cells + rng.normal(0, SCORE_NOISE, shape)), 1, 5)
    there = rng.random(shape) >= UNSCORED
    count = there.sum(axis=2)
    cell = np.where(there, scores, 0.0).sum(axis=2) / np.maximum(count, 1)
    scored = count > 0
    question = np.where(scored, cell, 0.0).sum(axis=2, keepdims=True) / np.maximum(scored.sum(axis=2, keepdims=True), 1)
    centred = np.where(scored, cell - question, 0.0)
    means: Floats = np.round(centred.sum(axis=1) / np.maximum(scored.sum(axis=1), 1), 12)
    return means


def simulated_differences(
    size: tuple[int, int, int], spread: float, runs: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return mean differences of two equal runs and their clustered errors, in an answer's standard deviations.

    Model: persona + question + cell; the samples of both runs vary by 1, personas and questions as a whole by `spread`.
    """
    personas, questions, samples = size
    shape = (runs, questions, personas)
    cells = rng.normal(0, math.sqrt(2 / samples), shape) + rng.normal(0, spread, (runs, 1, personas))
    cells += rng.normal(0, spread if questions > 1 else 0, (runs, questions, 1))
    return cells.mean(axis=(1, 2)), table_errors(cells)


def table_errors(cells: Floats) -> Floats:
    """Return the errors of `clustered_error` for whole tables of differences, shape (runs, J, P)."""
    left = cells - cells.mean(axis=(1, 2), keepdims=True)
    sums = [(left.sum(axis=1) ** 2).sum(axis=1), (left.sum(axis=2) ** 2).sum(axis=1), (left**2).sum(axis=(1, 2))]
    sizes = [cells.shape[2], cells.shape[1], cells[0].size]
    by_row, by_column, by_cell = (total * n / max(n - 1, 1) for total, n in zip(sums, sizes, strict=True))
    if cells.shape[1] == 1:
        by_column = by_cell = np.zeros(len(cells))
    variance = np.maximum(by_row + by_column - by_cell, np.maximum(by_row, by_column))
    found: Floats = np.sqrt(variance) / cells[0].size
    return found


def detected_difference(means: Floats, errors: Floats, freedom: int, wanted: float) -> float:
    """Return the difference that `compare` calls better or worse, at 0.01, with this power."""
    return float(np.quantile(t_quantile(1 - ALPHA / 2, freedom) * errors - means, wanted))


def equivalence_power(means: Floats, errors: Floats, freedom: int, margin: float) -> float:
    """Return the share of equal runs that `compare` calls equivalent within this margin."""
    return float((np.abs(means) + t_quantile(1 - EQUIVALENCE, freedom) * errors < margin).mean())
