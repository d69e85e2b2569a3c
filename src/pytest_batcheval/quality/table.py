"""Cells of a table of answers: the row and column of each answer, such as its persona and question."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import (
    Incomplete,
    NotMeasurable,
    TableAxes,
    TableError,
    TooSmall,
    axes_of,
    place_of,
    varying,
)
from pytest_batcheval.quality.needs import LEAST_COLUMNS, LEAST_ROWS
from pytest_batcheval.quality.result import listed
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted, plural_of
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire.key import KEY_SHOWN
from pytest_batcheval.wire.value_id import value_id

MAX_MISSING = 0.02
"""Share of cells that may have no answer, a convention: 5 of 275; they are left out."""

AVERAGE = "average"
"""The name by which a persona is left out that was prompted neither way in anything, whatever its id is."""

NAMED = 10
"""Cells that an error names; of the others it gives the number."""


@dataclass(frozen=True)
class Table:
    """Answers by cell. Rows and columns are sorted by id, so a result never depends on their order.

    Attributes:
        axes: the names of the axes.
        rows: the values of the rows, P of them: personas.
        columns: the values of the columns, J of them: questions; a single one where no axis is the columns.
        texts: one text per answer, n of them; failed answers are left out.
        cell: shape (n,), the answer's cell: column number * P + row number.
        places: shape (n,), the answer's position in `source`.
        source: the answers it was made of.
    """

    axes: TableAxes
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    texts: tuple[str, ...]
    cell: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]
    source: Answers

    @property
    def row_ids(self) -> list[str]:
        """The ids of `rows`."""
        return [value_id(value) for value in self.rows]

    @property
    def column_ids(self) -> list[str]:
        """The ids of `columns`."""
        return [value_id(value) for value in self.columns]

    @cached_property
    def counts(self) -> npt.NDArray[np.intp]:
        """Shape (J * P,): answers in each cell; 0 is a missing cell."""
        return np.bincount(self.cell, minlength=len(self.rows) * len(self.columns))

    def cell_name(self, cell: int) -> str:
        """Return a cell in words: `persona x question`."""
        column, row = divmod(cell, len(self.rows))
        return " x ".join(name for name in (self.row_ids[row], self.column_ids[column]) if name)

    def answer_name(self, n: int) -> str:
        """Return one of the n answers in words, with the start of its key: `persona x question (0123456789ab)`."""
        key = self.source[int(self.places[n])].custom_id[:KEY_SHOWN]
        return f"{self.cell_name(int(self.cell[n]))} ({key})"

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Shape (J, P): whether a cell has an answer."""
        return (self.counts > 0).reshape(len(self.columns), len(self.rows))


def named(names: Collection[str]) -> tuple[str, ...]:
    """Return the names given; a single one may be a string, whose letters are not names."""
    return (names,) if isinstance(names, str) else tuple(names)


def table_of(
    answers: Answers, without: Collection[str] = (), *, two_axes: bool = False, any_size: bool = False
) -> Table:
    """Return the cells of `answers`, without the rows whose ids are in `without`.

    `average` in it also stands for rows whose levels are all 0. Its rows and columns are those of `axes_of`; with
    `two_axes` it needs both, with `any_size` it may be small.

    Raises:
        TableError: it is not plain which axes are meant, an answer lacks one, two answers share row, column and
            sample, there are fewer than 8 rows or 4 columns, or more than 2 % of the cells have no answer.
        NotMeasurable: there is one axis where two are needed.
    """
    axes, without = axes_of(answers), named(without)
    if two_axes and not axes.columns:
        template = "the answers differ on one axis, {axis}; it compares the values of one axis at those of another"
        raise NotMeasurable(Phrase(template, axis=axes.row))
    every = [(n, row, place_of(row, axes.rows), place_of(row, axes.columns)) for n, row in enumerate(answers.rows)]
    left_out = _left_out({row[0]: row[1] for _, _, row, _ in every}, without)
    kept = [found for found in every if found[2][0] not in left_out]
    rows = sorted({identifier: value for _, _, (identifier, value), _ in kept}.items())
    columns = sorted({identifier: value for _, _, _, (identifier, value) in kept}.items())
    if not any_size:
        check_numbers(axes, len(rows), len(columns), left_out)
    _check_unique(answers, axes, [(row[0], column[0], found.sample) for _, found, row, column in kept])
    line = {identifier: i for i, (identifier, _) in enumerate(rows)}
    column_number = {identifier: j for j, (identifier, _) in enumerate(columns)}
    placed = sorted(
        (column_number[column[0]] * len(rows) + line[row[0]], found.sample, n, found.answer.text)
        for n, found, row, column in kept
        if found.answer.error is None
    )
    table = Table(
        axes=axes,
        rows=tuple(value for _, value in rows),
        columns=tuple(value for _, value in columns),
        texts=tuple(text for _, _, _, text in placed),
        cell=np.array([cell for cell, _, _, _ in placed], dtype=np.intp),
        places=np.array([n for _, _, n, _ in placed], dtype=np.intp),
        source=answers,
    )
    _check_missing(table)
    return table


