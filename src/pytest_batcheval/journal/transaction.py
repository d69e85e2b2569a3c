"""Transactions that wait for their turn, and SQLite's errors in the user's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_batcheval.wire.errors import JournalError

DAMAGE = ("SQLITE_NOTADB", "SQLITE_CORRUPT")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE … COMMIT: a deferred one fails at once where this one waits for its turn."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already; a second ROLLBACK would hide the cause.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the file system into a `JournalError` that names the journal."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        name = _name(error)
        if name.startswith(DAMAGE):
            raise damaged(path, f"{name}: {error}") from error
        raise JournalError(
            f"the journal {path} cannot be used ({name}: {error}); nothing was sent after this"
        ) from error


def damaged(path: Path, what: str) -> JournalError:
    """The error for a file that is no longer what was written; it is never moved or deleted by itself."""
    return JournalError(
        f"the journal {path} is damaged ({what}). Keep the file, it says what was paid for; nothing is sent with it. "
        "Mend it (sqlite3 can: .recover), or bring back a copy. Only if you move it away yourself is everything "
        "sent and paid anew that is not recorded elsewhere"
    )


def _name(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
