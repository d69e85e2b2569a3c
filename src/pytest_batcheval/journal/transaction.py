"""Transactions that wait for their turn, and user-readable messages for SQLite's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress
from pytest_batcheval.text.disk_errors import advice, error_name

DAMAGED_WORDS = ("Could not decode to UTF-8", "unsupported file format")
"""Words of errors that have no name of their own: a text that is none, a header with an unknown number."""

DAMAGE = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_CONSTRAINT_FOREIGNKEY")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE … COMMIT: a deferred transaction would fail at once where this one waits for its turn."""
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
    except UnicodeDecodeError as error:  # a message of SQLite that quotes the file
        raise DamagedError(path, f"what it has is no text: {error.reason}") from error
    except (sqlite3.Error, OSError) as error:
        name = _name(error)
        if name.startswith(DAMAGE) or any(words in str(error) for words in DAMAGED_WORDS):
            raise DamagedError(path, f"{name}: {error}") from error
        todo = f"; {text}" if (text := advice(name)) else ""
        raise JournalError(
            f"the journal {path} cannot be used ({name}: {error}); nothing was sent after that{todo}"
        ) from error


class ClaimedError(JournalError):
    """Another batch has some of the `keys` of a new one, which was not stored."""

    def __init__(self, keys: Collection[str], text: str) -> None:
        self.keys = frozenset(keys)
        super().__init__(text)


class TakenOverError(JournalError):
    """Another process has taken a batch of this one over, which had stalled; nothing may be done with it here."""


class DamagedError(JournalError):
    """The journal is damaged, as `what` describes; nothing is sent with it."""

    def __init__(self, address: JournalAddress, what: str) -> None:
        self.what = what
        if isinstance(address, PostgresAddress):
            super().__init__(
                f"the journal {address} is damaged ({what}); nothing is sent without it. Restore the database from a "
                "backup of the server, then run: batcheval recover. It fetches what is newer from the provider"
            )
            return
        super().__init__(
            f"the journal {address} is damaged ({what}); it is the record of what was paid, so nothing is sent without "
            "it. Run: batcheval recover. It keeps a copy, saves what it can, and fetches the rest from the provider"
        )


def _name(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return error_name(error)
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
