"""A copy of a journal in one file, also while a run writes to it."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from pytest_batcheval.errors import JournalError, UsageError
from pytest_batcheval.journal import connect
from pytest_batcheval.journal.location import private_file, sync_folder
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.transaction import DamagedError, reporting


def copy_journal(path: Path, target: Path) -> int:
    """Copy a journal as it is at one moment to a new file (0600), and return the copy's bytes.

    The copy takes its name when it is complete, checked and on disk.

    Raises:
        UsageError: there is such a file already.
        DamagedError: what was copied is damaged.
        JournalError: the journal cannot be read, or the copy not written.
    """
    with reporting(path), closing(connect.reader(path)) as source:
        draft = target.with_name(f".{target.name}.new-{secrets.token_hex(4)}")
        try:
            _write(source, draft, target)
            if wrong := _check(draft):
                raise DamagedError(path, wrong)
            size = draft.stat().st_size
            if not connect.put_in_place(draft, target):
                raise UsageError(f"{target} already exists; name another file")
            sync_folder(target.parent)
            return size
        finally:
            draft.unlink(missing_ok=True)


def _write(source: sqlite3.Connection, draft: Path, target: Path) -> None:
    try:
        private_file(draft)
        with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # nothing beside it
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"{target} cannot be written ({error}); nothing was copied") from error


def _check(draft: Path) -> str | None:
    with closing(JournalReader(draft)) as reader:
        return next(iter(reader.verify()), None)
