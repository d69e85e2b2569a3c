"""Personas and answers that do not show their prompted traits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.design import Design, question_centred
from pytest_batcheval.quality.scores import score_column
from pytest_batcheval.quality.stats.cell_means import cell_means
from pytest_batcheval.quality.table import Table
from pytest_batcheval.quality.word_scores import Scores
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

MUTE_PERSONA, MUTE_QUESTION, MOST_MUTE = 0.4, 0.25, 1
"""Mute: a persona below 0.4 of the upper quartile of leanings, a question below a quarter of the most telling one.

Chosen on seeds 10,000 to 10,079 (docs/statistics.md): the mute ones of 2, 4, 10 and 12 mute personas are found exactly,
as are the silent questions where 5, 9 and 10 of 11 are played; none where 75 % of the signs are shown, with 60 % one
persona in 4 of 100 runs. One of each may be mute: with 40 % of the signs and one sample there are 0.6 on average.
"""

APART = 1.0
"""Points on the wrong side of a question's mean from which an answer is named; less is a judge's noise (0.7 to 0.8)."""


def leanings(
    table: Table, design: Design, codes: Sequence[str], scores: Scores
) -> tuple[dict[str, float], dict[str, float]]:
    """Return how far scores lean to the prompted poles, in points, least first: by persona, and by question.

    The mean over the prompted dimensions that a question aims at of level x (score less its question's mean); what has
    no score leans by 0. Near 0: nothing of the prompt shows; below 0: the opposite. Personas without a pole, and
    questions that aim at none, are left out.
    """
    total, asked = (np.zeros(table.present.shape) for _ in range(2))
    for code in codes:
        column = score_column(scores, code, len(table.source))[table.places]
        aimed = list(design.aimed[code])
        found = cell_means(table, (~np.isnan(column)).astype(float))[aimed]
        beyond = question_centred(table, scores[code], aimed)
        level = design.level(code)
        total[aimed] += np.nan_to_num(level * beyond * found)
        asked[aimed] += (level != 0) & ~np.isnan(found)
    parts = ((table.row_ids, 0), (table.column_ids, 1))
    by_persona, by_question = (_least_first(ids, total.sum(axis=a), asked.sum(axis=a)) for ids, a in parts)
    return by_persona, by_question


def _least_first(ids: Sequence[str], total: Floats, asked: Floats) -> dict[str, float]:
    found = {i: round(float(t / n), 12) for i, t, n in zip(ids, total, asked, strict=True) if n}
    return dict(sorted(found.items(), key=lambda pair: (pair[1], pair[0])))


def mute(leaning: Mapping[str, float], reference: float, share: float) -> tuple[str, ...]:
    """Return those that lean by less than this share of a reference, least first; all if nothing leans."""
    return tuple(name for name, points in leaning.items() if points < share * reference or reference <= 0)


def mute_personas(leaning: Mapping[str, float]) -> tuple[str, ...]:
    """Return the personas that show next to nothing of their prompt, compared with the better half of the others."""
    values = sorted(leaning.values())
    return mute(leaning, float(np.quantile(values, 0.75)) if values else 0.0, MUTE_PERSONA)


def mute_questions(leaning: Mapping[str, float]) -> tuple[str, ...]:
    """Return the questions at which next to nothing of the prompts shows, compared with the one that shows most."""
    return mute(leaning, max(leaning.values(), default=0.0), MUTE_QUESTION)


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
