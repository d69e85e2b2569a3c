"""The part of the answers' differences that belongs to the persona across questions.

Everything works on a Gram matrix of cells, so any distance will do. `blocks` has the shape
(J, P, J, P): question, persona, question, persona.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.stats.resampling import shuffles

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

HELD = 2_000_000
"""Entries of permutations in memory at a time: 16 MB."""

PARTS = 800
"""Permutations for single personas: with 24 of them 19,200 parts, so that Holm's p of 0.01 needs 8 of these."""

CACHED = 1024
"""Permutations that are summed at a time: those of two questions then stay in the processor's cache."""


def filled(cells: Floats, present: Bools) -> Floats:
    """Return blocks of the Gram matrix (J * P, J * P), a missing cell at its question's mean, so without effect."""
    questions, personas = present.shape
    full = cells.copy()
    for j, i in zip(*np.nonzero(~present), strict=True):
        place, others = j * personas + i, j * personas + np.flatnonzero(present[j])
        full[place] = full[others].mean(axis=0)
        full[:, place] = full[:, others].mean(axis=1)
    return full.reshape(questions, personas, questions, personas)


def centred(blocks: Floats) -> Floats:
    """Return the blocks of cells less their question's mean."""
    rows = blocks - blocks.mean(axis=1, keepdims=True)
    both: Floats = rows - rows.mean(axis=3, keepdims=True)
    return both


def persona_sum(blocks: Floats) -> float:
    """Return T: the sum over personas and pairs of questions of the products of centred answers.

    Monotone in PERMANOVA's pseudo-F of persona with questions as blocks (Anderson 2001), since
    the total and the questions' sums of squares do not change under the permutations.
    """
    return float(persona_sums(blocks).sum())


def persona_sums(blocks: Floats) -> Floats:
    """Return each persona's part of T, shape (P,)."""
    same = np.einsum("jiqi->ijq", blocks)
    parts: Floats = (same.sum(axis=(1, 2)) - np.trace(same, axis1=1, axis2=2)) / 2
    return parts


