"""The kind of database at a journal's address; only that of the kind is imported."""

from __future__ import annotations

from pathlib import Path

from pytest_batcheval.journal import location
from pytest_batcheval.journal.address import JournalAddress, PostgresAddress
from pytest_batcheval.journal.database import Database


def database_at(address: JournalAddress, mounts: Path = location.MOUNTS) -> Database:
    """The database at an address; nothing is opened yet.

    `mounts` is the table of file systems, by which a network file system is refused.
    """
    if isinstance(address, PostgresAddress):
        from pytest_batcheval.journal.postgres import PostgresDatabase

        return PostgresDatabase(address)
    from pytest_batcheval.journal.sqlite_file import SqliteFile

    return SqliteFile(address, mounts)
