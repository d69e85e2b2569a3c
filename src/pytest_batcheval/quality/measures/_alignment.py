"""Alignment, one number per answer: how far its scores agree with its persona's prompt."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import arranged
from pytest_batcheval.quality.design import Levels, Targets, design_of
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers
from pytest_batcheval.quality.scores import Given, on_scale, score_column, scored
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames

Floats = npt.NDArray[np.float64]

MIDDLE, HALF = 3.0, 2.0
"""The middle of the scale of scores, 1 to 5, and its distance from each end."""


def alignment(
    answers: Answers,
    *,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> Floats:
    """Return the mean over the prompted dimensions that the question aims at of level x (score - 3) / 2, shape (n,).

    From -1 to 1: 1 is each prompted pole at its strongest, -1 the opposite, 0 neither. A dimension without a score
    counts as 0, since nothing of it is shown: what shows one of three traits has a third of the alignment of what shows
    all three as strongly, and showing more never lowers it. NaN for a failed answer, and if the prompt gave the persona
    no pole that the question aims at. Scores are on the judge's scale, 1 to 5; those on questions that do not aim at
    their dimension do not count.

    Raises:
        TableError: as `trait_reflection`, or scores far outside that scale.
    """
    return counted_alignment(arranged(answers, rows, columns), scores, levels, targets)[0]


def counted_alignment(
    answers: Answers, scores: Given | None = None, levels: Levels | None = None, targets: Targets | None = None
) -> tuple[Floats, ScoredAnswers]:
    """Return the alignment of each answer, and how many of those that were asked have a score."""
    judged, given = scored(answers, scores)
    table = table_of(judged)
    design = design_of(table, levels, targets)
    question, persona = np.divmod(table.cell, len(table.rows))
    total, count, asked = (np.zeros(len(table.cell)) for _ in range(3))
    for code in design.chosen(None):
        column = on_scale(code, score_column(given, code, len(answers)))[table.places]
        level = design.level(code)[persona]
        prompted = (level != 0) & np.isin(question, design.aimed[code])
        counts = prompted & ~np.isnan(column)
        asked += prompted
        total += np.where(counts, level * (np.where(counts, column, MIDDLE) - MIDDLE) / HALF, 0.0)
        count += counts
    found = np.full(len(answers), np.nan)
    found[table.places] = np.where(asked > 0, total / np.maximum(asked, 1), np.nan)
    return found, ScoredAnswers(int(np.count_nonzero(count)), int(np.count_nonzero(asked)))
