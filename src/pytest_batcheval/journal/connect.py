"""Opening the journal's SQLite file: created private, migrated, never in a deferred transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

from pytest_batcheval.wire.errors import JournalError

APPLICATION_ID = 0x62656A31
"""`bej1`: tells this SQLite file from others."""

VERSION = 1
"""The newest schema; `migrations/` has one file for each version."""

BUSY_SECONDS = 5.0


def create(path: Path) -> None:
    """Make folder (0700, with a `.gitignore` of `*`) and empty file (0600) when they are missing.

    The file is made before SQLite opens it, because SQLite would make it readable to all,
    and gives its own -wal and -shm files the mode of this one.
    """
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def writer(path: Path) -> sqlite3.Connection:
    """A connection that writes: WAL, synchronous=FULL, schema up to date.

    Raises:
        JournalError: the file is damaged, is another kind of file, or of a later release.
    """
    with reporting(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection, path)
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, also from a folder that cannot be written.

    Raises:
        JournalError: the file is damaged, is another kind of file, or of a later release.
    """
    with reporting(path):
        connection = _read_only(path, "mode=ro")
        try:
            version(connection, path)
        except sqlite3.OperationalError:
            connection.close()
            connection = _read_only(path, "mode=ro&immutable=1")
            version(connection, path)
        return connection


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a `JournalError` that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise JournalError(
            f"the journal {path} cannot be used ({name}: {error}); nothing was sent after this"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """BEGIN IMMEDIATE … COMMIT: a deferred one fails at once where this one waits for its turn."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled back already; a second ROLLBACK would hide the cause.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of the file; 0 for an empty one.

    Raises:
        JournalError: the file is not a journal, or is of a later release.
    """
    application, found = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if found == 0 and application == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return 0
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is no journal of pytest-batcheval; name another file with --batch-journal")
    if found > VERSION:
        raise JournalError(
            f"the journal {path} has version {found} and this release knows versions up to {VERSION}; "
            "upgrade pytest-batcheval, or name another file with --batch-journal"
        )
    return int(found)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if version(connection, path) == VERSION:
        return
    with transaction(connection):
        for number in range(version(connection, path) + 1, VERSION + 1):
            for statement in _statements(number):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(number: int) -> list[str]:
    """`executescript` would commit the transaction around it, so the statements go one by one."""
    folder = files(__package__) / "migrations"
    script = next(f for f in folder.iterdir() if f.name.startswith(f"{number:04d}_")).read_text(encoding="utf-8")
    lines = (line.partition("--")[0] for line in script.splitlines())
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def _check(connection: sqlite3.Connection, path: Path) -> None:
    with closing(connection.execute("PRAGMA quick_check(1)")) as cursor:
        result = cursor.fetchone()[0]
    if result != "ok":
        raise JournalError(
            f"the journal {path} is damaged ({result}); keep the file and send nothing before it is mended"
        )


def _read_only(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
