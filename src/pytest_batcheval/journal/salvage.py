"""Repair of a damaged journal: a copy is kept, and the readable rows make a new one; the provider has the rest."""

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
from pytest_batcheval.journal.location import prepare, real, sync_folder
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
"""Every table, parents first, with the columns that order its rows."""

_SUMS = {"request": "line", "answer": "response"}
"""The column that a row's checksum covers, for tables with checksums."""


@dataclass(frozen=True)
class Salvaged:
    """The outcome of a damaged journal's repair.

    Attributes:
        why: the damage.
        copy: path of the copy of the damaged journal.
        answers, batches: numbers of those in the new journal.
        dropped: number of rows that were readable but did not match their checksum.
    """

    why: str
    copy: Path
    answers: int
    batches: int
    dropped: int


def mend(path: Path, wait: Callable[[Holder | None], None] | None = None) -> Salvaged | None:
    """Replace a damaged journal by a new one with all its readable rows; `None` if it is not damaged.

    If killed at any moment, it leaves the damaged journal or the new one, and a copy of the damaged one.

    Args:
        path: the journal; a missing one is not damaged.
        wait: called while another process holds the journal's lock; it sleeps or raises.

    Raises:
        JournalError: the journal cannot be read or written for another reason than damage.
    """
    path = real(path)
    with reporting(path):
        prepare(path)  # the lock is beside the journal, also beside a missing one
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
    """The damage of a journal, by SQLite's own check and the checksums of its rows; `None` if there is none."""
    with closing(JournalReader(path)) as reader:
        try:
            return next(iter(reader.verify()), None)
        except DamagedError as error:
            return error.what


def _copy(path: Path) -> Path:
    """Copy the file and its write-ahead log, under matching names."""
    copy = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copy2(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    sync_folder(path.parent)
    return copy


def _replace(draft: Path, path: Path) -> None:
    """Replace the journal; its old log, which is in the copy, is removed first so that it is not applied to the new."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(draft, path)
    for suffix in ("-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)


def _fill(new: sqlite3.Connection, copy: Path) -> int:
    """Take over all readable rows that match their checksums, and return the number that did not."""
    dropped = 0
    with closing(_open(copy)) as old, transaction(new):
        for table, order in TABLES.items():
            for names, row in _rows(old, table, order):
                if not _is_sound(table, row):
                    dropped += 1
                    continue
                columns, marks = ", ".join(names), ", ".join("?" * len(row))
                with suppress(sqlite3.IntegrityError):  # a value that the column does not allow
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
        connection.execute("PRAGMA writable_schema = ON")  # else nothing can be read from a truncated file
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _rows(old: sqlite3.Connection, table: str, order: str) -> Iterator[tuple[list[str], sqlite3.Row]]:
    """The rows of a table from its beginning up to the damage, and from its end back to the damage."""
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
