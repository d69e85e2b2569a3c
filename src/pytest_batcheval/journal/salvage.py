"""Repair of a damaged journal: a copy is kept, and the readable rows make a new one; the provider has the rest."""

from __future__ import annotations

import filecmp
import glob
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import connect, queries
from pytest_batcheval.journal.connect import LOGS, mended
from pytest_batcheval.journal.damaged_file import open_copy, prepare_copy, rows
from pytest_batcheval.journal.location import prepare, private_file, real, sync_folder
from pytest_batcheval.journal.lock import Holder, JournalLock
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import OPEN, SUMS, checksum, is_sound
from pytest_batcheval.journal.schema import tables
from pytest_batcheval.journal.transaction import DamagedError, reporting, transaction
from pytest_batcheval.wire import real_time

_STATES = (*OPEN, "settled", "void", "lost")


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
        _remove(*path.parent.glob(f"{glob.escape(path.name)}.mending*"))  # of a repair that was killed
        _finish(path)
        why = damage_of(path)
        if why is None:
            return None
        copy = _copy(path)
        with _drafts(path) as (draft, work):
            found = _salvage(draft, work, copy, why)
            draft.replace(mended(path))  # from here on it is complete, and takes the journal's place
        sync_folder(path.parent)
        _finish(path)
        return found


def damage_of(path: Path) -> str | None:
    """The damage of a journal, by its schema, SQLite's own check, the checksums and contradictions of its rows.

    `None` if there is none.
    """
    with closing(JournalReader(path)) as reader:
        try:
            return next(iter(reader.verify()), None)
        except DamagedError as error:
            return error.what


def _copy(path: Path) -> Path:
    """Copy the file and its write-ahead log, under matching names, unless an earlier repair has done it."""
    for copy in sorted(path.parent.glob(f"{glob.escape(path.name)}.corrupt-*[0-9]")):
        if all(_same(path, copy, suffix) for suffix in ("", "-wal")):
            return copy
    copy = path.with_name(f"{path.name}.corrupt-{real_time.local('%Y%m%dT%H%M%S')}")
    while os.path.lexists(copy):
        copy = copy.with_name(f"{copy.name}0")
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError), _beside(path, suffix).open("rb") as source:
            private_file(_beside(copy, suffix))
            with _beside(copy, suffix).open("wb") as target:
                shutil.copyfileobj(source, target)
    sync_folder(path.parent)
    return copy


def _same(path: Path, copy: Path, suffix: str) -> bool:
    one, other = _beside(path, suffix), _beside(copy, suffix)
    if not one.exists() or not other.is_file() or other.is_symlink():
        return not one.exists() and not os.path.lexists(other)
    return filecmp.cmp(one, other, shallow=False)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _drafts(path: Path) -> Iterator[tuple[Path, Path]]:
    """Names for the new journal and for the readable copy of the old one, under which nothing is left."""
    names = draft, work = _beside(path, ".mending"), _beside(path, ".mending-old")
    try:
        yield draft, work
    finally:
        _remove(*names)


def _remove(*names: Path) -> None:
    for name in names:
        for suffix in ("", *LOGS):
            _beside(name, suffix).unlink(missing_ok=True)


def _finish(path: Path) -> None:
    """Put a complete new journal in the place of the damaged one, also of a repair that was killed.

    As long as it is there nobody opens the journal. The old log, which is in the copy, must not be applied to the
    new journal.
    """
    new = mended(path)
    if new.is_symlink() or not new.exists():
        return
    for suffix in LOGS:
        _beside(path, suffix).unlink(missing_ok=True)
    os.replace(new, path)
    sync_folder(path.parent)


def _salvage(draft: Path, work: Path, copy: Path, why: str) -> Salvaged:
    """Make a new journal of all readable rows."""
    connect.create(draft)
    prepare_copy(copy, work)
    with closing(sqlite3.connect(draft, isolation_level=None)) as new:
        new.execute("PRAGMA synchronous = FULL")
        dropped = _fill(new, work)
        counts = [new.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("answer", "batch")]
    if (wrong := damage_of(draft)) is not None:
        raise JournalError(f"the journal {copy} could not be repaired ({wrong}); nothing was changed")
    return Salvaged(why, copy, counts[0], counts[1], dropped)


def _fill(new: sqlite3.Connection, work: Path) -> int:
    """Take over all readable rows that match their checksums, and return the number that did not."""
    dropped = 0
    with closing(open_copy(work)) as old, transaction(new):
        for table in tables():
            for row in rows(old, table):
                if not _is_sound(table.name, row):
                    dropped += 1
                    continue
                row = _repaired(row) if table.name == "batch" else row
                marks = ", ".join("?" * len(row))
                with suppress(sqlite3.IntegrityError):  # a value that the column does not allow
                    new.execute(f"INSERT OR IGNORE INTO {table.name} VALUES ({marks})", tuple(row.values()))
        new.create_function("checksum", 2, checksum)
        for statement in queries.MEND:
            new.execute(statement)
        for table in tables():
            _drop_orphans(new, table.name)
    return dropped


def _is_sound(table: str, row: dict[str, Any]) -> bool:
    return table not in SUMS or is_sound(row["key"], row[SUMS[table]], row["crc"])


def _repaired(batch: dict[str, Any]) -> dict[str, Any]:
    """A batch whose words can be read: one in no state is looked at again, as after a crash."""
    individual = str(batch["file_name"]).startswith("calls-")
    state = batch["state"]
    if state not in _STATES:
        state = "created" if batch["batch_id"] and not individual else "creating"
    return batch | {"calls": "individual" if individual else "batch", "state": state}


def _drop_orphans(new: sqlite3.Connection, table: str) -> None:
    """Remove the rows that refer to a row which could not be read."""
    for _, _, parent, column, to, *_ in new.execute(f"PRAGMA foreign_key_list({table})").fetchall():
        new.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT {to} FROM {parent})")
