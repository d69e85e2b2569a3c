"""Reading of a damaged journal by the schema that it must have had, whatever its own has become."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from pytest_batcheval.journal import schema
from pytest_batcheval.journal.location import private_file

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""Errors of reading a damaged file; SQLite's messages quote it, in whatever bytes it has."""


def prepare_copy(source: Path, work: Path) -> None:
    """Copy a damaged journal to `work` with what its log has, and give the copy our schema."""
    private_file(work)
    for suffix in ("", "-wal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(source.with_name(source.name + suffix), work.with_name(work.name + suffix))
    found: dict[str, int] = {}
    if _move_log(work):
        found = _own_roots(work)
    else:
        _overwrite(work, {})  # by a sound first page the log can be read, which may have one itself
        _move_log(work)
        found = {name: page for name, page in _own_roots(work).items() if page > 1}
    _overwrite(work, _roots(work, found))


def rows(connection: sqlite3.Connection, table: schema.JournalTable) -> Iterator[dict[str, object]]:
    """The rows of a table from its beginning up to the damage, and from its end back to the damage."""
    order = table.key if "WITHOUT ROWID" in table.bare else ("rowid",)
    for way in (order, tuple(f"{column} DESC" for column in order)):
        try:
            for row in connection.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(way)}"):
                yield _typed(table, row)
            return
        except UNREADABLE:
            continue


def open_copy(work: Path) -> sqlite3.Connection:
    """Open a prepared copy; its texts are read as bytes."""
    connection = sqlite3.connect(f"{work.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("PRAGMA cell_size_check = ON")
    connection.text_factory = bytes
    return connection


def _typed(table: schema.JournalTable, row: tuple[object, ...]) -> dict[str, object]:
    """A row whose texts are text: one changed bit makes bytes of a text, or no longer UTF-8."""
    return {
        name: value.decode("utf-8", "replace") if kind == "TEXT" and isinstance(value, bytes) else value
        for (name, kind), value in zip(table.columns.items(), row, strict=True)
    }


def _move_log(work: Path) -> bool:
    """Have SQLite move what the log has into the file; whether it could."""
    try:
        with closing(sqlite3.connect(work, isolation_level=None)) as connection:
            connection.execute("PRAGMA user_version").fetchone()
    except UNREADABLE:
        return False
    return not work.with_name(work.name + "-wal").exists()


def _roots(work: Path, found: dict[str, int]) -> dict[str, int]:
    """The first page of each table: as most of what the file says agrees with, or else by which most can be read."""
    agreed = [layout for layout in schema.layouts() if 2 * len(layout.items() & found.items()) > len(schema.tables())]
    candidates = agreed if len(agreed) == 1 else [layout | found for layout in schema.layouts()] + [*schema.layouts()]
    return max(candidates, key=lambda roots: _readable(work, roots)) if len(candidates) > 1 else candidates[0]


def _readable(work: Path, roots: dict[str, int]) -> int:
    """The number of rows that have values of the right types when the tables begin on these pages."""
    _overwrite(work, roots)
    with closing(open_copy(work)) as connection:
        return sum(_fits(table, row) for table in schema.tables() for row in rows(connection, table))


def _fits(table: schema.JournalTable, row: dict[str, object]) -> bool:
    return all(isinstance(row[name], _TYPES[table.columns[name]]) for name in table.key)


_TYPES = {"TEXT": str, "BLOB": bytes, "INTEGER": int, "REAL": float}


def _own_roots(work: Path) -> dict[str, int]:
    ours = {table.name.encode(): table.name for table in schema.tables()}
    with suppress(*UNREADABLE), closing(sqlite3.connect(work, isolation_level=None)) as connection:
        connection.text_factory = bytes
        connection.execute("PRAGMA writable_schema = ON")
        with suppress(*UNREADABLE):
            connection.execute(schema.ROOTS)  # of a damaged schema only the second statement can be read
        found = connection.execute(schema.ROOTS).fetchall()
        return {ours[name]: page for name, page in found if name in ours and isinstance(page, int)}
    return {}


def _overwrite(work: Path, roots: dict[str, int]) -> None:
    pages = -(-work.stat().st_size // schema.PAGE)
    with work.open("r+b") as file:
        file.write(schema.first_page({table.name: 1 for table in schema.tables()} | roots, max(pages, 1)))
