"""One number per cell: the basis of comparisons between runs, and the content of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.axes import COLUMNS, ROWS, TableError, arranged, varying
from pytest_batcheval.quality.design import Levels, Targets
from pytest_batcheval.quality.measures._alignment import counted_alignment
from pytest_batcheval.quality.measures._scored_answers import ScoredAnswers
from pytest_batcheval.quality.result import WIDTH
from pytest_batcheval.quality.scores import LARGEST, Given, numbers
from pytest_batcheval.quality.stats.cell_means import cell_sums
from pytest_batcheval.quality.table import table_of
from pytest_batcheval.recordings.answer_table import Answers, AxisNames
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.value_id import value_id

Floats = npt.NDArray[np.float64]

ALIGNMENT = "alignment/2"
"""Name and version of the default number; the version changes whenever what it measures changes.

`alignment/1` was the mean over the dimensions with a score: what was not shown did not count.
"""

FORMER = {"alignment/1": "alignment/1 did not count what an answer does not show"}
"""Reasons why numbers of earlier versions cannot be compared with today's."""


@dataclass(frozen=True, repr=False)
class CellValues:
    """The mean of a per-answer number in each cell.

    Attributes:
        metric: the name of the number, with its version. Two runs can only be compared with the same one.
        personas, questions: ids of the rows and columns, whatever their axes are, P and J of them; one column with an
            empty id where the table has none.
        values: J rows of P means; `None` for a cell without a number.
        samples: J rows of P numbers of answers.
        noise: variance between samples of a cell; `None` if every cell has one sample.
        rows, columns: by axis, the id of each row (P of them) or column (J).
        scored: of the answers that were asked, those with a score; `None` for a number of one's own.
    """

    metric: str
    personas: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    samples: tuple[tuple[int, ...], ...]
    noise: float | None
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scored: ScoredAnswers | None = None

    def __post_init__(self) -> None:
        # made by hand, or read from a file of an older version
        if not self.rows and not self.columns:
            object.__setattr__(self, "rows", {ROWS: self.personas})
            object.__setattr__(self, "columns", {COLUMNS: self.questions})

    def __repr__(self) -> str:
        known = [value for row in self.values for value in row if value is not None]
        mean = f", mean {sum(known) / len(known):.3f}" if known else ""
        size = " x ".join(str(len(ids)) for ids in (self.personas, self.questions) if ids != ("",))
        cells = f"{size}, {counted(len(known), 'cell')} with a value{mean}"
        return f"<CellValues {shorten(f'{self.metric}: {cells}', WIDTH, placeholder='…')}>"

    def array(self) -> Floats:
        """Return the values, shape (J, P), NaN for none."""
        return np.array(self.values, dtype=np.float64).reshape(len(self.questions), len(self.personas))

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON data, which `from_dict` reads."""
        return {
            "metric": self.metric,
            "personas": list(self.personas),
            "questions": list(self.questions),
            "values": [list(row) for row in self.values],
            "samples": [list(row) for row in self.samples],
            "noise": self.noise,
            "rows": _written(self.rows),
            "columns": _written(self.columns),
            **({} if self.scored is None else {"scored": [self.scored.scored, self.scored.asked]}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellValues:
        """Read what `to_dict` returned.

        Raises:
            TableError: a field is missing, has the wrong shape, or holds an impossible number.
        """
        try:
            found = cls(
                str(data["metric"]),
                tuple(map(str, data["personas"])),
                tuple(map(str, data["questions"])),
                tuple(tuple(None if v is None else float(v) for v in row) for row in data["values"]),
                tuple(tuple(map(int, row)) for row in data["samples"]),
                None if data["noise"] is None else float(data["noise"]),
                _read(data.get("rows", {}), data["personas"]),
                _read(data.get("columns", {}), data["questions"]),
                ScoredAnswers(*map(int, data["scored"])) if "scored" in data else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TableError(f"not cell values of `to_dict`: {error!r}") from None
        shape = [len(found.personas)] * len(found.questions)
        if [len(row) for row in found.values] != shape or [len(row) for row in found.samples] != shape:
            raise TableError("not cell values of `to_dict`: a row does not have one value per persona")
        parts = [(found.rows, len(found.personas)), (found.columns, len(found.questions))]
        if any(len(ids) != number for axes, number in parts for ids in axes.values()):
            raise TableError("not cell values of `to_dict`: an axis does not have one id per row or column")
        known = [value for row in found.values for value in row if value is not None]
        noise = 0.0 if found.noise is None else found.noise
        if not all(abs(value) <= LARGEST for value in known) or not 0 <= noise <= LARGEST:
            raise TableError("not cell values of `to_dict`: a value or the noise is not a valid number")
        if min((count for row in found.samples for count in row), default=0) < 0:
            raise TableError("not cell values of `to_dict`: a number of samples is negative")
        return found


def cell_values(
    answers: Answers,
    values: Sequence[float | None] | Floats | None = None,
    *,
    metric: str | None = None,
    scores: Given | None = None,
    levels: Levels | None = None,
    targets: Targets | None = None,
    rows: AxisNames = None,
    columns: AxisNames = None,
) -> CellValues:
    """Return the cells' means of `values`, one per answer, `None` or NaN for none; by default of their alignment.

    `scores`, `levels` and `targets` are those of `alignment`. Every axis on which the answers differ is taken, unless
    `rows` and `columns` name some; more than two are taken together as rows.

    Raises:
        TableError: as `alignment`; values without a `metric` that names them; not one per answer;
            one that is not a finite number; no value at all; or values together with scores.
        TooFewScores: fewer than half of the answers that were asked have a score.
    """
    answers = _every_axis(arranged(answers, rows, columns))
    counts = None
    if values is None:
        values, counts = counted_alignment(answers, scores, levels, targets)
        metric = metric or ALIGNMENT
    elif scores is not None or levels is not None or targets is not None:
        raise TableError("pass values of your own, or scores, levels and targets for the alignment, but not both")
    if not metric:
        raise TableError("values need a name: pass metric='my number/1'")
    column = numbers("values", values, len(answers))
    if np.isnan(column).all():
        raise TableError(f"no {metric} to compare: all values are missing")
    return _by_cell(answers, column, metric, counts or _counted(column, metric))


def _counted(column: Floats, metric: str) -> ScoredAnswers | None:
    """Count the answers behind values that were computed before; `None` where every answer has one.

    In alignment an answer without a score is exactly 0.
    """
    if metric == ALIGNMENT:
        return ScoredAnswers(int(np.count_nonzero(np.nan_to_num(column))), int(np.count_nonzero(~np.isnan(column))))
    known = int(np.count_nonzero(~np.isnan(column)))
    return ScoredAnswers(known, len(column)) if known < len(column) else None


def _by_cell(answers: Answers, column: Floats, metric: str, counts: ScoredAnswers | None) -> CellValues:
    if counts is not None and metric == ALIGNMENT:
        counts.check()
    table = table_of(answers, any_size=True)
    total, count, scatter = cell_sums(table, column[table.places])
    repeated = float((count[count > 0] - 1).sum())
    return CellValues(
        metric=metric,
        personas=tuple(table.row_ids),
        questions=tuple(table.column_ids),
        values=tuple(
            tuple(float(t / c) if c else None for t, c in zip(*row, strict=True))
            for row in zip(total, count, strict=True)
        ),
        samples=tuple(tuple(map(int, row)) for row in count),
        noise=float(scatter.sum() / repeated) if repeated else None,
        rows=_ids(table.axes.rows, table.rows),
        columns=_ids(table.axes.columns, table.columns),
        scored=counts,
    )


def _every_axis(answers: Answers) -> Answers:
    """Return the answers arranged by every axis on which they differ, if no axes are named and these are many."""
    known = varying(answers, list(dict.fromkeys(axis for row in answers.rows for axis in row.cell)))
    return answers if answers.layout is not None or len(known) < 3 else answers.arranged(known)


def _written(part: Mapping[str, tuple[str, ...]]) -> Any:
    """Return the ids of axes as JSON data; of a single axis its name, since its ids are the rows or columns."""
    return next(iter(part)) if len(part) == 1 else {axis: list(ids) for axis, ids in part.items()}


def _read(written: Any, ids: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    found = {written: ids} if isinstance(written, str) else dict(written)
    return {str(axis): tuple(map(str, values)) for axis, values in found.items()}


def _ids(axes: Sequence[str], values: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    """Return, by axis, the id of each value of these axes taken together."""
    if len(axes) < 2:
        return {axis: tuple(map(value_id, values)) for axis in axes}
    return {axis: tuple(value_id(value.values[n]) for value in values) for n, axis in enumerate(axes)}


def values_of(run: Answers | CellValues, rows: AxisNames = None, columns: AxisNames = None) -> CellValues:
    """Return a run as values by cell: answers by their alignment, values as they are.

    Raises:
        TableError: as `cell_values`.
    """
    return run if isinstance(run, CellValues) else cell_values(run, rows=rows, columns=columns)
