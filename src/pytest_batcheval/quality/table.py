"""Cells of a table of answers: the persona and question of each answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.errors import UsageError
from pytest_batcheval.recordings.answer_table import Answers, Row
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.value_id import value_id

MIN_PERSONAS = 8
MIN_QUESTIONS = 4
"""The least number of each, a convention: with fewer, leave-one-out intervals and errors by question depend on chance.

That can still be too few for a trait: 4 high and 4 low personas give no p below 1 / 70.
"""

MAX_MISSING = 0.02
"""Share of cells that may have no answer, a convention: 5 of 275; they are left out."""

NAMED = 10
"""Cells that an error names; of the others it gives the number."""


class TableError(UsageError, ValueError):
    """A table of answers that a statistic cannot be computed on; the text says what is needed."""


@dataclass(frozen=True)
class Table:
    """Answers by cell. Personas and questions are sorted by id, so a result never depends on their order.

    Attributes:
        personas: the values of the axis `persona`, P of them.
        questions: the values of the axis `question`, J of them.
        texts: one text per answer, n of them; failed answers are left out.
        cell: shape (n,), the answer's cell: question number * P + persona number.
        rows: shape (n,), the answer's position in `source`.
        source: the answers it was made of.
    """

    personas: tuple[Any, ...]
    questions: tuple[Any, ...]
    texts: tuple[str, ...]
    cell: npt.NDArray[np.intp]
    rows: npt.NDArray[np.intp]
    source: Answers

    @property
    def persona_ids(self) -> list[str]:
        """The ids of `personas`."""
        return [value_id(p) for p in self.personas]

    @cached_property
    def counts(self) -> npt.NDArray[np.intp]:
        """Shape (J * P,): answers in each cell; 0 is a missing cell."""
        return np.bincount(self.cell, minlength=len(self.personas) * len(self.questions))

    def cell_name(self, cell: int) -> str:
        """Return a cell in words: `persona x question`."""
        question, persona = divmod(cell, len(self.personas))
        return f"{self.persona_ids[persona]} x {value_id(self.questions[question])}"

    def answer_name(self, n: int) -> str:
        """Return one of the n answers in words, with the start of its key: `persona x question (0123456789ab)`."""
        key = self.source[int(self.rows[n])].custom_id[:KEY_SHOWN]
        return f"{self.cell_name(int(self.cell[n]))} ({key})"

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Shape (J, P): whether a cell has an answer."""
        return (self.counts > 0).reshape(len(self.questions), len(self.personas))


def named(names: Collection[str]) -> tuple[str, ...]:
    """Return the names given; a single one may be a string, whose letters are not names."""
    return (names,) if isinstance(names, str) else tuple(names)


def table_of(answers: Answers, without: Collection[str] = ()) -> Table:
    """Return the cells of `answers`, without the personas whose ids are in `without`.

    Raises:
        TableError: a row has no persona or question, two answers share persona, question and
            sample, there are fewer than 8 personas or 4 questions, or more than 2 % of the
            cells have no answer.
    """
    _check_axes(answers)
    without = named(without)
    kept = [(n, r) for n, r in enumerate(answers.rows) if r.id("persona") not in without]
    personas = sorted({r.id("persona"): r.cell["persona"] for _, r in kept}.items())
    questions = sorted({r.id("question"): r.cell["question"] for _, r in kept}.items())
    left_out = {r.id("persona") for r in answers.rows} & set(without)
    _check_size(len(personas), len(questions), left_out)
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
        source=answers,
    )
    _check_missing(table)
    return table


def _check_axes(answers: Answers) -> None:
    for position, row in enumerate(answers.rows):
        for axis in ("persona", "question"):
            if axis not in row.cell:
                raise TableError(f"answer {position} has no {axis}; its axes are: {', '.join(row.cell) or 'none'}")


def _check_size(personas: int, questions: int, left_out: Collection[str]) -> None:
    if personas < MIN_PERSONAS or questions < MIN_QUESTIONS:
        less = f" (without {', '.join(sorted(left_out))})" if left_out else ""
        raise TableError(
            f"{counted(personas, 'persona')}{less} and {counted(questions, 'question')} are too few: "
            f"at least {MIN_PERSONAS} personas and {MIN_QUESTIONS} questions are needed"
        )


def _check_unique(rows: Sequence[Row]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for row in rows:
        key = (row.id("persona"), row.id("question"), row.sample)
        if key in seen:
            further = sorted(set(row.cell) - {"persona", "question"})
            raise TableError(
                f"two answers of persona {key[0]!r} to question {key[1]!r} have sample number {key[2]}; "
                + (
                    f"choose one value of each other axis ({', '.join(further)}) with answers.where(...)"
                    if further
                    else "give each its own `sample`, or use one table per model or run"
                )
            )
        seen.add(key)


def _check_missing(table: Table) -> None:
    for axis, word, values in ((0, "of", table.personas), (1, "to", table.questions)):
        silent = [value_id(values[n]) for n in np.flatnonzero(table.present.sum(axis=axis) == 0)]
        if silent:
            raise TableError(f"no answers {word} {', '.join(silent[:NAMED])}")
    missing = np.flatnonzero(table.counts == 0)
    if len(missing) > MAX_MISSING * len(table.counts):
        ids = [table.cell_name(int(cell)) for cell in missing[:NAMED]]
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise TableError(
            f"{len(missing)} of {len(table.counts)} cells have no answer, more than {MAX_MISSING:.0%}: "
            f"{', '.join(ids)}{more}"
        )
