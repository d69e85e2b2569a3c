"""One number per cell: the basis of comparisons between runs, and the content of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import numpy as np
import numpy.typing as npt

from pytest_batcheval.quality.measures._alignment import alignment
from pytest_batcheval.quality.result import WIDTH
from pytest_batcheval.quality.scores import LARGEST, numbers
from pytest_batcheval.quality.stats.cell_means import cell_sums
from pytest_batcheval.quality.table import TableError, table_of
from pytest_batcheval.recordings.answer_table import Answers
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.value_id import value_id

Floats = npt.NDArray[np.float64]

ALIGNMENT = "alignment/1"
"""Name and version of the default number; the version changes whenever what it measures changes."""


@dataclass(frozen=True, repr=False)
class CellValues:
    """The mean of a per-answer number in each cell.

    Attributes:
        metric: the name of the number, with its version. Two runs can only be compared with the same one.
        personas, questions: ids, P and J of them.
        values: J rows of P means; `None` for a cell without a number.
        samples: J rows of P numbers of answers.
        noise: variance between samples of a cell; `None` if every cell has one sample.
    """

    metric: str
    personas: tuple[str, ...]
    questions: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    samples: tuple[tuple[int, ...], ...]
    noise: float | None

    def __repr__(self) -> str:
        known = [value for row in self.values for value in row if value is not None]
        mean = f", mean {sum(known) / len(known):.3f}" if known else ""
        cells = f"{len(self.personas)} x {len(self.questions)}, {counted(len(known), 'cell')} with a value{mean}"
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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(f"not cell values of `to_dict`: {error!r}") from None
        shape = [len(found.personas)] * len(found.questions)
        if [len(row) for row in found.values] != shape or [len(row) for row in found.samples] != shape:
            raise TableError("not cell values of `to_dict`: a row does not have one value per persona")
        known = [value for row in found.values for value in row if value is not None]
        noise = 0.0 if found.noise is None else found.noise
        if not all(abs(value) <= LARGEST for value in known) or not 0 <= noise <= LARGEST:
            raise TableError("not cell values of `to_dict`: a value or the noise is not a valid number")
        if min((count for row in found.samples for count in row), default=0) < 0:
            raise TableError("not cell values of `to_dict`: a number of samples is negative")
        return found


def cell_values(
    answers: Answers, values: Sequence[float | None] | Floats | None = None, *, metric: str | None = None
) -> CellValues:
    """Return the cells' means of `values`, one per answer, `None` or NaN for none; by default of their alignment.

    Raises:
        TableError: as `alignment`; values without a `metric` that names them; not one per answer;
            one that is not a finite number; or no value at all.
    """
    if values is None:
        values, metric = alignment(answers), metric or ALIGNMENT
    if not metric:
        raise TableError("values need a name: pass metric='my number/1'")
    column = numbers("values", values, len(answers))
    if np.isnan(column).all():
        raise TableError(f"no {metric} to compare: all values are missing")
    table = table_of(answers)
    total, count, scatter = cell_sums(table, column[table.rows])
    repeated = float((count[count > 0] - 1).sum())
    return CellValues(
        metric=metric,
        personas=tuple(table.persona_ids),
        questions=tuple(value_id(question) for question in table.questions),
        values=tuple(
            tuple(float(t / c) if c else None for t, c in zip(*row, strict=True))
            for row in zip(total, count, strict=True)
        ),
        samples=tuple(tuple(map(int, row)) for row in count),
        noise=float(scatter.sum() / repeated) if repeated else None,
    )


def values_of(run: Answers | CellValues) -> CellValues:
    """Return a run as values by cell: answers by their alignment, values as they are.

    Raises:
        TableError: as `cell_values`.
    """
    return run if isinstance(run, CellValues) else cell_values(run)
