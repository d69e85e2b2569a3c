"""The rows of a batch's results in a file, until they are stored: no line of a result file is read twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pytest_batcheval.backends.local_files import written
from pytest_batcheval.journal.rows import AnswerRow, FailureRow

ROWS = 500
"""Most rows that are held together."""

BYTES = 2**20
"""Bytes of answers that are held together, unless a single one has more."""

_HEAD = 8
"""Bytes of a number: the bytes of the rows that follow it."""

_Rows = tuple[list[AnswerRow], list[FailureRow]]
_decode = msgspec.msgpack.Decoder(_Rows).decode


def keep_rows(path: Path, rows: Iterable[AnswerRow | FailureRow]) -> None:
    """Write rows to a new file.

    Raises:
        JournalError: they cannot be stored.
    """
    written(path, _packed(rows))


def kept_rows(path: Path) -> Iterator[AnswerRow | FailureRow]:
    """The rows of such a file."""
    with path.open("rb") as stream:
        while head := stream.read(_HEAD):
            answers, failures = _decode(stream.read(int.from_bytes(head)))
            yield from answers
            yield from failures


def _packed(rows: Iterable[AnswerRow | FailureRow]) -> Iterator[bytes]:
    answers: list[AnswerRow] = []
    failures: list[FailureRow] = []
    size = 0
    for row in rows:
        if isinstance(row, AnswerRow):
            answers.append(row)
            size += len(row.response)
        else:
            failures.append(row)
        if size > BYTES or len(answers) + len(failures) == ROWS:
            yield _frame(answers, failures)
            answers, failures, size = [], [], 0
    yield _frame(answers, failures)


def _frame(answers: list[AnswerRow], failures: list[FailureRow]) -> bytes:
    text = msgspec.msgpack.encode((answers, failures))
    return len(text).to_bytes(_HEAD) + text