def null_sums(blocks: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Return `persona_sum` for `count` permutations of personas, drawn independently for every question."""
    questions, personas = blocks.shape[:2]
    step = max(1, HELD // (questions * personas))
    return np.concatenate([_null_sums(blocks, rng, min(step, count - done)) for done in range(0, count, step)])


def _null_sums(blocks: Floats, rng: np.random.Generator, count: int) -> Floats:
    questions, personas = blocks.shape[:2]
    # persona-major: the sum over personas then runs along memory
    orders = [np.ascontiguousarray(shuffles(rng, count, personas).T) for _ in range(questions)]
    pairs = [(j, q) for j in range(questions) for q in range(j + 1, questions)]
    products = {(j, q): np.ascontiguousarray(blocks[j, :, q, :]).ravel() for j, q in pairs}
    sums = np.zeros(count)
    for start in range(0, count, CACHED):
        columns = [order[:, start : start + CACHED] for order in orders]
        rows = [column * personas for column in columns]
        for j, q in pairs:
            # indices are never out of range; "clip" only saves numpy the check
            sums[start : start + CACHED] += products[j, q].take(rows[j] + columns[q], mode="clip").sum(axis=0)
    return sums


def single_p_values(blocks: Floats, rng: np.random.Generator, permutations: int = PARTS) -> Floats:
    """Return the one-sided p-value of each persona's part of T, shape (P,).

    Under permutations within questions all personas' parts have one distribution: those of all of them are pooled.
    """
    questions, personas = blocks.shape[:2]
    orders = [shuffles(rng, permutations, personas) for _ in range(questions)]
    null = np.zeros((permutations, personas))
    for j in range(questions):
        for q in range(j + 1, questions):
            null += blocks[j, :, q, :][orders[j], orders[q]]
    drawn = np.sort(null, axis=None)
    parts = persona_sums(blocks)
    reached = len(drawn) - np.searchsorted(drawn, parts - 1e-9 * np.maximum(1.0, np.abs(parts)))
    found: Floats = (1 + reached) / (len(drawn) + 1)
    return found


def persona_icc(blocks: Floats) -> float:
    """Return the intraclass correlation of persona: (MSp - MSe) / (MSp + (J - 1) MSe), question effects removed."""
    questions, personas = blocks.shape[:2]
    total = float(np.einsum("jiji->", blocks))
    return float(_icc(total, persona_sum(blocks), questions, personas))


def _icc(total: Floats | float, across: Floats | float, questions: int, personas: int) -> Floats:
    between = (total + 2 * np.asarray(across)) / questions
    persona_ms = between / (personas - 1)
    error_ms = (total - between) / ((personas - 1) * (questions - 1))
    whole = persona_ms + (questions - 1) * error_ms
    return np.divide(persona_ms - error_ms, whole, out=np.zeros_like(whole), where=whole > 1e-12)


def left_out_iccs(blocks: Floats) -> Floats:
    """Return `persona_icc` without each persona in turn, centred again, shape (P,); blocks need not be centred.

    The trace of a centred matrix is its trace less its sum over its size, and a persona's part of
    both is known, so no matrix is centred P times.
    """
    questions, personas = blocks.shape[:2]
    own = np.einsum("jiqi->ijq", blocks)
    trace = own.sum(axis=0)[None] - own
    rows, columns = blocks.sum(axis=3).transpose(1, 0, 2), blocks.sum(axis=1).transpose(2, 0, 1)
    total = blocks.sum(axis=(1, 3))[None] - rows - columns + own
    kept = trace - total / (personas - 1)
    within = np.trace(kept, axis1=1, axis2=2)
    return _icc(within, (kept.sum(axis=(1, 2)) - within) / 2, questions, personas - 1)


def profile_cosines(blocks: Floats) -> Floats:
    """Return products of each answer with every persona's profile of the other questions, over the profile's length.

    Shape (J, P, P): question, persona that answered, persona whose profile it is.
    """
    own = np.einsum("jijm->jim", blocks)
    return _over_length(blocks.sum(axis=2) - own, np.einsum("qmrm->qrm", blocks))


def _over_length(product: Floats, within: Floats) -> Floats:
    """Return products with profiles, shape (J, P, P), over the profiles' lengths.

    `within` has each persona's products of its answers to two questions, shape (J, J, P).
    """
    squared = within.sum(axis=(0, 1)) - 2 * within.sum(axis=1) + np.einsum("qqm->qm", within)
    length = np.sqrt(np.maximum(squared, 0))[:, None, :]
    cosines: Floats = np.divide(product, length, out=np.zeros_like(product), where=length > 1e-9)
    return cosines


def nearest_profiles(cosines: Floats) -> npt.NDArray[np.intp]:
    """Return the persona whose profile is nearest, shape (J, P); -1 for a tie."""
    best = cosines.argmax(axis=2)
    top = cosines.max(axis=2, keepdims=True)
    tied = (cosines >= top - 1e-12).sum(axis=2) > 1
    return np.where(tied, -1, best)


def nearer_profiles(cosines: Floats) -> npt.NDArray[np.intp]:
    """Return the number of other personas' profiles that are at least as near as the own one, shape (J, P)."""
    own = np.einsum("jii->ji", cosines)[:, :, None]
    nearer: npt.NDArray[np.intp] = (cosines >= own - 1e-12).sum(axis=2) - 1
    return nearer


def null_accuracies(blocks: Floats, present: Bools, rng: np.random.Generator, count: int) -> Floats:
    """Return the accuracy under `count` permutations of personas within questions."""
    questions, personas = present.shape
    # a row of each cell's products with all cells: a permutation then takes whole rows
    cells = np.ascontiguousarray(blocks.reshape(questions * personas, -1).T)
    start = np.arange(questions)[:, None] * personas
    accuracies = []
    for _ in range(count):
        places = start + shuffles(rng, questions, personas)
        hit = (nearer_profiles(_mixed_cosines(cells, places)) == 0) & present.ravel()[places]
        accuracies.append(hit.sum() / present.sum())
    return np.array(accuracies)


def _mixed_cosines(cells: Floats, places: npt.NDArray[np.intp]) -> Floats:
    """Return `profile_cosines` of the blocks with these cells, shape (J, P), without making the blocks.

    `cells` is the transposed Gram matrix.
    """
    product = cells[places].sum(axis=0).T[places] - cells[places[:, None, :], places[:, :, None]]
    return _over_length(product, cells[places[None], places[:, None]])
