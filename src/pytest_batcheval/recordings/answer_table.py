"""The table of answers that a test gets as its argument `answers`, and that a notebook reads from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, overload

from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.address import journal_address
from pytest_batcheval.journal.outcomes import Outcomes
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.text.format import counted, size
from pytest_batcheval.text.html_table import html_table
from pytest_batcheval.wire.available_memory import available_memory
from pytest_batcheval.wire.default_paths import CASSETTES, JOURNAL
from pytest_batcheval.wire.objects import Answer, Request, RequestError
from pytest_batcheval.wire.value_id import value_id

Layout = tuple[tuple[str, ...], tuple[str, ...]]
"""The names of the axes that are rows and columns; empty where they are not named."""

AxisNames = str | Sequence[str] | None
"""One axis, several that are taken together, or none."""

BYTES = 7_000
"""Bytes of memory of one answer with its request, both of some 700 bytes: measured at 20,000."""

MOST_SHOWN = 20
"""Rows of a table that a notebook shows."""


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

    def __init__(self, rows: Iterable[Row], layout: Layout | None = None) -> None:
        self.rows: tuple[Row, ...] = tuple(rows)
        self.layout = layout

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> Answers:
        """A table from plain dicts: `text` (or `error`), `sample` (default 0), every other name an axis.

        `status` (default `stop`) is the finish reason; `model` the served model.

        Raises:
            ValueError: a record has neither `text` nor `error`; the message has its position.
        """
        return cls(_row(position, record) for position, record in enumerate(records))

    @classmethod
    def from_recordings(cls, path: str | Path = CASSETTES, module: str | None = None) -> Answers:
        """A table of recorded answers, whose cells have ids; `model`, `origin` and time are the answers'.

        Args:
            path: the folder of recordings.
            module: only those of this test module, such as `tests/test_interview.py`.

        Raises:
            RecordingError: a recording is broken.
        """
        recordings = Recordings(Path(path))
        only = None if module is None else recordings.path_of(module)
        places = (place for place in recordings.places() if only in (None, place.path))
        return cls(_row_of(place.line.in_cell()) for place in places)

    @classmethod
    def from_journal(cls, path: str | Path = JOURNAL, origin: str | None = None, round_name: str = "") -> Answers:
        """A table of a journal's answers, the newest of each request and origin, whose cells have ids.

        Args:
            path: the journal, or `postgresql://host/database`.
            origin: only those of this origin.
            round_name: only those of this round.

        Raises:
            JournalError: the journal cannot be read.
            UsageError: the table would take more memory than there is; nothing is read.
        """
        journal = journal_address(path)
        with closing(JournalReader(journal)) as reader:
            rows = (row for row in reader.batches(origin) if not round_name or row.round == round_name)
            check_fits(sum(row.answers for row in rows))
            answers = list(reader.all_answers(origin, round_name))
        uses = Outcomes.beside(journal).by_key([answer.custom_id for answer in answers])
        cells = {key: found[0].cells[key] for key, found in uses.items()}
        return cls(_row_of(replace(answer, cell=cells.get(answer.custom_id, {}))) for answer in answers)

    def arranged(self, rows: AxisNames = None, columns: AxisNames = None) -> Answers:
        """The same answers, with these axes as the rows and columns of measures; several are taken together.

        Rows are compared with each other, as personas are; columns are where they are compared, as questions are. One
        that is not named stays as it is.
        """
        old = self.layout or ((), ())
        return Answers(self.rows, (_names(rows) or old[0], _names(columns) or old[1]))

    def with_rows(self, rows: Iterable[Row]) -> Answers:
        """Other rows in the same arrangement."""
        return Answers(rows, self.layout)

    def with_axes(self, axes: Mapping[str, Iterable[Any]]) -> Answers:
        """The same answers, with these values of their axes for the ids: what measures read, such as a profile.

        `PersonaMatrix.axes` are such values; a cell keeps an id that is none of theirs.
        """
        values = {(axis, value_id(value)): value for axis, found in axes.items() for value in found}
        return self.with_rows(
            replace(r, cell={axis: values.get((axis, r.id(axis)), old) for axis, old in r.cell.items()})
            for r in self.rows
        )

    def to_records(self) -> list[dict[str, Any]]:
        """Plain dicts, one an answer: the ids of its cell, `sample`, `text` or `error`, and what is known of it."""
        return [_record(row) for row in self.rows]

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of `to_records`; pandas must be installed."""
        return import_module("pandas").DataFrame(self.to_records())

    def to_polars(self) -> Any:
        """A `polars.DataFrame` of `to_records`; polars must be installed."""
        return import_module("polars").DataFrame(self.to_records(), infer_schema_length=None)

    def where(self, keep: Callable[[Row], bool] | None = None, **ids: str) -> Answers:
        """The rows that `keep` accepts and whose axis values have these ids."""
        rows = (r for r in self.rows if all(r.id(axis) == i for axis, i in ids.items()))
        return self.with_rows(r for r in rows if keep is None or keep(r))

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
            return self.with_rows(self.rows[index])
        return self.rows[index].answer

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Answer]:
        return (r.answer for r in self.rows)

    def __repr__(self) -> str:
        axes = " × ".join(dict.fromkeys(axis for row in self.rows for axis in row.cell))
        return f"<Answers {len(self):,}{f': {axes}' if axes else ''}>"

    def _repr_html_(self) -> str:
        """For notebooks: the first rows, in which no text is HTML."""
        records = [_record(row) for row in self.rows[:MOST_SHOWN]]
        several = any(row.sample for row in self.rows)
        names = [*dict.fromkeys(axis for row in self.rows for axis in row.cell), *(["sample"] if several else [])]
        said = [r["text"] if r["error"] is None else f"failed: {r['error']}" for r in records]
        rows = ([*map(record.get, names), text] for record, text in zip(records, said, strict=True))
        more = f"{len(self) - MOST_SHOWN:,} more" if len(self) > MOST_SHOWN else ""
        return html_table([*names, "answer"], rows, more)


def check_fits(answers: int) -> None:
    """Make sure that a table of so many answers fits into the memory that is available.

    Raises:
        UsageError: it does not; the message says what to do instead.
    """
    available = available_memory()
    if available is not None and answers * BYTES > available:
        raise UsageError(
            f"a table of {counted(answers, 'answer')} takes about {size(answers * BYTES)} of memory, and "
            f"{size(available)} is available: choose an origin or a round, or read the answers one by one, as "
            "`for answer in BatchClient().run(requests)` does"
        )


def _names(axes: AxisNames) -> tuple[str, ...]:
    return (axes,) if isinstance(axes, str) else tuple(axes or ())


def _row_of(answer: Answer) -> Row:
    return Row(answer.cell, answer.request.sample, answer)


def _record(row: Row) -> dict[str, Any]:
    """An answer as plain data; a name of its own beats an axis of the same name."""
    answer = row.answer
    failed = answer.error is not None
    return {
        **{axis: row.id(axis) for axis in row.cell},
        "sample": row.sample,
        "text": None if failed else answer.text,
        "error": str(answer.error) if failed else None,
        "status": None if failed else answer.finish_reason,
        "model": answer.request.model,
        "served_model": None if failed else answer.model,
        "origin": answer.origin,
        "round": answer.round,
        "asked_at": answer.asked_at,
        "input_tokens": 0 if failed else answer.tokens[0],
        "output_tokens": 0 if failed else answer.tokens[1],
        "custom_id": answer.custom_id,
    }


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
