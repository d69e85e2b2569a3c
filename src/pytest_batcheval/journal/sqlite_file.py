"""A journal in a SQLite file: one process sends at a time, under a lock beside the file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal import connect, location
from pytest_batcheval.journal.database import Connection
from pytest_batcheval.journal.lock import Holder, JournalLock
from pytest_batcheval.journal.reserve import Reserve
from pytest_batcheval.journal.transaction import reporting, transaction


class SqliteFile:
    """A `Database`; a batch has no owner beside the holder of the lock."""

    shared = False

    def __init__(self, path: Path, mounts: Path = location.MOUNTS) -> None:
        self.address = self.place = path
        self.lock = JournalLock(path.with_name(path.name + ".lock"))
        self._reserve = Reserve(path.with_name(path.name + ".reserve"))
        self._mounts = mounts
        self._file: os.stat_result | None = None

    def writer(self) -> Connection:
        """Open the file for writing; it is created if it is missing."""
        with self.reporting():
            location.prepare(self.place, self._mounts)
            connect.create(self.place)
            connection = connect.writer(self.place)
            self._file = os.stat(self.place)
            return connection

    def reader(self) -> Connection | None:
        """Open the file for reading; `None` without one."""
        return connect.reader(self.place) if self.exists() else None

    def exists(self) -> bool:
        """Whether there is such a file."""
        return self.place.exists()

    def reporting(self) -> AbstractContextManager[None]:
        """Turn SQLite's errors into a `JournalError` that names the file."""
        return reporting(self.place)

    def transaction(self, connection: Connection) -> AbstractContextManager[Connection]:
        """All of a `with` block, or nothing of it; the file must still be the one that was opened."""
        self._check_file()
        return transaction(_sqlite(connection))

    def check_indexes(self, connection: Connection) -> None:
        """Have SQLite check the indexes."""
        connect.check(_sqlite(connection), self.place, indexes=True)

    def errors(self, connection: Connection, quick: bool = False) -> Iterator[str]:
        """The errors that SQLite's own checks find."""
        check = "PRAGMA quick_check" if quick else "PRAGMA integrity_check"
        yield from (f"SQLite: {text}" for (text,) in connection.execute(check) if text != "ok")
        if quick:
            return
        for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            yield f"a row of {table} refers to a missing {parent}"

    def own(self, connection: Connection, batch: int) -> None:
        """Nothing: who holds the lock owns all batches."""

    def check_own(self, connection: Connection, batch: int) -> None:
        """Nothing: who holds the lock owns all batches."""

    def take_over(self, connection: Connection, batches: Collection[int]) -> set[int]:
        """All of them: their senders have ended, or they would hold the lock."""
        return set(batches)

    def lease(self, connection: Connection, origin: str, most: int) -> dict[int, str]:
        """None: it has one sender at a time."""
        return {}

    def senders(self) -> list[Holder]:
        """The holder of the lock, if there is one."""
        return [holder] if (holder := self.lock.holder()) is not None else []

    def owners(self, connection: Connection, batches: Collection[int]) -> list[Holder]:
        """Nobody beside the holder of the lock."""
        return []

    def keep_reserve(self, size: int) -> None:
        """Keep so many bytes on disk."""
        with self.reporting():
            self._reserve.keep(size)

    def give_reserve(self) -> None:
        """Free them."""
        self._reserve.give()

    def put_in_file(self, connection: Connection, wait: bool) -> None:
        """Move all rows from the log into the file."""
        connect.shorten_log(_sqlite(connection), connect.BUSY_SECONDS if wait else 0)

    def shrink(self, connection: Connection) -> None:
        """Write the file anew, without the space of deleted rows; a file without any stays as it is."""
        with self.reporting():
            if connection.execute("PRAGMA freelist_count").fetchone()[0]:
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def forget(self, connection: Connection) -> None:
        """Abandon a connection that was inherited by a fork."""
        connect.forget(_sqlite(connection))

    def is_open(self, connection: Connection) -> bool:
        """Always: nobody cuts it."""
        return True

    def reader_closed(self) -> None:
        """Remove the log that the last reader cannot remove itself."""
        connect.put_log_away(self.place)

    def _check_file(self) -> None:
        """Refuse to write to a file that was deleted or replaced: the data would be lost with this process."""
        if self._file is None:
            return
        if not self.place.exists() or not os.path.samestat(self._file, os.stat(self.place)):
            raise JournalError(
                f"the journal {self.place} was deleted or replaced while it was in use; nothing was sent after that"
            )


def _sqlite(connection: Connection) -> sqlite3.Connection:
    assert isinstance(connection, sqlite3.Connection)
    return connection
