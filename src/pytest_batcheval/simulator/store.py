"""Persistent state for `--state-dir`: objects, progress and ledger in one SQLite file.

Every change is committed at once without waiting for the disk: it survives a killed server, not a
power cut. Result lines are written before the progress that counts them, so exactly the lines that
were not counted are cut off after a kill.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, Protocol

import msgspec

from pytest_batcheval.errors import UsageError
from pytest_batcheval.simulator.ledger import Execution
from pytest_batcheval.wire.file_lock import try_lock

_TABLES = """
CREATE TABLE IF NOT EXISTS object (kind TEXT, id TEXT, project TEXT, number INTEGER, data TEXT, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS execution (key, custom_id, batch_id, at, model, status_code, tokens, planted, project, free);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value);
"""
_COLUMNS = tuple(field.name for field in fields(Execution))
_PLANTED = _COLUMNS.index("planted")
_BOOK = f"INSERT INTO execution ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


class Store(Protocol):
    """A store of the server's state."""

    def save(self, kind: str, name: str, project: str, number: int, data: Mapping[str, Any]) -> None:
        """Store an object, new or changed."""

    def drop(self, kind: str, name: str) -> None:
        """Remove an object."""

    def progress(self, name: str, data: Mapping[str, Any], executions: Iterable[Execution]) -> None:
        """Store a batch's progress together with the executions behind it, both or neither."""

    def book(self, execution: Execution) -> None:
        """Store the execution of an individual call."""

    def forgive(self, batch_id: str) -> None:
        """Bill nothing of one batch."""

    def remember(self, **values: float) -> None:
        """Store numbers by name."""

    def clear(self) -> None:
        """Remove everything."""

    def close(self) -> None:
        """Close it, so that another server can open it."""


class Nowhere:
    """The store of a server without `--state-dir`, which keeps nothing."""

    def save(self, kind: str, name: str, project: str, number: int, data: Mapping[str, Any]) -> None:
        """Do nothing."""

    def drop(self, kind: str, name: str) -> None:
        """Do nothing."""

    def progress(self, name: str, data: Mapping[str, Any], executions: Iterable[Execution]) -> None:
        """Do nothing."""

    def book(self, execution: Execution) -> None:
        """Do nothing."""

    def forgive(self, batch_id: str) -> None:
        """Do nothing."""

    def remember(self, **values: float) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _keep_private(database: Path) -> None:
    """Create the file for this user only, or make it so: SQLite gives the files beside it the same mode."""
    os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    for path in (database, *(database.with_name(database.name + end) for end in ("-wal", "-shm"))):
        with suppress(FileNotFoundError):
            path.chmod(0o600)


class Disk:
    """A folder with the state of one server at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the folder, or create it.

        Raises:
            UsageError: it cannot be used, or another server is using it.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(folder)
            _keep_private(folder / "state.sqlite")
            self._database = sqlite3.connect(folder / "state.sqlite", isolation_level=None, check_same_thread=False)
            self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _TABLES)
        except (OSError, sqlite3.Error) as error:
            raise UsageError(f"the state directory {folder} cannot be used: {error}") from None

    def save(self, kind: str, name: str, project: str, number: int, data: Mapping[str, Any]) -> None:
        """Store an object, new or changed."""
        row = (kind, name, project, number, msgspec.json.encode(data).decode())
        self._database.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?)", row)

    def drop(self, kind: str, name: str) -> None:
        """Remove an object."""
        self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, name))

    def progress(self, name: str, data: Mapping[str, Any], executions: Iterable[Execution]) -> None:
        """Store a batch's progress together with the executions behind it, both or neither."""
        rows = [_row(execution) for execution in executions]
        self._database.execute("BEGIN")
        self._database.executemany(_BOOK, rows)
        text = msgspec.json.encode(data).decode()
        self._database.execute("UPDATE object SET data = ? WHERE kind = 'batch' AND id = ?", (text, name))
        self._database.execute("COMMIT")

    def book(self, execution: Execution) -> None:
        """Store the execution of an individual call."""
        self._database.execute(_BOOK, _row(execution))

    def forgive(self, batch_id: str) -> None:
        """Bill nothing of one batch."""
        self._database.execute("UPDATE execution SET free = 1 WHERE batch_id = ?", (batch_id,))

    def remember(self, **values: float) -> None:
        """Store numbers by name."""
        self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def clear(self) -> None:
        """Remove everything."""
        self._database.executescript("DELETE FROM object; DELETE FROM execution; DELETE FROM meta;")

    def close(self) -> None:
        """Close it, so that another server can open it."""
        self._database.close()
        self._lock.close()

    def objects(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Project and data of every object of a kind, in the order of creation."""
        rows = self._database.execute("SELECT project, data FROM object WHERE kind = ? ORDER BY number", (kind,))
        return [(project, msgspec.json.decode(data)) for project, data in rows]

    def executions(self) -> list[Execution]:
        """All stored executions, in order."""
        rows = self._database.execute(f"SELECT {', '.join(_COLUMNS)} FROM execution ORDER BY rowid")
        return [_execution(row) for row in rows]

    def numbers(self) -> dict[str, float]:
        """The numbers stored with `remember`."""
        return dict(self._database.execute("SELECT name, value FROM meta"))


def _row(execution: Execution) -> list[Any]:
    values = [getattr(execution, column) for column in _COLUMNS]
    values[_PLANTED] = msgspec.json.encode(execution.planted).decode()
    return values


def _execution(row: Sequence[Any]) -> Execution:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Execution(**{**values, "planted": msgspec.json.decode(values["planted"]), "free": bool(values["free"])})


def _locked(folder: Path) -> IO[str]:
    """An open file that locks the folder until it is closed or the process dies."""
    stream = open(os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600), "w", encoding="utf-8")  # noqa: SIM115
    if not try_lock(stream.fileno()):
        stream.close()
        raise UsageError(f"the state directory {folder} is in use by another running server")
    return stream
