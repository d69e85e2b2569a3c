"""The axes that a table of answers is laid out by: its rows, such as personas, and its columns, such as questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_batcheval.errors import UsageError
from pytest_batcheval.recordings.answer_table import Answers, AxisNames, Row

ROWS, COLUMNS = "persona", "question"
"""The axes that are rows and columns wherever a table has them and no others are named."""


class TableError(UsageError, ValueError):
    """A table of answers that a statistic cannot be computed on; the text says what is needed."""


class TooSmall(TableError):
    """A table with too few rows or columns."""


class Incomplete(TableError):
    """A table in which too many cells have no answer."""


class NotMeasurable(TableError):
    """A table that lacks what a measure is about: a second axis, levels, targets, descriptions."""


def arranged(answers: Answers, rows: AxisNames, columns: AxisNames) -> Answers:
    """Return `Answers.arranged`, for the arguments `rows` and `columns` of a measure.

    Raises:
        TableError: these are not answers.
    """
    if not isinstance(answers, Answers):
        raise TableError(f"expected a table of answers, not {answers!r:.80}; Answers.from_records(rows) makes one")
    return answers if rows is None and columns is None else answers.arranged(rows, columns)


@dataclass(frozen=True)
class Joint:
    """A value of several axes taken together: `calm, night`. It has every attribute that one of its values has."""

    values: tuple[Any, ...]
    id: str

    def __getattr__(self, name: str) -> Any:
        for value in () if name.startswith("__") else self.values:
            if hasattr(value, name):
                return getattr(value, name)
        raise AttributeError(name)


@dataclass(frozen=True)
class TableAxes:
    """The names of the axes that are rows and columns; of several they are taken together, and of none it is one value.

    Attributes:
        rows: the axes whose values are compared, as personas are.
        columns: the axes whose values all of them are compared at, as questions are; there may be none.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def row(self) -> str:
        """The name of the rows in words: `persona`."""
        return " x ".join(self.rows)

    @property
    def column(self) -> str:
        """The name of the columns in words, empty without any: `question`."""
        return " x ".join(self.columns)

    @property
    def all(self) -> tuple[str, ...]:
        """Every axis, those of the rows first."""
        return (*self.rows, *self.columns)


def place_of(row: Row, axes: Sequence[str]) -> tuple[str, Any]:
    """Return the id and the value of an answer on some axes taken together; an empty id on none."""
    if len(axes) == 1:
        return row.id(axes[0]), row.cell[axes[0]]
    values, ids = tuple(row.cell[axis] for axis in axes), ", ".join(map(row.id, axes))
    return ids, Joint(values, ids)


def axes_of(answers: Answers) -> TableAxes:
    """Return the axes of a table: those that `Answers.arranged` names, else those that are plain.

    `persona` and `question` are rows and columns. Otherwise those axes count that have several values: of two, the
    one whose values have levels is the rows, else the first; but where one is nested in the other, as the questions on
    a document are, both together are the rows. One is the rows of a table without columns.

    Raises:
        TableError: an answer lacks an axis, or it is not plain which axes are meant.
    """
    known = list(dict.fromkeys(axis for row in answers.rows for axis in row.cell))
    if answers.layout is None or answers.layout == ((), ()):
        found = _plain(answers, known)
    else:
        found = _completed(answers, known, TableAxes(*answers.layout))
    for position, row in enumerate(answers.rows):
        if lacking := [axis for axis in found.all if axis not in row.cell]:
            raise TableError(f"answer {position} has no {lacking[0]}; its axes are: {', '.join(row.cell) or 'none'}")
    return found


def varying(answers: Answers, axes: Sequence[str]) -> list[str]:
    """Return the axes on which the answers have several ids."""
    return [axis for axis in axes if len({row.id(axis) for row in answers.rows if axis in row.cell}) > 1]


def _plain(answers: Answers, known: list[str]) -> TableAxes:
    usual = [axis for axis in (ROWS, COLUMNS) if axis in known]
    if len(usual) == 2:
        return TableAxes((ROWS,), (COLUMNS,))
    others = [axis for axis in varying(answers, known) if axis not in usual] or [a for a in known if a not in usual]
    if len(others) > 2 - len(usual):
        raise TableError(
            f"answers have the axes {', '.join(known)}; name those that are meant: rows={others[0]!r}, "
            f"columns={(usual or others)[-1]!r}; of several axes, all taken together: columns={tuple(others[-2:])!r}"
        )
    if usual == [COLUMNS]:
        return TableAxes(tuple(others) or (COLUMNS,), (COLUMNS,) if others else ())
    found = [*usual, *others]
    if not found:
        raise TableError("the answers have no axis, so that there is nothing to compare: prompts need an argument")
    if not usual and len(found) == 2 and _nested(answers, found):
        return TableAxes(tuple(found), ())
    if not usual and len(found) == 2 and [_levelled(answers, axis) for axis in found] == [False, True]:
        found.reverse()
    return TableAxes((found[0],), tuple(found[1:]))


def _completed(answers: Answers, known: list[str], named: TableAxes) -> TableAxes:
    """Return the axes that are named, with the one that is left for the part that is not."""
    if unknown := [axis for axis in named.all if axis not in known]:
        raise TableError(f"no answer has the axis {', '.join(unknown)}; the axes are: {', '.join(known) or 'none'}")
    if twice := set(named.rows) & set(named.columns):
        raise TableError(f"the axis {', '.join(sorted(twice))} is named as both rows and columns")
    if named.rows and named.columns:
        return named
    left = varying(answers, [axis for axis in known if axis not in named.all])
    if len(left) > 1:
        part = "columns" if named.rows else "rows"
        raise TableError(f"name the {part} too, {part}={left[0]!r}: the answers also differ in {', '.join(left)}")
    if not named.rows and not left:
        return TableAxes(named.columns, ())
    return TableAxes(named.rows or tuple(left), named.columns or tuple(left))


def _nested(answers: Answers, axes: Sequence[str]) -> bool:
    """Whether each value of one axis occurs with a single value of the other."""
    cells = {tuple(row.id(axis) for axis in axes) for row in answers.rows if set(axes) <= set(row.cell)}
    return len(cells) == max(len({cell[n] for cell in cells}) for n in (0, 1))


def _levelled(answers: Answers, axis: str) -> bool:
    return any(getattr(row.cell.get(axis), "levels", None) for row in answers.rows)
