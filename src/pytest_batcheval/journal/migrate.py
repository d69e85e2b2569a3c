"""Versions of the journal's schema, with one script each; an older file is copied before it is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.location import private_file
from pytest_batcheval.journal.transaction import transaction
from pytest_batcheval.wire import real_time

APPLICATION_ID = 0x62656A31
"""`bej1`, which distinguishes a journal from other SQLite files."""


@cache
def scripts() -> tuple[str, ...]:
    """The scripts of all versions that this release supports, oldest first."""
    folder = files(__package__) / "migrations"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(file.read_text(encoding="utf-8") for file in found)


def version(connection: sqlite3.Connection, path: Path, newest: int | None = None) -> int:
    """The schema version of the file; 0 for an empty one.

    Raises:
        JournalError: the file is not a journal, or is from a later release.
    """
    newest = len(scripts()) if newest is None else newest
    application, found = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if found == 0 and application == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        return 0
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of pytest-batcheval; choose another file with --batch-journal")
    if found > newest:
        raise JournalError(
            f"the journal {path} has version {found}, but this release supports versions up to {newest}; "
            "upgrade pytest-batcheval, or choose another file with --batch-journal"
        )
    return int(found)


def upgrade(connection: sqlite3.Connection, path: Path, steps: Sequence[str] | None = None) -> None:
    """Bring the schema up to date in one transaction; `steps` are the scripts, by default this release's.

    A journal of an older version is copied first, to `<name>.v<version>-<time>` beside it.
    """
    steps = scripts() if steps is None else steps
    found = version(connection, path, len(steps))
    if found == len(steps):
        return
    if found:
        _back_up(connection, path.with_name(f"{path.name}.v{found}-{real_time.local('%Y%m%dT%H%M%S')}"))
    with transaction(connection):
        # Another process may have done it meanwhile.
        create_all(connection, steps[version(connection, path, len(steps)) :])
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")


def create_all(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Execute scripts, in the caller's transaction."""
    for step in steps:
        for statement in _statements(step):
            connection.execute(statement)


def _back_up(connection: sqlite3.Connection, copy: Path) -> None:
    private_file(copy)
    connection.execute("VACUUM INTO ?", (str(copy),))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which ends at the end of a line; `executescript` would commit early."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
