"""The part of the answers' differences that stays with the persona over questions.

Everything works on a Gram matrix of cells, so any distance will do. `blocks` has the shape
(J, P, J, P): question, persona, question, persona.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.resampling import shuffles

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def centred(cells: Floats, present: Bools) -> Floats:
    """The Gram matrix of cells less their question's mean, shape (J * P, J * P); missing cells are 0."""
    questions, personas = present.shape
    centring = np.zeros((questions, personas, questions, personas))
    for j in range(questions):
        here = present[j]
        centring[j, :, j, :] = (np.eye(personas) - here / here.sum()) * here[:, None]
    flat = centring.reshape(cells.shape)
    return flat @ cells @ flat.T


def persona_sum(blocks: Floats) -> float:
    """T: the sum over personas and pairs of questions of the products of centred answers; blocks (J, P, J, P).

    Monotone in PERMANOVA's pseudo-F of persona with questions as blocks (Anderson 2001), since
    the total and the questions' sums of squares do not change under the permutations.
    """
    same = np.einsum("jiqi->jq", blocks)
    return float((same.sum() - np.trace(same)) / 2)


def null_sums(blocks: Floats, rng: np.random.Generator, count: int) -> Floats:
    """`persona_sum` for `count` permutations of personas, drawn anew for every question."""
    questions, personas = blocks.shape[:2]
    orders = [shuffles(rng, count, personas) for _ in range(questions)]
    sums = np.zeros(count)
    for j in range(questions):
        for q in range(j + 1, questions):
            products = np.ascontiguousarray(blocks[j, :, q, :]).ravel()
            sums += products[orders[j] * personas + orders[q]].sum(axis=1)
    return sums


def persona_icc(blocks: Floats) -> float:
    """Intraclass correlation of persona: (MSp - MSe) / (MSp + (J - 1) MSe), question effects removed."""
    questions, personas = blocks.shape[:2]
    total = float(np.einsum("jiji->", blocks))
    between = (total + 2 * persona_sum(blocks)) / questions
    persona_ms = between / (personas - 1)
    error_ms = (total - between) / ((personas - 1) * (questions - 1))
    whole = persona_ms + (questions - 1) * error_ms
    return (persona_ms - error_ms) / whole if whole > 1e-12 else 0.0


def nearest_profiles(blocks: Floats) -> npt.NDArray[np.intp]:
    """The persona whose mean over the other questions is nearest by cosine, shape (J, P); -1 for a tie."""
    return _best(_cosines(blocks))


def _cosines(blocks: Floats) -> Floats:
    """Products of each answer with every persona's profile of the other questions, over the profile's length."""
    own = np.einsum("jijm->jim", blocks)
    product = blocks.sum(axis=2) - own
    within = np.einsum("qmrm->qrm", blocks)
    squared = within.sum(axis=(0, 1)) - 2 * within.sum(axis=1) + np.einsum("qqm->qm", within)
    length = np.sqrt(np.maximum(squared, 0))[:, None, :]
    cosines: Floats = np.divide(product, length, out=np.zeros_like(product), where=length > 1e-9)
    return cosines


def _best(cosines: Floats) -> npt.NDArray[np.intp]:
    best = cosines.argmax(axis=2)
    top = cosines.max(axis=2, keepdims=True)
    tied = (cosines >= top - 1e-12).sum(axis=2) > 1
    return np.where(tied, -1, best)


def null_accuracies(blocks: Floats, present: Bools, rng: np.random.Generator, count: int) -> Floats:
    """The accuracy under `count` permutations of personas within questions."""
    questions, personas = present.shape
    flat = blocks.reshape(questions * personas, -1)
    start = np.arange(questions)[:, None] * personas
    accuracies = []
    for _ in range(count):
        order = (start + shuffles(rng, questions, personas)).ravel()
        mixed = flat[np.ix_(order, order)].reshape(blocks.shape)
        hit = (nearest_profiles(mixed) == np.arange(personas)) & present.ravel()[order].reshape(present.shape)
        accuracies.append(hit.sum() / present.sum())
    return np.array(accuracies)


def left_out_iccs(cells: Floats, present: Bools) -> Iterator[float]:
    """`persona_icc` without each persona in turn, centred anew."""
    questions, personas = present.shape
    blocks = cells.reshape(questions, personas, questions, personas)
    for i in range(personas):
        rest = np.delete(np.delete(blocks, i, axis=1), i, axis=3)
        size = questions * (personas - 1)
        gram = centred(rest.reshape(size, size), np.delete(present, i, axis=1))
        yield persona_icc(gram.reshape(rest.shape))