def _left_out(rows: Mapping[str, Any], without: Collection[str]) -> set[str]:
    """Return the ids of the rows to leave out; of rows that all lack a level, none is the average one."""
    named_ids = set(without) & rows.keys()
    if AVERAGE not in without:
        return named_ids
    flat = {i for i, value in rows.items() if (levels := getattr(value, "levels", None)) and not any(levels.values())}
    return named_ids | (flat if len(flat) < len(rows) else set())


def check_numbers(axes: TableAxes, rows: int, columns: int, left_out: Collection[str] = (), which: str = "") -> None:
    """Check that there are enough rows, and enough columns if the table has any.

    `left_out` are rows that were not counted, `which` says more of those that were.

    Raises:
        TableError: there are too few.
    """
    if rows >= LEAST_ROWS and (columns >= LEAST_COLUMNS or not axes.columns):
        return
    less = f" (without {', '.join(sorted(left_out))})" if left_out else ""
    found, least = [f"{counted(rows, axes.row)}{less}"], [f"{LEAST_ROWS} {plural_of(axes.row)}"]
    if axes.columns:
        found.append(counted(columns, axes.column))
        least.append(f"{LEAST_COLUMNS} {plural_of(axes.column)}")
    are = "is" if len(found) == 1 and rows == 1 else "are"
    raise TooSmall(f"{' and '.join(found)}{which} {are} too few: at least {' and '.join(least)} are needed")


def _check_unique(answers: Answers, axes: TableAxes, places: Sequence[tuple[str, str, int]]) -> None:
    seen: set[tuple[str, str, int]] = set()
    for place in places:
        if place in seen:
            raise TableError(_twice(answers, axes, place))
        seen.add(place)


def _twice(answers: Answers, axes: TableAxes, place: tuple[str, str, int]) -> str:
    """Return the reason why two answers cannot be in one place, and what to do."""
    row, column, sample = place
    where = f"of {axes.row} {row!r}" + (f" to {axes.column} {column!r}" if axes.columns else "")
    known = dict.fromkeys(axis for row in answers.rows for axis in row.cell)
    further = varying(answers, [axis for axis in known if axis not in axes.all])
    if not further:
        advice = "give each its own `sample`, or use one table per model or run"
    else:
        together = (*axes.columns, *further) if axes.columns else tuple(further)
        advice = (
            f"choose one value of each other axis ({', '.join(further)}) with answers.where(...), "
            f"or take axes together: columns={together if len(together) > 1 else together[0]!r}"
        )
    return f"two answers {where} have sample number {sample}; {advice}"


def _check_missing(table: Table) -> None:
    for axis, word, ids in ((0, "of", table.row_ids), (1, "to", table.column_ids)):
        silent = [ids[n] for n in np.flatnonzero(table.present.sum(axis=axis) == 0)]
        if silent:
            raise TableError(f"no answers {word} {', '.join(silent[:NAMED])}".rstrip())
    missing = np.flatnonzero(table.counts == 0)
    if len(missing) > MAX_MISSING * len(table.counts):
        template = "{missing} of {cells} cells have no answer, more than {most:.0%}: {names}{nested}"
        raise Incomplete(
            Phrase(
                template,
                missing=len(missing),
                cells=len(table.counts),
                most=MAX_MISSING,
                names=listed([table.cell_name(int(cell)) for cell in missing], NAMED),
                nested=_nested(table),
            )
        )


def _nested(table: Table) -> str:
    """Return what to do where each column belongs to one row, as the questions on a document do."""
    nested = table.axes.columns and (table.present.sum(axis=1) == 1).all()
    return (
        f"; each {table.axes.column} belongs to one {table.axes.row}: take them together, rows={table.axes.all!r}"
        if nested
        else ""
    )
