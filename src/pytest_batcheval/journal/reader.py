"""Reading the journal: answers, failures, batches; also while another process writes."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_batcheval.journal import connect, queries
from pytest_batcheval.journal.rows import OPEN, BatchRow
from pytest_batcheval.wire.objects import Answer, Request, RequestError

CHUNK = 500
"""Keys in one query; SQLite allows 999 parameters in its older versions."""

_COLUMNS = ", ".join(f.name for f in fields(BatchRow))


class JournalReader:
    """Read-only view of a journal; a missing or empty file is an empty journal and stays missing.

    Attributes:
        damaged: keys whose answer did not match its checksum and was not returned.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: set[str] = set()
        self._connection: sqlite3.Connection | None = None
        self._owner = (0, 0)

    def answers(self, requests: Iterable[Request], origin: str | None = None) -> dict[str, Answer]:
        """The stored answers of these requests by key; the newest generation wins.

        `origin` restricts them to answers of this origin; `None` takes any.

        Raises:
            JournalError: the journal cannot be read.
        """
        wanted = {request.custom_id: request for request in requests}
        found: dict[str, Answer] = {}
        for key, where, line_id, response, crc in self._by_keys(queries.ANSWERS, list(wanted), origin, origin):
            if checksum(key, response) != crc:
                self.damaged.add(key)
                continue
            found[key] = Answer(wanted[key], where, json.loads(response), source="journal", line_id=line_id)
        return found

    def failures(self, requests: Iterable[Request], origin: str) -> dict[str, RequestError]:
        """Why these requests have no answer of this origin, by key; only those that failed."""
        keys = list({request.custom_id for request in requests})
        rows = self._by_keys(queries.FAILURES, keys, origin)
        return {key: RequestError(code, message, status) for key, code, message, status, _ in rows}

    def retryable(self, keys: Sequence[str], origin: str) -> dict[str, bool]:
        """Whether a failed request may be sent again, by key; only those that failed."""
        return {row[0]: bool(row[4]) for row in self._by_keys(queries.FAILURES, keys, origin)}

    def generations(self, keys: Sequence[str], origin: str) -> dict[str, int]:
        """The newest generation of each key's answers, from 1; keys without an answer are missing."""
        return dict(self._by_keys(queries.GENERATIONS, keys, origin))

    def batches(self, origin: str | None = None) -> list[BatchRow]:
        """All batches, oldest first."""
        query = queries.BATCHES.replace("*", _COLUMNS)
        return [BatchRow(*row) for row in self._rows(query, {"origin": origin})]

    def open_batches(self, origin: str | None = None) -> list[BatchRow]:
        """Batches that were begun and are not settled, oldest first."""
        return [row for row in self.batches(origin) if row.state in OPEN]

    def claimed(self, origin: str) -> set[str]:
        """Keys that a batch of this origin owns, so that no other may send them."""
        return {row[0] for row in self._rows(queries.OPEN_CLAIMS, (origin,))}

    def keys(self, batch: int) -> list[str]:
        """The keys of a batch in the order of its input file."""
        return [row[0] for row in self._rows(queries.KEYS_OF_BATCH, (batch,))]

    def lines(self, batch: int) -> Iterator[bytes]:
        """The lines of a batch's input file, without newlines."""
        return (row[0] for row in self._rows(queries.LINES_OF_BATCH, (batch,)))

    def run_origin(self, run_id: str) -> str | None:
        """The origin a run sent to; `None` for an unknown run."""
        return next((str(row[0]) for row in self._rows(queries.RUN_ORIGIN, (run_id,))), None)

    def close(self) -> None:
        """Close the connection; the next query opens it again."""
        if self._connection is not None and self._owner == _here():
            self._connection.close()
        self._connection = None

    def _by_keys(self, query: str, keys: Sequence[str], *more: str | None) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            yield from self._rows(query.format(keys=", ".join("?" * len(part))), (*part, *more))

    def _rows(self, query: str, values: Any) -> list[tuple[Any, ...]]:
        """All rows at once: an open cursor would keep the WAL from being shortened."""
        connection = self._open()
        if connection is None:
            return []
        with connect.reporting(self.path):
            return connection.execute(query, values).fetchall()

    def _open(self) -> sqlite3.Connection | None:
        """A connection of this process and thread: SQLite's must not cross a fork or a thread."""
        if self._connection is not None and self._owner == _here():
            return self._connection
        if not self.path.exists():
            return None
        connection = connect.reader(self.path)
        if connect.version(connection, self.path) == 0:
            connection.close()
            return None
        self._connection, self._owner = connection, _here()
        return connection


def checksum(key: str, response: bytes) -> int:
    """CRC-32 of a stored answer; SQLite itself does not see a flipped bit in a text."""
    return zlib.crc32(response, zlib.crc32(key.encode()))


def _here() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()
