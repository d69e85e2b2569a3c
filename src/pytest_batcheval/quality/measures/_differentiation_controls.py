"""Controls of differentiation: one odd persona, length, or the words of descriptions and ids may explain it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.measures._shared_phrases import masked
from pytest_batcheval.quality.needs import LEAST_ROWS
from pytest_batcheval.quality.stats.cell_means import cell_means, cell_products
from pytest_batcheval.quality.stats.levels import ALPHA
from pytest_batcheval.quality.stats.persona_effect import (
    Bools,
    Floats,
    centred,
    filled,
    nearer_profiles,
    null_sums,
    persona_sum,
    persona_sums,
    profile_cosines,
)
from pytest_batcheval.quality.stats.resampling import permutation_p
from pytest_batcheval.quality.table import Table
from pytest_batcheval.text.phrase import Phrase

INFLUENCE, OTHERS = "without the most influential persona", "without those that stand out"
LENGTH, MASKED = "length alone", "masked"


@dataclass(frozen=True)
class Control:
    """The same test on a part of the answers' words, or on something else.

    Attributes:
        p_value: of the test of `differentiation`.
        accuracy: of the same; `None` for a single number per answer, which has no direction.
        detail: the outcome in words.
    """

    p_value: float
    accuracy: float | None
    detail: str


def controls(
    table: Table, raw: Floats, distinct: npt.NDArray[np.intp], permutations: int, seed: int
) -> dict[str, Control]:
    """Return the controls by name; without `masked` if descriptions and ids hold no run.

    `distinct` has the numbers of the personas that stand out; their control is left out where there is none, or fewer
    than `LEAST_ROWS` others.
    """
    found = {
        INFLUENCE: _without_the_most_influential(table, raw, permutations, seed),
        LENGTH: _length(table, permutations, seed),
    }
    if 0 < len(distinct) <= len(table.rows) - LEAST_ROWS:
        found[OTHERS] = _others(table, raw, distinct, permutations, seed)
    texts = masked(table.texts, table.rows)
    if texts is not None:
        found[MASKED] = _masked(table, texts, permutations, seed)
    return found


def _without_the_most_influential(table: Table, raw: Floats, permutations: int, seed: int) -> Control:
    most = int(persona_sums(centred(raw)).argmax())
    rest = np.delete(np.delete(raw, most, axis=1), most, axis=3)
    p_value, accuracy = _tested(rest, np.delete(table.present, most, axis=1), permutations, seed)
    template = "{persona} left out, still told apart (p = {p:.4g})"
    if p_value > ALPHA:
        template = "{persona} left out, the others are not told apart (p = {p:.4g})"
    return Control(p_value, accuracy, Phrase(template, persona=table.row_ids[most], p=p_value))


def _others(table: Table, raw: Floats, distinct: npt.NDArray[np.intp], permutations: int, seed: int) -> Control:
    rest = np.delete(np.delete(raw, distinct, axis=1), distinct, axis=3)
    p_value, accuracy = _tested(rest, np.delete(table.present, distinct, axis=1), permutations, seed)
    template = "the others are told apart too (p = {p:.4g})"
    if p_value > ALPHA:
        template = "the others are not told apart (p = {p:.4g})"
    return Control(p_value, accuracy, Phrase(template, p=p_value))


def _length(table: Table, permutations: int, seed: int) -> Control:
    means = cell_means(table, np.log1p([float(len(text)) for text in table.texts]))
    flat = np.nan_to_num(means).ravel()
    p_value, _ = _tested(filled(np.outer(flat, flat), table.present), table.present, permutations, seed)
    if p_value > ALPHA:
        return Control(p_value, None, Phrase("lengths do not tell personas apart (p = {p:.4g})", p=p_value))
    longest, shortest = np.nanmean(means, axis=0).argmax(), np.nanmean(means, axis=0).argmin()
    ids = table.row_ids
    template = "lengths alone tell personas apart (p = {p:.4g}): {longest} writes longest, {shortest} shortest"
    return Control(p_value, None, Phrase(template, p=p_value, longest=ids[longest], shortest=ids[shortest]))


def _masked(table: Table, texts: list[str], permutations: int, seed: int) -> Control:
    raw = filled(cell_products(table, texts), table.present)
    p_value, accuracy = _tested(raw, table.present, permutations, seed)
    template = "without the words of the descriptions and ids {shows} (p = {p:.4g}, accuracy = {accuracy:.3f})"
    shows = Phrase("still told apart" if p_value <= ALPHA else "no longer told apart")
    return Control(p_value, accuracy, Phrase(template, shows=shows, p=p_value, accuracy=accuracy))


def _tested(raw: Floats, present: Bools, permutations: int, seed: int) -> tuple[float, float]:
    """Return p and accuracy; 1 and 0 if all answers to a question are the same."""
    blocks = centred(raw)
    if np.einsum("jiji->", blocks) < 1e-12 * present.size:
        return 1.0, 0.0
    p_value, _ = permutation_p(lambda rng, n: null_sums(blocks, rng, n), persona_sum(blocks), permutations, seed)
    return p_value, float((nearer_profiles(profile_cosines(blocks)) == 0)[present].mean())
