"""The table of answers that a test gets as its argument `answers`, and that a notebook reads from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from pytest_batcheval.wire.objects import Answer, Request, RequestError
from pytest_batcheval.wire.value_id import value_id


@dataclass(frozen=True)
class Row:
    """One answer with its cell: the values of the axes (whole objects, not ids), the sample and the answer."""

    cell: Mapping[str, Any]
    sample: int
    answer: Answer

    def __repr__(self) -> str:
        return f"<Row {' × '.join(map(self.id, self.cell))} sample {self.sample}: {self.answer!r}>"

    def id(self, axis: str) -> str:
        """The id of this row's value on an axis: `row.id("persona")`."""
        return self.answer.cell.get(axis) or value_id(self.cell[axis])


class Answers(Sequence[Answer]):
    """Answers with the cell each belongs to, in the order of the matrix.

    A sequence of `Answer`; `rows` also has their cells. `Answers.from_records` builds a table from
    your own data, so that answers of any origin can be judged.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: tuple[Row, ...] = tuple(rows)

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> Answers:
        """A table from plain dicts: `text` (or `error`), `sample` (default 0), every other name an axis.

        `status` (default `stop`) is the finish reason; `model` the served model.

        Raises:
            ValueError: a record has neither `text` nor `error`; the message has its position.
        """
        return cls(_row(position, record) for position, record in enumerate(records))

    def where(self, keep: Callable[[Row], bool] | None = None, **ids: str) -> Answers:
        """The rows that `keep` accepts and whose axis values have these ids."""
        rows = (r for r in self.rows if all(r.id(axis) == i for axis, i in ids.items()))
        return Answers(r for r in rows if keep is None or keep(r))

    def axis(self, name: str) -> list[Any]:
        """The values of an axis in this table, in order of first appearance.

        Raises:
            KeyError: no row has that axis.
        """
        return list({r.id(name): r.cell[name] for r in self.rows}.values())

    @overload
    def __getitem__(self, index: int) -> Answer: ...
    @overload
    def __getitem__(self, index: slice) -> Answers: ...
    def __getitem__(self, index: int | slice) -> Answer | Answers:
        if isinstance(index, slice):
            return Answers(self.rows[index])
        return self.rows[index].answer

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Answer]:
        return (r.answer for r in self.rows)

    def __repr__(self) -> str:
        axes = " × ".join(dict.fromkeys(axis for row in self.rows for axis in row.cell))
        return f"<Answers {len(self):,}{f': {axes}' if axes else ''}>"


def _row(position: int, record: Mapping[str, Any]) -> Row:
    known = {"text", "error", "sample", "status", "model", "origin"}
    cell = {name: value for name, value in record.items() if name not in known}
    sample = int(record.get("sample", 0))
    ids = {axis: value_id(value) for axis, value in cell.items()}
    request = Request({"model": record.get("model", ""), "cell": ids}, sample=sample)
    origin = str(record.get("origin", "records"))
    if record.get("error"):
        error = RequestError("error", str(record["error"]))
        return Row(cell, sample, Answer(request, origin, error=error, cell=ids))
    if not isinstance(record.get("text"), str):
        raise ValueError(f"record {position} must have a `text` or an `error`; it has: {sorted(record)}")
    choice = {"message": {"content": record["text"]}, "finish_reason": record.get("status", "stop")}
    body = {"model": record.get("model", ""), "choices": [choice]}
    return Row(cell, sample, Answer(request, origin, {"status_code": 200, "body": body}, cell=ids))
