"""Writing the journal: each method is one transaction, on disk when it returns."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from pytest_batcheval.journal import connect, queries
from pytest_batcheval.journal.lock import JournalLock
from pytest_batcheval.journal.reader import JournalReader, checksum
from pytest_batcheval.journal.rows import AnswerRow, BatchRow, FailureRow
from pytest_batcheval.wire.objects import Request

__all__ = ["Journal", "JournalReader"]


class Journal:
    """The writer of a journal file; who sends holds its `lock`.

    Attributes:
        path: the SQLite file.
        lock: the lock of whoever sends.
        reader: a read-only view of the same file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.lock = JournalLock(path.with_name(path.name + ".lock"))
        self.reader = JournalReader(path)
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open for writing; file (0600) and folder (0700) are made when missing.

        Raises:
            JournalError: the file cannot be used; the text says why and what to do.
        """
        connect.create(path)
        return cls(path, connect.writer(path))

    @staticmethod
    def read(path: Path) -> JournalReader:
        """Open for reading only; a missing file is an empty journal and is not made."""
        return JournalReader(path)

    def add_run(self, run: str, origin: str, base_url: str = "") -> None:
        """Note that a run may send to an origin now; told twice, it stays as it was."""
        with self._transaction() as connection:
            connection.execute(queries.ADD_RUN, (run, time.time(), origin, base_url, json.dumps(sys.argv)))

    def plan(self, row: BatchRow, requests: Sequence[Request]) -> BatchRow:
        """Store a batch in state `planned` with its requests, and claim their keys.

        Returns:
            The row with its number.

        Raises:
            JournalError: one of the keys is in another open batch of this origin.
        """
        with self._transaction() as connection:
            connection.executemany(queries.ADD_REQUEST, ((r.custom_id, r.line()) for r in requests))
            number = connection.execute(queries.ADD_BATCH, asdict(row)).lastrowid or 0
            connection.executemany(queries.ADD_CLAIM, ((r.custom_id, row.origin, number) for r in requests))
        return replace(row, id=number)

    def commit(self, row: BatchRow) -> None:
        """Store a batch's new state."""
        with self._transaction() as connection:
            connection.execute(queries.UPDATE_BATCH, asdict(row))

    def settle(self, row: BatchRow, results: Iterable[AnswerRow | FailureRow]) -> None:
        """Store a batch's last state, its answers and failures, and give its keys free: all or nothing.

        The claims of a `lost` batch stay: its requests were paid, so nothing may send them again.
        """
        with self._transaction() as connection:
            for result in results:
                if isinstance(result, AnswerRow):
                    _add_answer(connection, row, result)
                else:
                    _add_failure(connection, row, result)
            connection.execute(queries.DROP_ANSWERED_FAILURES, {"origin": row.origin, "batch": row.id})
            connection.execute(queries.UPDATE_BATCH, asdict(row))
            if row.state != "lost":
                connection.execute(queries.CLOSE_CLAIMS, (row.id,))

    def close(self) -> None:
        """Close the file and give the lock back."""
        self.reader.close()
        self._connection.close()
        self.lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with connect.reporting(self.path), connect.transaction(self._connection) as connection:
            yield connection


def _add_answer(connection: sqlite3.Connection, row: BatchRow, answer: AnswerRow) -> None:
    crc = checksum(answer.key, answer.response)
    place = (answer.key, row.origin, row.generation, row.id, row.attempt)
    connection.execute(queries.ADD_ANSWER, (*place, answer.line_id, answer.response, crc))


def _add_failure(connection: sqlite3.Connection, row: BatchRow, failure: FailureRow) -> None:
    what = (failure.code, failure.message, failure.status_code, int(failure.retryable))
    connection.execute(queries.ADD_FAILURE, (failure.key, row.origin, row.id, row.attempt, *what))
