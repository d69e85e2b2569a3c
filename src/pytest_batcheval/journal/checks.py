"""The checks of a whole journal: the database's own, the checksums of its rows, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_batcheval.journal import queries
from pytest_batcheval.journal.database import Connection, Database
from pytest_batcheval.journal.rows import SUMS, is_sound
from pytest_batcheval.journal.schema import tables
from pytest_batcheval.text.format import counted


def errors(database: Database, connection: Connection, quick: bool = False) -> Iterator[str]:
    """The errors in a journal; what keeps it from being read to its end is raised as the database's own error.

    `quick` leaves out what compares every row: checksums, indexes with their tables, requests without a result.
    """
    yield from database.errors(connection, quick)
    # SQLite checks this only on connections that may write.
    for (number,) in connection.execute(queries.ODD_BATCHES):
        yield f"batch {number} is in no state of the journal's"
    for number, state, claims in connection.execute(queries.STILL_OPEN):
        yield f"batch {number} is {state}, and still holds {counted(claims, 'request')}"
    if quick:
        return
    for table in tables():
        yield from _unsound_rows(connection, table.name)
    for (key,) in connection.execute(queries.GONE.format(which="")):
        yield f"request {key} is settled, and has neither answer nor failure"


def _unsound_rows(connection: Connection, table: str) -> Iterator[str]:
    """Read every row, one after the other: a text that is none is an error of reading."""
    cursor = connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in cursor.description]
    for row in cursor:
        if table in SUMS and not is_sound(*(row[names.index(name)] for name in ("key", SUMS[table], "crc"))):
            yield f"{table} {row[names.index('key')]} does not match its checksum"
