"""Copies: whether a persona gives one answer to several questions.

A persona that says one text, or every text twice, can be told apart perfectly and is consistent: its answers to
different questions count as evidence that they are not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.measures._diversity import NEAR
from pytest_batcheval.quality.stats.text_distance import tfidf
from pytest_batcheval.quality.table import Table
from pytest_batcheval.text.phrase import Phrase

Floats = npt.NDArray[np.float64]

COPIES = 0.01
"""Largest share of near-copies among the pairs of a persona's answers to different questions.

Measured (docs/statistics.md): 0.000 of faithful respondents, 0.09 where every second answer is the one before, 1 where
a persona has one text for all questions.
"""


MAYBE = 0.75
"""Cosine of sketches from which one is computed exactly; theirs are off by 0.04 on average."""


def copied_answers(table: Table) -> tuple[float, tuple[str, ...]]:
    """Return the share of near-copies, and the cells: `persona: question and question (1.00)`, nearest first.

    Of all pairs of answers of one persona to different questions, those whose TF-IDF vectors have a cosine above
    `NEAR`; texts without n-grams are alike.
    """
    names = table.column_ids
    copies, pairs = 0, 0
    found: dict[tuple[int, int, int], float] = {}
    for persona, question, cosines in _by_persona(table):
        one, other = np.nonzero(np.triu(question[:, None] != question[None, :], 1))
        near = cosines[one, other] > NEAR
        pairs += len(one)
        copies += int(near.sum())
        for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
            cell = persona, int(question[a]), int(question[b])
            found[cell] = max(found.get(cell, 0.0), float(cosines[a, b]))
    ordered = sorted(found.items(), key=lambda item: (-round(item[1], 6), item[0]))
    words = (
        Phrase("{persona}: {one} and {other} ({cosine:.2f})", persona=table.row_ids[i], one=names[j], other=names[q],
               cosine=cosine)
        for (i, j, q), cosine in ordered
    )  # fmt: skip
    return copies / max(pairs, 1), tuple(words)


def _by_persona(table: Table) -> Iterator[tuple[int, npt.NDArray[np.intp], Floats]]:
    """Yield each persona's number, the question of each of its answers, and their cosines.

    These are exact where one may be above `NEAR`, and otherwise nearly so, which takes a tenth of the time.
    """
    vectors = tfidf(table.texts)
    short = vectors.sketched()
    question, persona = np.divmod(table.cell, len(table.rows))
    for number in range(len(table.rows)):
        members = np.flatnonzero(persona == number)
        # matrices so small are faster without the threads of the linear algebra
        cosines = np.einsum("ik,jk->ij", short[members], short[members])
        apart = question[members][:, None] != question[members][None, :]
        if (cosines[apart] > MAYBE).any():
            cosines = vectors.taken(members).products()
        empty = np.flatnonzero(np.diag(cosines) < 0.5)
        cosines[np.ix_(empty, empty)] = 1.0
        yield number, question[members], cosines
