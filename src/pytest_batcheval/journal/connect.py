"""Opening the journal's SQLite file: made whole and private, checked before it is trusted."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.location import private_file, sync_folder
from pytest_batcheval.journal.migrate import scripts, upgrade, version
from pytest_batcheval.journal.transaction import DamagedError, reporting

BUSY_SECONDS = 5.0
"""How long a statement waits for another process's transaction."""

_inherited: list[sqlite3.Connection] = []


def create(path: Path) -> None:
    """Make a journal (0600) where there is no file.

    It is made beside its place and linked there when it is whole. So an empty file is never one that
    was just being made, and is not taken for a new journal.

    Raises:
        JournalError: it cannot be made.
    """
    if path.exists():
        return
    with reporting(path):
        draft = path.with_name(f"{path.name}.new-{secrets.token_hex(4)}")
        private_file(draft)
        try:
            with closing(_read_and_write(draft)) as connection:
                _set_up(connection)
                upgrade(connection, draft)
            _put(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)


def writer(path: Path) -> sqlite3.Connection:
    """A connection that writes: WAL, synchronous=FULL, schema up to date.

    Raises:
        JournalError: the file is empty, damaged, of another kind, or of a later release.
    """
    with reporting(path):
        connection = _read_and_write(path)
        try:
            _refuse_empty(connection, path)
            _check(connection, path)
            _set_up(connection)
            upgrade(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, for any thread of this process; also from a folder that cannot be written.

    Raises:
        JournalError: the file is empty, damaged, of another kind, or of another release's version.
    """
    with reporting(path):
        connection = _read_only(path)
        try:
            if _refuse_empty(connection, path) < len(scripts()):
                raise JournalError(f"the journal {path} is of an older release; a run that sends brings it up to date")
        except BaseException:
            connection.close()
            raise
        return connection


def forget(connection: sqlite3.Connection) -> None:
    """Leave a connection that a fork brought along: closing it here could drop the parent's locks."""
    _inherited.append(connection)


def _read_and_write(path: Path) -> sqlite3.Connection:
    return _connect(path, "mode=rw")


def _read_only(path: Path) -> sqlite3.Connection:
    """SQLite needs a writable folder to read a WAL file, unless it is told that nobody can change it."""
    connection = _connect(path, "mode=ro")
    try:
        connection.execute("PRAGMA user_version")
    except sqlite3.Error as error:
        connection.close()
        if not error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise
        wal = path.with_name(path.name + "-wal")
        if wal.exists() and wal.stat().st_size:
            raise JournalError(
                f"the newest entries of the journal {path} are in {wal.name}, which cannot be read in a folder "
                "without write permission; copy both to a folder of yours"
            ) from None
        connection = _connect(path, "mode=ro&immutable=1")
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """The time to wait is set here, before the first statement: opening itself may have to wait."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=mode == "mode=rw",
    )


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _refuse_empty(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a file that is no empty one: that was a journal once, or never will be."""
    found = version(connection, path)
    if found == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise JournalError(
            f"the journal {path} is empty. If it was one, bring back a copy; "
            "if nothing was ever sent with it, delete it and a new one is made"
        )
    return found


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Structure only: a flipped bit inside a text is seen by the checksums of the rows."""
    with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
        result = cursor.fetchone()[0]
    if result != "ok":
        raise DamagedError(path, result)


def _put(draft: Path, path: Path) -> None:
    """Give the whole file its name, unless another process was faster."""
    with suppress(FileExistsError):
        try:
            os.link(draft, path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links; who loses this race is told that its journal was replaced.
            if not path.exists():
                draft.rename(path)
