"""From a table of answers to cells: which answer belongs to which persona and question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.wire.answers import Answers, Row, value_id
from pytest_batcheval.wire.errors import UsageError

MIN_PERSONAS = 8
MIN_QUESTIONS = 4
MAX_MISSING = 0.02
"""Share of cells that may be without an answer."""

NAMED = 10
"""Cells an error names before it says how many more."""


class TableError(UsageError, ValueError):
    """A table of answers that a statistic cannot be computed on; the text says what it needs."""


@dataclass(frozen=True)
class Table:
    """Answers by cell. Personas and questions are sorted by id, so a result never depends on their order.

    Attributes:
        personas: the values of the axis `persona`, P of them.
        questions: the values of the axis `question`, J of them.
        texts: one text per answer, n of them; failed answers are left out.
        cell: shape (n,), the answer's cell: question number * P + persona number.
        rows: shape (n,), the answer's position in the `Answers` it came from.
    """

    personas: tuple[Any, ...]
    questions: tuple[Any, ...]
    texts: tuple[str, ...]
    cell: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]

    @property
    def persona_ids(self) -> list[str]:
        """The ids of `personas`."""
        return [value_id(p) for p in self.personas]

    @cached_property
    def counts(self) -> npt.NDArray[np.intp]:
        """Shape (J * P,): answers in each cell; 0 is a missing cell."""
        return np.bincount(self.cell, minlength=len(self.personas) * len(self.questions))

    def averaging(self) -> npt.NDArray[np.float64]:
        """Shape (J * P, n): the matrix that takes answers to the mean of their cell; zero for a missing one."""
        matrix = np.zeros((len(self.counts), len(self.cell)))
        matrix[self.cell, np.arange(len(self.cell))] = 1 / self.counts[self.cell]
        return matrix


def table_of(answers: Answers, without: Collection[str] = ()) -> Table:
    """The cells of `answers`, leaving out the personas with the ids in `without`.

    Raises:
        TableError: a row has no persona or question, two answers share persona, question and
            sample, there are fewer than 8 personas or 4 questions, or more than 2 % of the
            cells have no answer.
    """
    _check_axes(answers)
    kept = [(n, r) for n, r in enumerate(answers.rows) if r.id("persona") not in without]
    personas = sorted({r.id("persona"): r.cell["persona"] for _, r in kept}.items())
    questions = sorted({r.id("question"): r.cell["question"] for _, r in kept}.items())
    _check_size(len(personas), len(questions), without)
    _check_unique([r for _, r in kept])
    column = {identifier: i for i, (identifier, _) in enumerate(personas)}
    line = {identifier: j for j, (identifier, _) in enumerate(questions)}
    placed = sorted(
        (line[r.id("question")] * len(personas) + column[r.id("persona")], r.sample, n, r.answer.text)
        for n, r in kept
        if r.answer.error is None
    )
    table = Table(
        personas=tuple(value for _, value in personas),
        questions=tuple(value for _, value in questions),
        texts=tuple(text for _, _, _, text in placed),
        cell=np.array([cell for cell, _, _, _ in placed], dtype=np.intp),
        rows=np.array([n for _, _, n, _ in placed], dtype=np.intp),
    )
    _check_missing(table)
    return table


def _check_axes(answers: Answers) -> None:
    for position, row in enumerate(answers.rows):
        for axis in ("persona", "question"):
            if axis not in row.cell:
                raise TableError(f"answer {position} has no {axis}; its axes are: {', '.join(row.cell) or 'none'}")


def _check_size(personas: int, questions: int, without: Collection[str]) -> None:
    if personas < MIN_PERSONAS or questions < MIN_QUESTIONS:
        left_out = f" (without {', '.join(sorted(without))})" if without else ""
        raise TableError(
            f"{personas} personas{left_out} and {questions} questions are too few: "
            f"at least {MIN_PERSONAS} personas and {MIN_QUESTIONS} questions are needed"
        )


def _check_unique(rows: Sequence[Row]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for row in rows:
        key = (row.id("persona"), row.id("question"), row.sample)
        if key in seen:
            raise TableError(
                f"two answers of persona {key[0]!r} to question {key[1]!r} have sample number {key[2]}; "
                "choose one value of every further axis with answers.where(...)"
            )
        seen.add(key)


def _check_missing(table: Table) -> None:
    missing = np.flatnonzero(table.counts == 0)
    if len(missing) > MAX_MISSING * len(table.counts):
        size = len(table.personas)
        ids = [f"{table.persona_ids[c % size]} x {value_id(table.questions[c // size])}" for c in missing[:NAMED]]
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise TableError(
            f"{len(missing)} of {len(table.counts)} cells have no answer, more than {MAX_MISSING:.0%}: "
            f"{', '.join(ids)}{more}"
        )
