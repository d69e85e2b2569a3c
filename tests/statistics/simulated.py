"""Generating models of the simulation tables, and the tests that are held against them, right and wrong ones."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from pytest_batcheval.quality.measures._cell_values import CellValues
from pytest_batcheval.quality.measures._trait_reflection import rank_sums
from pytest_batcheval.quality.stats.cliffs_delta import midranks
from pytest_batcheval.quality.stats.persona_effect import null_sums, persona_sum
from pytest_batcheval.quality.stats.resampling import shuffles

Floats = np.ndarray

PERSONAS, QUESTIONS, AIMED = 25, 11, 4
CELL_VARIANCE = 0.2
LEVEL = np.array([1] * 12 + [-1] * 12)


def vectors(rng: np.random.Generator, samples: int, directions: int, persona: float = 0.0) -> Floats:
    """Answers as vectors, means of a cell's samples: persona + cell + sample / sqrt(k), shape (J, P, directions)."""
    spread = math.sqrt(CELL_VARIANCE + 1 / samples)
    own = rng.normal(0, math.sqrt(persona), (PERSONAS, directions))
    return own + rng.normal(0, spread, (QUESTIONS, PERSONAS, directions))


def p_of(observed: float, null: Floats) -> float:
    return (1 + np.count_nonzero(null >= observed - 1e-9)) / (len(null) + 1)


def blocked_p(found: Floats, rng: np.random.Generator, permutations: int) -> float:
    """The test of `differentiation`: personas permuted within each question, answers centred by question."""
    centred = found - found.mean(axis=1, keepdims=True)
    flat = centred.reshape(-1, centred.shape[2])
    blocks = (flat @ flat.T).reshape(found.shape[:2] * 2)
    return p_of(persona_sum(blocks), null_sums(blocks, rng, permutations))


def free_p(found: Floats, rng: np.random.Generator, permutations: int) -> float:
    """Wrong: answers permuted freely over all cells, and not centred."""
    flat = found.reshape(-1, found.shape[2])

    def statistic(rows: Floats) -> float:
        return float((rows.reshape(found.shape).sum(axis=0) ** 2).sum())

    null = np.array([statistic(flat[rng.permutation(len(flat))]) for _ in range(permutations)])
    return p_of(statistic(flat), null)


def samples_alike_p(found: Floats, rng: np.random.Generator, permutations: int) -> float:
    """Wrong for this purpose: samples permuted within a question; `found` has the shape (J, P, k, directions)."""
    questions, personas, samples, directions = found.shape
    flat = found.reshape(questions, personas * samples, directions)

    def statistic(rows: Floats) -> float:
        return float((rows.reshape(found.shape).sum(axis=2) ** 2).sum())

    orders = [shuffles(rng, questions, personas * samples) for _ in range(permutations)]
    null = np.array([statistic(np.take_along_axis(flat, order[:, :, None], axis=1)) for order in orders])
    return p_of(statistic(flat), null)


def trait_cells(rng: np.random.Generator, samples: int, persona: float, effect: float = 0.0) -> Floats:
    """Cell means of one dimension's scores, centred by question, shape (4 questions, 24 personas).

    Noise 0.8 a sample; `persona` is the standard deviation of a persona's leaning.
    """
    leaning = effect * LEVEL + rng.normal(0, persona, 24) if persona else effect * LEVEL
    cells = leaning + rng.normal(0, 0.8 / math.sqrt(samples), (AIMED, 24))
    return cells - cells.mean(axis=1, keepdims=True)


def persona_p(cells: Floats, rng: np.random.Generator, permutations: int) -> float:
    """The test of `trait_reflection`: whole personas permuted."""
    ranks = midranks(np.round(cells.mean(axis=0), 12))
    return p_of(float(ranks[LEVEL > 0].sum()), rank_sums(ranks, 12, rng, permutations))


def answers_p(cells: Floats, rng: np.random.Generator, permutations: int) -> float:
    """Wrong: answers permuted within each question, as if a persona's were independent; difference of means.

    The rank sum of persona means would hide the fault: ranks don't know that shuffled means lie too close together.
    """
    mixed = sum(row[shuffles(rng, permutations, 24)] for row in cells) / len(cells)
    return p_of(float(cells.mean(axis=0) @ LEVEL), mixed @ LEVEL)


def differences(rng: np.random.Generator, spread: float, cell: float, mean: float = 0.0) -> Floats:
    """Differences of two runs: mean + persona + question + cell, the first two with the same spread, shape (J, P)."""
    return (
        mean
        + rng.normal(0, spread, (1, PERSONAS))
        + rng.normal(0, spread, (QUESTIONS, 1))
        + rng.normal(0, cell, (QUESTIONS, PERSONAS))
    )


def run_of(values: Floats, noise: float | None = None) -> CellValues:
    questions, personas = values.shape
    return CellValues(
        "points/1",
        tuple(f"p{i}" for i in range(personas)),
        tuple(f"q{j}" for j in range(questions)),
        tuple(tuple(map(float, row)) for row in values),
        ((1,) * personas,) * questions,
        noise,
    )


def naive_p(values: Floats) -> float:
    """Wrong: a t-test as if all cells were independent; two-sided."""
    return float(stats.ttest_1samp(values.ravel(), 0).pvalue)


def naive_equivalence_p(values: Floats, margin: float) -> float:
    """Wrong: two one-sided tests as if all cells were independent."""
    low = stats.ttest_1samp(values.ravel(), -margin, alternative="greater").pvalue
    high = stats.ttest_1samp(values.ravel(), margin, alternative="less").pvalue
    return float(max(low, high))


def judged_scores(
    rng: np.random.Generator, personas: int, questions: int, samples: int, effect: float, spread: float = 0.2
) -> Floats:
    """Whole scores from 1 to 5 with noise 0.8 and a quarter missing, shape (questions, personas, samples)."""
    level = np.resize([1.0, -1.0], personas)
    leaning = 3 + effect * level + rng.normal(0, spread, personas)
    scores = np.clip(np.rint(leaning[None, :, None] + rng.normal(0, 0.8, (questions, personas, samples))), 1, 5)
    scores[rng.random(scores.shape) < 0.25] = np.nan
    return scores


def two_raters(rng: np.random.Generator, answers: int, noise: float = 0.65) -> tuple[Floats, Floats]:
    """Whole scores of two raters of the same answers; with noise 0.65 their weighted kappa is 0.69."""
    truth = rng.normal(3, 1.1, answers)
    first, second = (np.clip(np.rint(truth + rng.normal(0, noise, answers)), 1, 5) for _ in range(2))
    return first, second
