"""A damaged journal: a copy is kept, what can be read makes a new one, and the rest is left to the provider."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_batcheval.journal import connect, queries
from pytest_batcheval.journal.location import real, sync_folder
from pytest_batcheval.journal.lock import Holder, JournalLock
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import checksum
from pytest_batcheval.journal.transaction import DamagedError, reporting, transaction

TABLES = {
    "run": "rowid",
    "request": "key",
    "batch": "rowid",
    "claim": "batch, key",
    "answer": "rowid",
    "failure": "rowid",
    "refresh": "key, origin",
    "stage": "run, wave, name",
    "cell": "name, origin",
}
"""Every table, parents first, and what its rows are in order of."""

_SUMS = {"request": "line", "answer": "response"}
"""The column whose checksum a row has, of tables that have one."""


@dataclass(frozen=True)
class Salvaged:
    """What became of a damaged journal.

    Attributes:
        why: what was wrong with it.
        copy: where it is kept as it was found.
        answers, batches: how many of them could be read, the latter with all their requests.
        dropped: rows that could be read and were not what was stored.
    """

    why: str
    copy: Path
    answers: int
    batches: int
    dropped: int


def mend(path: Path, wait: Callable[[Holder | None], None] | None = None) -> Salvaged | None:
    """Put a new journal in the place of a damaged one, with all that could be read; `None` when it is sound.

    Killed at any moment, it leaves the damaged journal or the new one, and a copy of the damaged one.

    Args:
        path: the journal; a missing one is sound.
        wait: called while another process holds the journal's lock; it sleeps or raises.

    Raises:
        JournalError: it cannot be read or written for a reason that is no damage.
    """
    path = real(path)
    with reporting(path), JournalLock(path.with_name(path.name + ".lock")).held(wait):
        draft = path.with_name(path.name + ".mended")
        draft.unlink(missing_ok=True)
        why = damage_of(path)
        if why is None:
            return None
        copy = _copy(path)
        connect.create(draft)
        with closing(sqlite3.connect(draft, isolation_level=None)) as new:
            dropped = _fill(new, copy)
            counts = [new.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("answer", "batch")]
            new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _replace(draft, path)
        return Salvaged(why, copy, counts[0], counts[1], dropped)


def damage_of(path: Path) -> str | None:
    """What is wrong with a journal, by SQLite's own check and the checksums of its rows."""
    with closing(JournalReader(path)) as reader:
        try:
            return next(iter(reader.verify()), None)
        except DamagedError as error:
            return error.what


def _copy(path: Path) -> Path:
    """A copy of the file and of its write-ahead log, under names that belong together."""
    copy = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copy2(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    sync_folder(path.parent)
    return copy


def _replace(draft: Path, path: Path) -> None:
    """The old log must not be applied to the new file, so it goes first; it is in the copy."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(draft, path)
    for suffix in ("-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)


def _fill(new: sqlite3.Connection, copy: Path) -> int:
    """Take over all rows that can be read and are what was stored; returns how many were not."""
    dropped = 0
    with closing(_open(copy)) as old, transaction(new):
        for table, order in TABLES.items():
            for names, row in _rows(old, table, order):
                if not _is_sound(table, row):
                    dropped += 1
                    continue
                columns, marks = ", ".join(names), ", ".join("?" * len(row))
                with suppress(sqlite3.IntegrityError):  # a value that no column of its kind holds
                    new.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", tuple(row))
        new.create_function("checksum", 2, checksum)
        for statement in queries.MEND:
            new.execute(statement)
        broken = new.execute("PRAGMA foreign_key_check").fetchone()
        assert broken is None, tuple(broken)
    return dropped


def _open(copy: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    with suppress(sqlite3.DatabaseError):
        connection.execute("PRAGMA writable_schema = ON")  # else nothing is read of a file that is shorter than it says
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _rows(old: sqlite3.Connection, table: str, order: str) -> Iterator[tuple[list[str], sqlite3.Row]]:
    """The rows of a table from its beginning up to where it is damaged, and from its end back to there."""
    backwards = ", ".join(f"{column} DESC" for column in order.split(", "))
    for way in (order, backwards):
        try:
            for row in old.execute(f"SELECT * FROM {table} ORDER BY {way}"):
                yield row.keys(), row
            return
        except sqlite3.DatabaseError:
            continue


def _is_sound(table: str, row: sqlite3.Row) -> bool:
    if table not in _SUMS:
        return True
    text = row[_SUMS[table]]
    return isinstance(text, bytes) and isinstance(row["key"], str) and checksum(row["key"], text) == row["crc"]
