"""Personas and answers that do not show their prompted traits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.design import Design
from pytest_batcheval.quality.scores import score_column
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.table import Table
from pytest_batcheval.quality.word_scores import Scores
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

APART = 1.0
"""Points on the wrong side of a question's mean from which an answer is named; less is a judge's noise (0.7 to 0.8)."""


def leanings(table: Table, design: Design, codes: Sequence[str], means: Floats) -> dict[str, float]:
    """Return, by persona, how far its scores lean to its prompted poles, in points, least first.

    `means` has the personas' question-centred scores, shape (P, codes). The mean is over the persona's prompted
    dimensions; personas without any are left out. Near 0: it shows nothing of them; below 0: the opposite.
    """
    level = np.column_stack([design.level(code) for code in codes])
    prompted = (level != 0).sum(axis=1)
    mean = (level * means).sum(axis=1) / np.maximum(prompted, 1)
    found = {i: float(mean[n]) for n, i in enumerate(table.row_ids) if prompted[n]}
    return dict(sorted(found.items(), key=lambda pair: (pair[1], pair[0])))


def opposed(table: Table, design: Design, codes: Sequence[str], scores: Scores) -> tuple[str, ...]:
    """Return the answers scored a point or more on the wrong side of their question's mean, furthest first.

    `persona x question (key): HA +1.9, prompted low`; only dimensions that the question aims at.
    """
    question, persona = np.divmod(table.cell, len(table.rows))
    found = []
    for code in codes:
        column = score_column(scores, code, len(table.source))[table.places]
        cells = np.ma.masked_invalid(cell_means(table, column))
        beyond = np.round(column - cells.mean(axis=1).filled(np.nan)[question], 9)
        level = design.level(code)[persona]
        lean = np.where(np.isin(question, design.aimed[code]), level * beyond, 0.0)
        for n in np.flatnonzero(lean <= -APART):
            template = "{answer}: {code} {beyond:+.1f}, prompted " + ("high" if level[n] > 0 else "low")
            text = Phrase(template, answer=table.answer_name(int(n)), code=code, beyond=float(beyond[n]))
            found.append((float(lean[n]), int(n), text))
    return tuple(text for _, _, text in sorted(found))
