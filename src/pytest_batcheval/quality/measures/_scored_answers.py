"""The number of answers that a figure rests on: of those that were asked to show something, those with a score."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pytest_batcheval.quality.axes import TableError
from pytest_batcheval.quality.design import Design
from pytest_batcheval.quality.result import NONE
from pytest_batcheval.quality.scores import score_column
from pytest_batcheval.quality.table import Table
from pytest_batcheval.quality.word_scores import Scores
from pytest_batcheval.text.phrase import Phrase

LEAST_SCORED = 0.5
"""Least share of scored answers for a comparison, a convention: of fewer, most of the figure would be zeros.

Measured (docs/statistics.md): 0.9 where a persona shows three of four signs, 0.7 where it shows 40 %, 0 for the word
list on texts in other words.
"""


class TooFewScores(TableError):
    """Answers of which too few have a score: whether two runs are alike cannot be told from what nobody has seen."""


@dataclass(frozen=True)
class ScoredAnswers:
    """Answers that have a score of a dimension that their question aims at, of those that were asked.

    Attributes:
        scored, asked: numbers of answers; `scored` is at most `asked`.
    """

    scored: int
    asked: int

    def __str__(self) -> Phrase:
        return Phrase("scores in {it.scored:,} of {answers}", it=self, answers=Phrase.counted(self.asked, "answer"))

    @property
    def enough(self) -> bool:
        """Whether at least half of them have one."""
        return self.scored >= LEAST_SCORED * self.asked and self.scored > 0

    def check(self) -> None:
        """Check that there are enough.

        Raises:
            TooFewScores: fewer than half of them have a score.
        """
        if not self.enough:
            raise TooFewScores(
                f"{self}, less than {LEAST_SCORED:.0%}: too few to compare by. Either the answers show nothing, "
                "or their words are not in the word list: let a judge score them (scores=scores_of(answers); --judge "
                "MODEL)"
            )


def scored_answers(table: Table, scores: Scores, aims: Design | dict[str, tuple[int, ...]]) -> ScoredAnswers:
    """Count the answers of a table with a score of a dimension that their question aims at."""
    aimed = {code: aims.aimed[code] for code in aims.testable} if isinstance(aims, Design) else aims
    question = table.cell // len(table.rows)
    asked, found = (np.zeros(len(table.cell), dtype=bool) for _ in range(2))
    for code in _known(aimed, scores):
        at = np.isin(question, aimed[code])
        asked |= at
        found |= at & ~np.isnan(score_column(scores, code, len(table.source))[table.places])
    return ScoredAnswers(int(found.sum()), int(asked.sum()))


def _known(aimed: Collection[str], scores: Scores) -> list[str]:
    return [code for code in aimed if code in scores]


def scored_words(first: ScoredAnswers | None, second: ScoredAnswers | None) -> list[Phrase]:
    """Return the answers behind two runs in words; nothing for values that every answer has."""
    if first is None and second is None:
        return []
    known = [NONE if one is None else one.__str__() for one in (first, second)]
    return [Phrase("{first}, against {second}", first=known[0], second=known[1])]
